//! Facts about RAID arrays.

use super::SuperblockFacts;
use std::collections::BTreeMap;

/// What is known about arrays apart from the superblocks of their members.
#[derive(Debug, Clone, Default)]
pub struct RaidFacts {
    /// Arrays the kernel has.
    pub arrays: Vec<ArrayFacts>,
    /// Superblocks on arrays, by array UUID. An array that is not running is read through its members; one that cannot
    /// be read in this way is absent.
    pub contents: BTreeMap<String, SuperblockFacts>,
    /// Real nodes of the devices that arrays of the config name, by their name there.
    pub nodes: BTreeMap<String, String>,
}

/// An array the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArrayFacts {
    /// Its node (`/dev/md127`).
    pub node: String,
    /// True if its data can be used; otherwise it only holds its members.
    pub is_running: bool,
    /// Nodes of its members.
    pub members: Vec<String>,
    /// Number of members that it lacks.
    pub missing: u32,
    /// What uses it (mount point, swap, holder), empty when idle.
    pub held_by: Vec<String>,
}
