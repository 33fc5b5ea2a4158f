//! Runs a plan. Sees operations, never config documents or observation, so it can wait, retry and
//! verify but cannot decide.

pub mod accounts;
pub mod filesystem;
pub mod image;
pub mod luks;
pub mod mount;
pub mod raid;
pub mod scheduler;
pub mod table;
pub mod tree;
pub mod units;

mod databases;
mod dispatch;
mod native;
mod stage;

pub use dispatch::execute;

use crate::fetch::{FetchEvents, Fetcher};
use crate::host::{Devices, TargetRoot};

/// What executors work with.
pub struct Context<'a> {
    /// The target root.
    pub root: &'a TargetRoot,
    /// Block devices and images.
    pub devices: &'a Devices,
    /// Fetches file contents and keys.
    pub fetcher: &'a Fetcher,
    /// Hears of fetches, and ends them when the run is over.
    pub events: &'a (dyn FetchEvents + Sync),
}

/// What an operation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes written, where that means something.
    pub bytes: Option<u64>,
}
