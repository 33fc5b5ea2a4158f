//! Descriptions of operations, for progress, reports and errors.

use super::op::{AccountChange, OpKind, OpenMode, Subject};
use crate::disk::DeviceRef;

impl OpKind {
    /// What the operation is about.
    pub fn subject(&self) -> Subject {
        match self {
            OpKind::AlreadyRight(a) => a.subject.clone(),
            OpKind::Skipped(a) => a.subject.clone(),
            OpKind::CreateImage(a) => Subject::Table(a.disk.clone()),
            OpKind::WriteTable(a) => Subject::Table(a.disk.clone()),
            OpKind::CreateArray(a) => Subject::Device(DeviceRef::Array {
                name: a.name.clone(),
            }),
            OpKind::AssembleArray(a) => Subject::Device(DeviceRef::Array {
                name: a.name.clone(),
            }),
            OpKind::CreateLuks(a) => Subject::Device(DeviceRef::Luks {
                name: a.name.clone(),
            }),
            OpKind::HandOver(a) => Subject::Device(DeviceRef::Luks {
                name: a.name.clone(),
            }),
            OpKind::MakeFilesystem(a) => Subject::Device(a.device.clone()),
            OpKind::WipeDevice(a) => Subject::Device(a.device.clone()),
            OpKind::Settle(a) => match a.devices.first() {
                Some(device) => Subject::Device(device.clone()),
                None => Subject::Device(DeviceRef::Path {
                    path: "/dev".into(),
                }),
            },
            OpKind::Mount(a) => Subject::Mount(a.point.clone()),
            OpKind::Group(a) => Subject::Group(a.request.name.clone()),
            OpKind::User(a) => Subject::User(a.request.name.clone()),
            OpKind::SshKeys(a) => Subject::User(a.user.clone()),
            OpKind::Remove(a) => Subject::Path(a.path.clone()),
            OpKind::Directory(a) => Subject::Path(a.path.clone()),
            OpKind::File(a) => Subject::Path(a.path.to_string()),
            OpKind::Symlink(a) => Subject::Path(a.path.clone()),
            OpKind::HardLink(a) => Subject::Path(a.path.clone()),
            OpKind::NoteFiles(a) | OpKind::ForgetFiles(a) => Subject::Path(a.path.clone()),
            OpKind::DisableUnit(a) => Subject::Unit(a.unit.clone()),
            OpKind::KernelArguments(_) => Subject::KernelArguments,
            OpKind::Relabel(a) => {
                Subject::Path(a.paths.first().map_or("/", String::as_str).to_owned())
            }
            OpKind::Sync(a) | OpKind::Unmount(a) => Subject::Mount(a.point.clone()),
        }
    }

    /// A short description, e.g. `create ext4 file system on /dev/vda2`.
    pub fn describe(&self) -> String {
        match self {
            OpKind::AlreadyRight(a) => format!("keep {}", a.subject),
            OpKind::Skipped(a) => format!("skip {}", a.subject),
            OpKind::CreateImage(a) => format!("create image {}", a.path.display()),
            OpKind::WriteTable(a) => format!("write partition table of {}", a.disk),
            OpKind::CreateArray(a) => format!("create RAID array {}", a.name),
            OpKind::AssembleArray(a) => format!("assemble RAID array {}", a.name),
            OpKind::CreateLuks(a) => match a.way {
                OpenMode::Format => format!("create LUKS volume {} on {}", a.name, a.device),
                OpenMode::Open => format!("open LUKS volume {} on {}", a.name, a.device),
                OpenMode::Confirm => {
                    format!("try the key of LUKS volume {} on {}", a.name, a.device)
                }
            },
            OpKind::HandOver(a) => {
                format!("mark LUKS volume {} on {} as complete", a.name, a.device)
            }
            OpKind::MakeFilesystem(a) if a.format == "swap" => {
                format!("create swap area on {}", a.device)
            }
            OpKind::MakeFilesystem(a) => format!("create {} file system on {}", a.format, a.device),
            OpKind::WipeDevice(a) => format!("wipe signatures of {}", a.device),
            OpKind::Settle(_) => "wait for udev to see what changed".into(),
            OpKind::Mount(a) => format!("mount {} at {}", a.device, a.point),
            OpKind::Group(a) => {
                describe_account(a.request.change, &format!("group {}", a.request.name))
            }
            OpKind::User(a) => {
                describe_account(a.request.change, &format!("user {}", a.request.name))
            }
            OpKind::SshKeys(a) => format!("write ssh keys of user {}", a.user),
            OpKind::Remove(a) => format!("remove {}", a.path),
            OpKind::Directory(a) => format!("create directory {}", a.path),
            OpKind::File(a) => format!("write file {}", a.path),
            OpKind::Symlink(a) => format!("link {} -> {}", a.path, a.target),
            OpKind::HardLink(a) => format!("hard-link {} -> {}", a.path, a.target),
            OpKind::NoteFiles(a) => format!("record in {} which files are being created", a.path),
            OpKind::ForgetFiles(a) => format!("remove {} when the files are durable", a.path),
            OpKind::DisableUnit(a) => format!("disable unit {}", a.unit),
            OpKind::KernelArguments(_) => "set kernel arguments".into(),
            OpKind::Relabel(a) if a.paths.len() == 1 => format!("label {}", a.paths[0]),
            OpKind::Relabel(a) => format!("label {} paths", a.paths.len()),
            OpKind::Sync(a) => format!("sync {}", a.point),
            OpKind::Unmount(a) => format!("unmount {}", a.point),
        }
    }
}

/// A short description of a change to an account.
fn describe_account(change: AccountChange, account: &str) -> String {
    match change {
        AccountChange::Create => format!("create {account}"),
        AccountChange::Modify => format!("change {account}"),
        AccountChange::Delete => format!("delete {account}"),
        AccountChange::Adopt => format!("copy {account} to /etc"),
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Table(disk) => write!(f, "partition table of {disk}"),
            Subject::Partition(device) => write!(f, "partition {device}"),
            Subject::Device(device) => write!(f, "{device}"),
            Subject::Mount(point) => write!(f, "mount {point}"),
            Subject::User(name) => write!(f, "user {name}"),
            Subject::Group(name) => write!(f, "group {name}"),
            Subject::Path(path) => f.write_str(path),
            Subject::Unit(name) => write!(f, "unit {name}"),
            Subject::KernelArguments => f.write_str("kernel arguments"),
        }
    }
}
