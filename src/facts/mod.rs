//! Observed facts: plain data about the machine, gathered by `observe` and read by `plan`.
//!
//! Facts hold no handles and have no behaviour beyond lookups, so tests can construct them.

pub mod accounts;
pub mod arrays;
pub mod bodies;
pub mod disks;
pub mod install;
pub mod kernel;
pub mod patterns;
pub mod presets;
pub mod privileges;
pub mod rehearsal;
pub mod root;
pub mod sshd;
pub mod unfinished;
pub mod unit_files;

pub use accounts::AccountFacts;
pub use disks::{DeviceFacts, DiskFacts, MappingFacts, SuperblockFacts, TableFacts};
pub use kernel::KernelFacts;
pub use root::{NodeFacts, NodeKind, RootFacts};

use crate::disk::DeviceRef;
use std::collections::{BTreeMap, BTreeSet};

/// Everything observed for one config.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Disks named in `storage.disks` or bound to an image, by the name the config uses.
    pub disks: BTreeMap<String, DiskFacts>,
    /// Other devices the config names (file system, RAID member, LUKS), by the name the config uses.
    pub devices: BTreeMap<String, DeviceFacts>,
    /// RAID arrays.
    pub raid: arrays::RaidFacts,
    /// The target root as it is now. Blank when its file system is about to be created.
    pub root: RootFacts,
    /// External programs found on PATH, by name (`mkfs.ext4`, `mdadm`, ...).
    pub tools: BTreeSet<String>,
    /// Keys of encrypted volumes that an earlier run left in the target root, by volume.
    pub kept_keys: BTreeSet<String>,
    /// What the running kernel can do; `None` if it was not inspected.
    pub kernel: Option<KernelFacts>,
    /// What this process may do; `None` if it was not checked.
    pub privileges: Option<privileges::Privileges>,
    /// Results of creating file systems like those of the config on blank files.
    pub rehearsals: Vec<rehearsal::Rehearsal>,
    /// Why the running kernel rejects the mount options of a file system, by its index in the config.
    pub option_faults: BTreeMap<usize, String>,
    /// There is a TPM 2.
    pub has_tpm: bool,
    /// Arrays and encrypted volumes that this run opened to inspect what is on them.
    pub opened: BTreeSet<DeviceRef>,
    /// `data:` bodies of the config that cannot be used.
    pub body_faults: Vec<bodies::BodyFault>,
}
