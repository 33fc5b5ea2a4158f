//! The plan: turns config and facts into operations. Pure: it works on data and never accesses the host.

pub mod accounts;
pub mod bodies;
pub mod claims;
pub mod content;
pub mod databases;
pub mod describe;
pub mod devices;
pub mod digest;
pub mod drivers;
pub mod effects;
pub mod enable;
pub mod filesystems;
pub mod first_boot;
pub mod formats;
pub mod keys;
pub mod lengths;
pub mod luks;
pub mod mounts;
pub mod op;
pub mod order;
pub mod partitions;
pub mod paths;
pub mod permissions;
pub mod planned_fetch;
pub mod prerequisites;
pub mod privileges;
pub mod questions;
pub mod raid;
pub mod relabel;
pub mod rotational;
pub mod settle;
pub mod shared_downloads;
pub mod show;
pub mod stack;
pub mod tree;
pub mod unfinished;
pub mod units;
pub mod volumes;
pub mod warning;
pub mod writable;

mod build;
pub(crate) mod compare;
mod credentials;
mod draft;
mod drafted;
pub mod expected;
mod free_space;
mod ids;
mod lines;
mod touched;

pub use crate::failure::{ErrorCode, Failure};
pub use build::build;
pub use claims::{Access, Claim, ClaimedResource};
pub use draft::Draft;
pub use first_boot::FirstBoot;
pub use op::{Effect, OpId, OpKind, Operation, Phase, Plan, Subject};
pub use warning::Warning;

/// What `plan` needs in addition to config and facts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which parts of the config to plan.
    pub scope: Scope,
    /// Which file systems to mount.
    pub mounts: Mounts,
    /// Skip, rather than refuse, sections that cannot be applied to this target.
    pub ignore_unsupported: bool,
    /// What the target root is before anything is mounted on it.
    pub target: TargetState,
    /// What a first boot does in addition; `None` outside a boot.
    pub first_boot: Option<FirstBoot>,
}

/// Which parts of a config to plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Disks and tree.
    Everything,
    /// Only files, users and units into an existing tree (`--root`).
    TreeOnly,
    /// The part of one stage of a first boot.
    Stage(StagePart),
}

/// What one stage of a first boot does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagePart {
    /// Kernel arguments.
    KernelArguments,
    /// Partitions, arrays, volumes, file systems.
    Disks,
    /// Mounting, with the directories that it needs. Nothing is unmounted.
    Mounts,
    /// Accounts, nodes, units, and what [`FirstBoot`] requests. Everything is mounted.
    Files,
    /// Unmounting.
    Unmounts,
}

/// Which file systems to mount while the tree is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Every one with a path (a booting machine).
    All,
    /// Only those that something is written to (an image, on a machine whose kernel may lack the format).
    Needed,
}

/// What the target root is before anything is mounted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// A real root (`/sysroot`, a container tree), which also holds paths that are on no file system of the config.
    Present,
    /// Nothing: everything written must be on a file system of the config.
    Assembled,
}
