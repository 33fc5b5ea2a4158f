//! Operations: a closed set of actions on a machine.

use super::Warning;
use super::claims::Claim;
pub use super::expected::Expected;
pub use super::planned_fetch::PlannedFetch;
pub use super::volumes::{ClevisBinding, CreateLuks, HandOver, KeySource, MarkLifetime, OpenMode};
use crate::accounts::{GroupRecord, GroupRequest, UserRecord, UserRequest};
use crate::config::Origin;
use crate::disk::DeviceRef;
use crate::disk::gpt::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

pub use crate::accounts::Change as AccountChange;

/// Number of an operation in its plan, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub u32);

/// Part of a run, for display and totals; the order comes from claims, not from phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Kernel arguments.
    KernelArguments,
    /// Image files and partition tables.
    Partitions,
    /// RAID arrays.
    Raid,
    /// Encrypted volumes.
    Luks,
    /// File systems.
    Filesystems,
    /// Mounting.
    Mount,
    /// Users and groups.
    Accounts,
    /// Directories, files, links.
    Files,
    /// systemd units.
    Units,
    /// What keeps the names of arrays on later boots.
    Arrays,
    /// What unlocks encrypted volumes on later boots.
    Keys,
    /// What a first boot records about itself.
    Records,
    /// SELinux labels.
    Labels,
    /// Sync and unmount.
    Finish,
}

impl Phase {
    /// The phase as it is displayed.
    pub fn name(self) -> &'static str {
        match self {
            Phase::KernelArguments => "kernel arguments",
            Phase::Partitions => "partitions",
            Phase::Raid => "raid",
            Phase::Luks => "luks",
            Phase::Filesystems => "file systems",
            Phase::Mount => "mounts",
            Phase::Accounts => "accounts",
            Phase::Files => "files",
            Phase::Units => "units",
            Phase::Arrays => "arrays",
            Phase::Keys => "keys",
            Phase::Records => "records",
            Phase::Labels => "labels",
            Phase::Finish => "sync and unmount",
        }
    }
}

/// What an operation does to its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// `+`
    Create,
    /// `~`
    Change,
    /// `-`
    Destroy,
    /// `=` nothing to do
    Keep,
    /// A step that others need and that changes nothing permanently (mount, sync, unmount).
    Step,
    /// `!` requested, but left to someone else.
    Skip,
}

/// A plan: a value to show or to execute.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// In plan order; ids are indices.
    pub operations: Vec<Operation>,
    /// What may not have the expected effect. Not part of the digest.
    pub warnings: Vec<Warning>,
}

/// One action.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its number.
    pub id: OpId,
    /// Part of the run.
    pub phase: Phase,
    /// What it does to its subject.
    pub effect: Effect,
    /// The action.
    #[serde(flatten)]
    pub kind: OpKind,
    /// Which line of which config requested it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The resources that it accesses.
    pub claims: Vec<Claim>,
    /// Data that this operation destroys, one line each; empty for harmless operations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destroys: Vec<String>,
    /// Operations that must be done before this one starts; derived from claims.
    pub after: Vec<OpId>,
}

/// The closed set of actions. Those with the most fields are boxed, since they are rare in a large plan.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "details")]
pub enum OpKind {
    /// Nothing to do.
    AlreadyRight(AlreadyRight),
    /// Requested, but not possible for this target, and the user chose to skip it.
    Skipped(Skipped),
    /// Create or grow an image file.
    CreateImage(CreateImage),
    /// Write a whole partition table.
    WriteTable(Box<WriteTable>),
    /// `mdadm --create`
    CreateArray(CreateArray),
    /// `mdadm --assemble`: an array that exists and is kept.
    AssembleArray(AssembleArray),
    /// Format and open an encrypted volume.
    CreateLuks(Box<CreateLuks>),
    /// Mark an encrypted volume as complete in its header.
    HandOver(HandOver),
    /// Erase signatures and make a file system.
    MakeFilesystem(Box<MakeFilesystem>),
    /// Erase signatures only (`format: none` with wipe).
    WipeDevice(WipeDevice),
    /// Wait until udev has processed all changes.
    Settle(Settle),
    /// Mount a file system below the target root.
    Mount(Mount),
    /// Create or change or delete a group.
    Group(GroupAct),
    /// Create or change or delete a user.
    User(Box<UserAct>),
    /// Write a user's ssh keys.
    SshKeys(SshKeys),
    /// Remove a node and everything below it.
    Remove(Remove),
    /// Create a directory, or correct its owner and mode.
    Directory(DirectoryAct),
    /// Write a file, or correct its owner and mode.
    File(FileAct),
    /// Make a durable record of the files that are about to be created.
    NoteFiles(NoteFiles),
    /// Make these files durable, then remove that record.
    ForgetFiles(NoteFiles),
    /// Create a symbolic link.
    Symlink(SymlinkAct),
    /// Create a hard link.
    HardLink(HardLinkAct),
    /// Run `systemctl --root R disable UNIT`.
    DisableUnit(DisableUnit),
    /// Add and remove kernel arguments through the distribution's helper.
    KernelArguments(KernelArgumentsAct),
    /// Set SELinux labels.
    Relabel(RelabelAct),
    /// Make a mounted file system durable (`syncfs`).
    Sync(MountPoint),
    /// Unmount.
    Unmount(MountPoint),
}

impl OpKind {
    /// True for operations that keep a processor and a disk busy for long: at most one per processor runs at a time.
    pub fn is_heavy(&self) -> bool {
        matches!(
            self,
            OpKind::MakeFilesystem(_) | OpKind::CreateLuks(_) | OpKind::CreateArray(_)
        )
    }

    /// True for operations that take microseconds, since they create one node from what the plan contains, without
    /// network or other programs.
    pub fn is_brief(&self) -> bool {
        match self {
            OpKind::AlreadyRight(_)
            | OpKind::Skipped(_)
            | OpKind::Directory(_)
            | OpKind::Symlink(_)
            | OpKind::HardLink(_) => true,
            OpKind::File(act) => act.parts.iter().all(Content::is_brief),
            _ => false,
        }
    }
}

/// A subject that is as it should be.
#[derive(Debug, Clone, Hash, Serialize)]
pub struct AlreadyRight {
    /// The subject, e.g. `file /etc/motd`.
    pub subject: Subject,
    /// Why, e.g. `same content, mode and owner`.
    pub because: String,
}

/// See [`OpKind::Skipped`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct Skipped {
    /// What.
    pub subject: Subject,
    /// What would be changed, a line each.
    pub changes: Vec<String>,
    /// Why, and who has to do it.
    pub because: String,
}

/// What an operation is about; decides where the plan display puts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "name")]
pub enum Subject {
    /// A disk's table.
    Table(String),
    /// A partition.
    Partition(DeviceRef),
    /// The content of a device (file system, volume, array).
    Device(DeviceRef),
    /// A mount point.
    Mount(String),
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A node of the tree.
    Path(String),
    /// A systemd unit.
    Unit(String),
    /// Kernel arguments.
    KernelArguments,
}

/// See [`OpKind::CreateImage`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct CreateImage {
    /// Device name in the config.
    pub disk: String,
    /// The file.
    pub path: PathBuf,
    /// Size it gets, sparse.
    pub bytes: u64,
}

/// See [`OpKind::WriteTable`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteTable {
    /// Device name in the config.
    pub disk: String,
    /// The whole table to write.
    pub table: Table,
    /// The table expected on the disk just before writing; `None` = no readable GPT expected.
    #[serde(skip)]
    pub expected: Option<Table>,
    /// Old table and its signatures are erased first.
    pub wipe: bool,
    /// A new partition exposes an old member of an array or of a volume group, which udev would assemble before it is
    /// overwritten.
    #[serde(skip)]
    pub exposes_members: bool,
    /// What happens to each slot that is or will be used, by number.
    pub changes: Vec<PartitionChange>,
}

impl WriteTable {
    /// A wipe without partitions leaves the disk without any table.
    pub fn leaves_no_table(&self) -> bool {
        self.wipe && self.table.entries.is_empty()
    }
}

/// One slot that changes.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionChange {
    /// Slot.
    pub number: u32,
    /// How.
    pub effect: Effect,
    /// Description: `size 1 GiB -> 2 GiB`.
    pub what: String,
    /// Where it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// See [`OpKind::CreateArray`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateArray {
    /// Name in the config.
    pub name: String,
    /// Level as given.
    pub level: String,
    /// Members without spares first.
    pub members: Vec<DeviceRef>,
    /// Number of spares among the members.
    pub spares: u32,
    /// Extra mdadm arguments.
    pub options: Vec<String>,
    /// Arrays that hold members without running, stopped first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// What is expected on each member just before.
    #[serde(skip)]
    pub expected: Vec<Expected>,
}

/// See [`OpKind::AssembleArray`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssembleArray {
    /// Name in the config.
    pub name: String,
    /// Level.
    pub level: String,
    /// UUID in every member.
    pub uuid: String,
    /// Devices of the config that belong to it.
    pub members: Vec<DeviceRef>,
    /// Number of missing members.
    pub missing: u32,
    /// Arrays that hold members, but not under this name or without running, stopped first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// See [`OpKind::MakeFilesystem`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MakeFilesystem {
    /// The device.
    pub device: DeviceRef,
    /// ext4, xfs, btrfs, vfat, swap.
    pub format: String,
    /// Label.
    pub label: Option<String>,
    /// UUID in canonical form.
    pub uuid: Option<String>,
    /// Options of the config, for display; the arguments hold them too.
    #[serde(skip)]
    pub options: Vec<String>,
    /// The mkfs program.
    pub program: String,
    /// Its arguments without the device, which comes last.
    pub arguments: Vec<String>,
    /// What is expected on the device before.
    #[serde(skip)]
    pub expected: Expected,
}

/// See [`OpKind::WipeDevice`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct WipeDevice {
    /// Which.
    pub device: DeviceRef,
    /// What is expected on the device before.
    #[serde(skip)]
    pub expected: Expected,
}

/// See [`OpKind::Settle`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct Settle {
    /// Disks with a new table and devices with a new content.
    pub devices: Vec<DeviceRef>,
}

/// See [`OpKind::Mount`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// What; for virtiofs the tag as a path reference.
    pub device: DeviceRef,
    /// Where, inside the target.
    pub point: String,
    /// File system type.
    pub format: String,
    /// Options.
    pub options: Vec<String>,
}

impl Mount {
    /// True if nothing can be written to it: the last of `ro` and `rw` counts.
    pub fn is_read_only(&self) -> bool {
        let options = self.options.iter().flat_map(|option| option.split(','));
        let mut decisive = options.filter(|option| matches!(*option, "ro" | "rw"));
        decisive.next_back() == Some("ro")
    }
}

/// See [`OpKind::Group`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupAct {
    /// The request to the databases.
    #[serde(flatten)]
    pub request: GroupRequest,
    /// Fields that differ, by name, never with secrets; for display.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The file that the entry of an adopted group is copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The entry after the change; of a deleted group, the former one.
    pub result: GroupRecord,
}

/// See [`OpKind::User`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAct {
    /// The request to the databases.
    #[serde(flatten)]
    pub request: UserRequest,
    /// Fields that differ, by name, never with secrets; for display.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// Directories below the home that mounting had to create: they become the user's, mode 0700.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adopts: Vec<String>,
    /// The file that the entry of an adopted user is copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The entry after the change; of a deleted user, the former one.
    pub result: UserRecord,
    /// What is done to the home directory.
    pub home_act: HomeAct,
}

/// What is done to a home directory. Places are paths inside the target, with links followed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum HomeAct {
    /// Nothing.
    Leave,
    /// It is created from the skeleton.
    Make {
        /// Where.
        place: String,
    },
    /// It is renamed, and what belongs to the user follows a change of ids.
    Move {
        /// From where.
        from: String,
        /// Where to.
        place: String,
    },
    /// What belongs to the user in it follows a change of ids.
    HandOver {
        /// Where.
        place: String,
    },
    /// It is removed with everything in it.
    Remove {
        /// Where.
        place: String,
    },
}

impl HomeAct {
    /// The directory that does not exist afterwards.
    pub fn vacated(&self) -> Option<&str> {
        match self {
            HomeAct::Move { from, .. } => Some(from),
            HomeAct::Remove { place } => Some(place),
            _ => None,
        }
    }
}

/// See [`OpKind::SshKeys`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SshKeys {
    /// The user.
    pub user: String,
    /// The home directory inside the target, with links followed.
    pub home: String,
    /// Number of keys.
    pub keys: usize,
    /// File text.
    #[serde(skip)]
    pub text: String,
    /// Below the home directory, e.g. `.ssh/authorized_keys.d/ignition`.
    pub file: String,
}

/// See [`OpKind::Remove`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct Remove {
    /// Resolved path inside the target.
    pub path: String,
}

/// An owner to set; names are looked up in the target when the operation runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// Keep what it is (root for new nodes).
    Keep,
    /// Numeric.
    Id(u32),
    /// By name.
    Name(String),
}

/// Owner and mode of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Permissions {
    /// Owner.
    pub user: Owner,
    /// Group.
    pub group: Owner,
    /// Permission bits with setuid, setgid, sticky; `None` = default for new, keep for existing.
    pub mode: Option<u32>,
}

impl Permissions {
    /// Leaves owner, group and mode as they are.
    pub const KEEP: Self = Self {
        user: Owner::Keep,
        group: Owner::Keep,
        mode: None,
    };

    /// Sets the mode, and leaves owner and group as they are.
    pub fn of_mode(mode: u32) -> Self {
        Self {
            mode: Some(mode),
            ..Self::KEEP
        }
    }
}

/// See [`OpKind::Directory`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct DirectoryAct {
    /// Resolved path inside the target.
    pub path: String,
    /// Owner and mode.
    pub permissions: Permissions,
    /// True if it is created only as a parent of something else.
    pub implied: bool,
    /// What differs from the existing node, for display; empty for new nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

/// Where content comes from.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Content {
    /// Text generated by the planner (units, presets).
    Text {
        /// The text.
        #[serde(skip)]
        text: String,
        /// Its length.
        bytes: u64,
    },
    /// Fetched when the operation runs.
    Fetched {
        /// What to fetch.
        #[serde(rename = "url")]
        fetch: PlannedFetch,
        /// True if other files are copied from the file.
        #[serde(skip)]
        is_copied: bool,
    },
    /// The content of a file that this plan writes earlier and that has the same source.
    Copied {
        /// The file.
        path: String,
        /// What to fetch if that file was changed after it was written.
        #[serde(skip)]
        fetch: Box<PlannedFetch>,
    },
    /// The key of an encrypted volume, known to the run that creates the volume.
    VolumeKey {
        /// Its mapper name.
        volume: String,
    },
    /// The UUID of the encrypted volume on a device.
    VolumeUuid {
        /// The device.
        device: DeviceRef,
    },
}

/// What a file operation starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Nothing: the file is new, or replaces what is there.
    Empty,
    /// The present content; fragments are appended.
    Present,
}

/// See [`OpKind::File`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileAct {
    /// Resolved path inside the target.
    pub path: Arc<str>,
    /// What the content starts from.
    pub base: Base,
    /// Parts in order; empty with `Base::Present` = only owner and mode change.
    pub parts: Vec<Content>,
    /// Owner and mode; a new file without mode gets 0644.
    pub permissions: Permissions,
    /// Anything but a directory already at the path may be replaced.
    pub replace: bool,
    /// True if an earlier run created the file and did not finish it.
    #[serde(skip)]
    pub finishes: bool,
    /// What differs from the existing node, for display; empty for new nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The unit this file belongs to, for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// See [`OpKind::NoteFiles`] and [`OpKind::ForgetFiles`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoteFiles {
    /// The record, inside the target.
    pub path: String,
    /// Number of files in it.
    pub count: usize,
    /// The files.
    #[serde(skip)]
    pub files: Arc<BTreeSet<Arc<str>>>,
    /// The directories they are in.
    #[serde(skip)]
    pub directories: Vec<String>,
}

/// See [`OpKind::Symlink`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct SymlinkAct {
    /// Resolved path inside the target.
    pub path: String,
    /// Target text, verbatim.
    pub target: String,
    /// Owner.
    pub permissions: Permissions,
    /// Anything but a directory already at the path may be replaced.
    pub replace: bool,
    /// What differs from the existing node, for display; empty for new nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The unit this link masks or enables, for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// See [`OpKind::HardLink`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct HardLinkAct {
    /// Resolved path inside the target.
    pub path: String,
    /// Resolved existing path inside the target.
    pub target: String,
    /// Anything but a directory already at the path may be replaced.
    pub replace: bool,
}

/// See [`OpKind::DisableUnit`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct DisableUnit {
    /// Unit name.
    pub unit: String,
}

/// See [`OpKind::KernelArguments`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelArgumentsAct {
    /// To add.
    pub should_exist: Vec<String>,
    /// To remove.
    pub should_not_exist: Vec<String>,
}

/// See [`OpKind::Relabel`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelabelAct {
    /// Paths inside the target, with everything below them; `*` at the end matches any rest of the last component.
    /// Paths that do not exist are left out.
    pub paths: Vec<String>,
    /// The policy's table of labels, inside the target.
    pub file_contexts: String,
    /// Only if the first path holds nothing but `lost+found`: the root of a new file system.
    pub only_if_empty: bool,
}

/// See [`OpKind::Sync`] and [`OpKind::Unmount`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct MountPoint {
    /// Mount point inside the target.
    pub point: String,
}
