//! What the kernel allows this process to do.

use std::ops::RangeInclusive;

/// What this process may do to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// Why it may not mount file systems of devices; `None` if it may.
    pub no_mounts: Option<NoMounts>,
    /// Why it may not attach loop devices, by which file systems inside images are made, with the device that it may
    /// not open; `None` if it may.
    pub no_loops: Option<String>,
    /// Users it may give a node to.
    pub users: Ids,
    /// Groups it may give a node to.
    pub groups: Ids,
}

/// Why a process may not mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMounts {
    /// It lacks the capability CAP_SYS_ADMIN.
    Capability,
    /// It is in a user namespace, where the kernel mounts no file systems of devices.
    UserNamespace,
    /// There is no `/proc`, by which mount points are opened.
    NoProc,
}

/// Numeric ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Every id.
    All,
    /// Those that a user namespace maps (user_namespaces(7)).
    Mapped(Vec<RangeInclusive<u32>>),
    /// Its own, the one of new nodes first: it lacks the capability CAP_CHOWN.
    Own(Vec<u32>),
}

impl Ids {
    /// True if the id is one of them.
    pub fn contain(&self, id: u32) -> bool {
        match self {
            Ids::All => true,
            Ids::Mapped(ranges) => ranges.iter().any(|range| range.contains(&id)),
            Ids::Own(ids) => ids.contains(&id),
        }
    }
}
