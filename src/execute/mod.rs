//! Runs a plan. Sees operations, never config documents or observation, so it can wait, retry and
//! verify but cannot decide.

pub mod accounts;
pub mod filesystem;
pub mod image;
pub mod luks;
pub mod mount;
pub mod raid;
pub mod record;
pub mod relabel;
pub mod scheduler;
pub mod settle;
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
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Keys of the volumes a run made or opened, by name.
#[derive(Default)]
pub struct Keys(Mutex<BTreeMap<String, Vec<u8>>>);

impl Keys {
    pub(crate) fn keep(&self, volume: &str, key: Vec<u8>) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(volume.into(), key);
    }
    /// All keys, secret every one.
    pub fn into_inner(self) -> BTreeMap<String, Vec<u8>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    /// Collects the keys of encrypted volumes.
    pub keys: &'a Keys,
}

/// What an operation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes written, where that means something.
    pub bytes: Option<u64>,
    /// True for a directory that was not there before.
    pub made: bool,
}
