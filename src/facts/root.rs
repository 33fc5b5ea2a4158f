//! Facts about the target root tree.

use std::collections::BTreeMap;

/// What exists in the target root at the paths a config touches.
///
/// Keys are clean absolute paths inside the target (`/etc/hosts`). Every path of interest, all its
/// ancestors, and everything symbolic links on the way lead to are present; a path that is not a key
/// does not exist.
#[derive(Debug, Clone, Default)]
pub struct RootFacts {
    /// Existing nodes by path.
    pub nodes: BTreeMap<String, NodeFacts>,
    /// Account databases of the target.
    pub accounts: super::AccountFacts,
    /// Units for which `systemctl --root R is-enabled` answered yes.
    pub enabled_units: std::collections::BTreeSet<String>,
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
}

/// Kinds of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory; true if it has no entries.
    Directory {
        /// True if empty.
        empty: bool,
    },
    /// A regular file.
    File {
        /// Size in bytes.
        bytes: u64,
        /// How its content compares with what the config wants there.
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

/// How the content of an existing file compares with the wish of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentFacts {
    /// The config does not ask for content here.
    NotCompared,
    /// The file holds exactly the wanted bytes (contents and appended fragments).
    AsWanted,
    /// No contents are asked for, and the file already ends with the fragments to append.
    EndsAsWanted,
    /// It differs.
    Differs,
}
