//! Operations: a closed set of acts on a machine.

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

/// Part of a run, for people and for totals; order comes from claims, not from phases.
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
    /// What a first boot leaves behind about itself.
    Records,
    /// SELinux labels.
    Labels,
    /// Sync and unmount.
    Finish,
}

impl Phase {
    /// The phase as people read it.
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

/// What an operation does to the thing it is about.
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
    /// A step needed by others that changes nothing lasting (mount, sync, unmount).
    Step,
    /// `!` asked for, but left to someone else.
    Skip,
}

/// A plan: a value to show or to execute.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// In plan order; ids are indices.
    pub operations: Vec<Operation>,
    /// What may not have the effect that its author expects. Not part of the digest.
    pub warnings: Vec<Warning>,
}

/// One act.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its number.
    pub id: OpId,
    /// Part of the run.
    pub phase: Phase,
    /// What it does to its subject.
    pub effect: Effect,
    /// The act.
    #[serde(flatten)]
    pub kind: OpKind,
    /// Which line of which config asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it touches.
    pub claims: Vec<Claim>,
    /// Data this act destroys, one line each; empty for harmless acts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destroys: Vec<String>,
    /// Operations that must be done before this one starts; derived from claims.
    pub after: Vec<OpId>,
}

/// The closed set of acts. Those with the most fields are in boxes: nearly all operations of a large plan are others.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "details")]
pub enum OpKind {
    /// Nothing to do.
    AlreadyRight(AlreadyRight),
    /// Asked for, but this target cannot take it and the user said to skip that.
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
    /// Say in its header that an encrypted volume is complete.
    HandOver(HandOver),
    /// Erase signatures and make a file system.
    MakeFilesystem(Box<MakeFilesystem>),
    /// Erase signatures only (`format: none` with wipe).
    WipeDevice(WipeDevice),
    /// Wait until udev knows all that changed.
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
    /// Make durable which files are about to be created.
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
    /// True for acts that keep a processor and a disk busy for long: not more of them run at a time than
    /// there are processors.
    pub fn is_making(&self) -> bool {
        matches!(
            self,
            OpKind::MakeFilesystem(_) | OpKind::CreateLuks(_) | OpKind::CreateArray(_)
        )
    }

    /// True for acts that take microseconds, since they make one node of what the plan has: no network and no other
    /// program is asked.
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
    /// What, e.g. `file /etc/motd`.
    pub subject: Subject,
    /// Why, e.g. `same content, mode and owner`.
    pub because: String,
}

/// See [`OpKind::Skipped`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct Skipped {
    /// What.
    pub subject: Subject,
    /// The wishes, one each.
    pub wishes: Vec<String>,
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
    /// The whole table as it shall be.
    pub table: Table,
    /// The table expected on the disk just before writing; `None` = no readable GPT expected.
    #[serde(skip)]
    pub expected: Option<Table>,
    /// Old table and its signatures are erased first.
    pub wipe: bool,
    /// A new partition shows an old member of an array or of a volume group, which udev would have put
    /// together before it is overwritten.
    #[serde(skip)]
    pub shows_members: bool,
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
    /// In words: `size 1 GiB -> 2 GiB`.
    pub what: String,
    /// Where it was asked for.
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
    /// UUID every member carries.
    pub uuid: String,
    /// Devices of the config that belong to it.
    pub members: Vec<DeviceRef>,
    /// Members it has to do without.
    pub missing: u32,
    /// Arrays that hold members, but not under this name or without running, stopped first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// See [`OpKind::MakeFilesystem`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MakeFilesystem {
    /// On what.
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
    /// What is expected on the device just before.
    #[serde(skip)]
    pub expected: Expected,
}

/// See [`OpKind::WipeDevice`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct WipeDevice {
    /// Which.
    pub device: DeviceRef,
    /// What is expected on the device just before.
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
    /// What is asked of the databases.
    #[serde(flatten)]
    pub request: GroupRequest,
    /// Fields that differ, by name, never with secrets; for display.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// Where the entry of an adopted group is taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the databases will say; of a group that is deleted, what they said.
    pub result: GroupRecord,
}

/// See [`OpKind::User`].
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAct {
    /// What is asked of the databases.
    #[serde(flatten)]
    pub request: UserRequest,
    /// Fields that differ, by name, never with secrets; for display.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// Directories below the home that mounting had to invent: they become the user's, mode 0700.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adopts: Vec<String>,
    /// Where the entry of an adopted user is taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the databases will say; of a user that is deleted, what they said.
    pub result: UserRecord,
    /// What is done to the home directory.
    pub home_act: HomeAct,
}

/// What is done to a home directory. Places are paths inside the target, links followed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum HomeAct {
    /// Nothing.
    Leave,
    /// It is made from the skeleton.
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
    /// The directory that is no longer there afterwards.
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
    /// Whose.
    pub user: String,
    /// Where the home directory is inside the target, links followed.
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

/// See [`OpKind::Directory`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct DirectoryAct {
    /// Resolved path inside the target.
    pub path: String,
    /// Owner and mode.
    pub permissions: Permissions,
    /// True if only there because something below it needs it.
    pub implied: bool,
    /// What differs from what exists, in words; empty for new nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

/// Where bytes come from.
#[derive(Debug, Clone, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Content {
    /// Text made by the planner (units, presets).
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
    /// The content of a file that this plan writes before: it was to be fetched from the same place.
    Copied {
        /// The file.
        path: String,
        /// What to fetch should somebody have changed that file since it was written.
        #[serde(skip)]
        fetch: Box<PlannedFetch>,
    },
    /// The key of an encrypted volume, which the run that makes the volume has.
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
    /// The present content; fragments go behind it.
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
    /// An earlier run created the file and did not finish it.
    #[serde(skip)]
    pub finishes: bool,
    /// What differs from what exists, in words; empty for new nodes.
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
    /// How many files it lists.
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
    /// What differs from what exists, in words; empty for new nodes.
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
    /// Paths inside the target, everything below them included; `*` at the end stands for any rest of
    /// the last component. What does not exist is left out.
    pub paths: Vec<String>,
    /// The policy's table of labels, inside the target.
    pub file_contexts: String,
    /// Only if nothing but `lost+found` is in the first path: the root of a new file system.
    pub only_if_empty: bool,
}

/// See [`OpKind::Sync`] and [`OpKind::Unmount`].
#[derive(Debug, Clone, Hash, Serialize)]
pub struct MountPoint {
    /// Mount point inside the target.
    pub point: String,
}
