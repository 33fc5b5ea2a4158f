//! Facts about the target root tree.

use crate::paths::ResolveError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What exists in the target root at the paths a config touches.
///
/// Keys are clean absolute paths inside the target (`/etc/hosts`). Every path of interest, all its
/// ancestors, and everything symbolic links on the way lead to are present; a path that is not a key
/// does not exist.
#[derive(Debug, Clone, Default)]
pub struct RootFacts {
    /// Existing nodes by path.
    pub nodes: BTreeMap<String, NodeFacts>,
    /// Where the mount points of the config are in the tree, by their clean path in the config: all links on the way
    /// are followed. Empty if no mount point had to be resolved.
    pub mount_points: BTreeMap<String, Result<String, ResolveError>>,
    /// File systems mounted in the tree before this run, by path; `/` stands for the one that holds the root.
    pub mounts: BTreeMap<String, MountFacts>,
    /// Why the kernel does not let this process write to an existing node, by path: for directories any reason, for
    /// others only that they are immutable or append-only.
    pub unwritable: BTreeMap<String, WriteBarrier>,
    /// Free space of the file systems of existing nodes, by device number, where it is known for certain.
    pub free_space: BTreeMap<u64, FreeSpace>,
    /// Account databases of the target.
    pub accounts: super::AccountFacts,
    /// Units among those the config disables that are enabled in the target: a link in a
    /// `.wants`, `.requires` or `.upholds` directory of `/etc/systemd/system`, or an alias there.
    pub enabled_units: BTreeSet<String>,
    /// Links to themselves in `/etc/systemd/system`, at which systemctl gives up. Looked for if there is a unit to disable.
    pub unit_loops: BTreeSet<String>,
    /// Text of the preset file the provisioner writes to, when there is one.
    pub preset_text: Option<String>,
    /// Text of the table of encrypted volumes, when there is one.
    pub crypttab_text: Option<String>,
    /// Texts of tables of arrays, by path, as far as they exist.
    pub mdadm_conf_texts: BTreeMap<String, String>,
    /// What the target will have for the units that the config enables.
    pub units: super::unit_files::UnitFacts,
    /// Files that an earlier run was creating when it ended, by the record that lists them
    /// ([`super::unfinished`]).
    pub unfinished: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// Paths of such records where something else is, which no run of this user created.
    pub foreign_records: BTreeSet<String>,
    /// SELinux settings of the target.
    pub selinux: SelinuxFacts,
}

/// Free space of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    /// Bytes for contents of files.
    pub bytes: u64,
    /// Nodes, where their number is limited.
    pub nodes: Option<u64>,
    /// A copy of a file may share its bytes with the original, and then takes no space.
    pub shares_copies: bool,
}

/// A file system that is mounted in the target tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountFacts {
    /// Nothing can be written to it.
    pub read_only: bool,
}

/// What keeps a process from writing to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteBarrier {
    /// The file system is mounted read-only.
    ReadOnly,
    /// The permissions of the node and the rights of the process.
    Permissions,
    /// The node has the immutable attribute (`chattr +i`).
    Immutable,
    /// The directory is provided by the kernel (proc, sysfs): nothing can be created in it.
    Kernel,
    /// The node has the append-only attribute (`chattr +a`): it can be neither replaced nor linked, and nothing in a
    /// directory can be renamed or removed.
    AppendOnly,
}

/// Settings in `/etc/selinux/config` of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelinuxFacts {
    /// The file exists.
    pub has_config: bool,
    /// `SELINUX=disabled` is set.
    pub is_disabled: bool,
    /// Value of `SELINUXTYPE`, unless empty.
    pub policy: Option<String>,
    /// The table of labels of that policy, as a path inside the target, if it exists.
    pub file_contexts: Option<String>,
}

/// One existing node (lstat).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits with setuid, setgid, sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Inode identity, to recognise hard links: device and inode number.
    pub inode: (u64, u64),
    /// The file system stores no owners and modes (vfat), so they cannot be changed.
    pub fixed_permissions: bool,
    /// Bytes allocated on its file system: fewer than its size if it has holes.
    pub allocated_bytes: u64,
}

impl RootFacts {
    /// True if an earlier run was creating the file when it ended.
    pub fn is_unfinished(&self, path: &str) -> bool {
        self.unfinished.values().any(|files| files.contains(path))
    }
    /// Looks up a clean path, for [`crate::paths::resolve`].
    pub fn lookup(&self, path: &str) -> crate::paths::PathLookup {
        use crate::paths::PathLookup;
        match self.nodes.get(path).map(|node| &node.kind) {
            None => PathLookup::Missing,
            Some(NodeKind::Directory { .. }) => PathLookup::Directory,
            Some(NodeKind::Symlink { target }) => PathLookup::Link(target.clone()),
            Some(NodeKind::File { .. } | NodeKind::Other) => PathLookup::Other,
        }
    }
}

/// Kinds of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory {
        /// True if empty.
        empty: bool,
        /// True if the config overwrites this directory and requests everything below it: emptying it would lose
        /// nothing else.
        only_requested: bool,
    },
    /// A regular file.
    File {
        /// Size in bytes.
        bytes: u64,
        /// How its content compares with what the config requests.
        content: ContentFacts,
    },
    /// A symbolic link with its target text.
    Symlink {
        /// Target text.
        target: String,
    },
    /// Device, socket, fifo.
    Other,
}

/// How the content of an existing file compares with what the config requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentFacts {
    /// The config requests no content here.
    NotCompared,
    /// The file holds exactly the requested bytes (contents and appended fragments).
    AsRequested,
    /// No contents are requested, and the file already ends with the fragments to append.
    EndsAsRequested,
    /// It holds only a beginning of the requested bytes, possibly nothing; a file that an unfinished run created may
    /// also have zeros in place of bytes. A power cut during a write leaves such a file: nothing is lost when the write
    /// is repeated.
    Incomplete,
    /// It differs.
    Differs,
}
