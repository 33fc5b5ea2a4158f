//! What the kernel allows this process to do.

use std::ops::RangeInclusive;

/// What this process may do to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// Why it may not mount file systems of devices; `None` if it may.
    pub mount_obstacle: Option<MountObstacle>,
    /// Why it may not attach loop devices, which it needs to create file systems inside images, with the device that it
    /// may not open; `None` if it may.
    pub loop_obstacle: Option<String>,
    /// Users that it may make the owner of a node.
    pub users: Ids,
    /// Groups that it may make the group of a node.
    pub groups: Ids,
}

/// Why a process may not mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountObstacle {
    /// It lacks the capability CAP_SYS_ADMIN.
    Capability,
    /// It is in a user namespace, where the kernel mounts no file systems of devices.
    UserNamespace,
    /// There is no `/proc`, through which mount points are opened.
    NoProc,
}

/// Numeric ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Every id.
    All,
    /// Those that a user namespace maps (user_namespaces(7)).
    Mapped(Vec<RangeInclusive<u32>>),
    /// Its own, first the one that new nodes get: it lacks the capability CAP_CHOWN.
    Own(Vec<u32>),
}

impl Ids {
    /// True if the id is one of them.
    pub fn contains(&self, id: u32) -> bool {
        match self {
            Ids::All => true,
            Ids::Mapped(ranges) => ranges.iter().any(|range| range.contains(&id)),
            Ids::Own(ids) => ids.contains(&id),
        }
    }
}
