//! Facts about RAID arrays.

use super::SuperblockFacts;
use std::collections::BTreeMap;

/// What is known about arrays besides the superblocks of their members.
#[derive(Debug, Clone, Default)]
pub struct RaidFacts {
    /// Arrays the kernel has.
    pub arrays: Vec<ArrayFacts>,
    /// What is on arrays, by array UUID; of those that do not run it is read through their members. An
    /// array that cannot be read so is absent.
    pub contents: BTreeMap<String, SuperblockFacts>,
    /// Real nodes of the devices that arrays of the config name, by their name there.
    pub nodes: BTreeMap<String, String>,
}

/// An array the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArrayFacts {
    /// Its node (`/dev/md127`).
    pub node: String,
    /// Its data can be used; if not, it only holds its members.
    pub is_running: bool,
    /// Nodes of its members.
    pub members: Vec<String>,
    /// Members it should have and has not.
    pub missing: u32,
    /// Who holds it (mount point, swap, holder), empty when idle.
    pub held_by: Vec<String>,
}
