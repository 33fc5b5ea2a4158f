//! Runs a plan. It sees only operations, never config documents or observations, so it can wait, retry and verify, but
//! not decide.

pub mod accounts;
pub mod filesystem;
pub mod image;
pub mod luks;
pub mod mount;
pub mod raid;
pub mod relabel;
pub mod scheduler;
pub mod settle;
pub mod ssh_keys;
pub mod table;
pub mod tree;
pub mod unfinished;
pub mod units;

mod account_lock;
mod atomic;
mod attributes;
mod copies;
mod databases;
mod directories;
mod dispatch;
mod homes;
mod node_kind;
mod ranges;
mod removal;
mod walk;

pub use copies::Copies;
pub use directories::Directories;
pub use dispatch::execute;

use crate::fetch::{FetchEvents, Fetcher};
use crate::host::{Devices, TargetRoot};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys of the volumes that a run has created or opened.
#[derive(Default)]
pub struct VolumeKeys(Mutex<KeyStore>);

/// Keys by name. All are secret.
#[derive(Default)]
pub struct KeyStore {
    /// Keys that open volumes, by volume.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Files of the repository of keys for Crypto Express adapters, by file name.
    pub volume_keys: BTreeMap<String, Vec<u8>>,
}

impl From<KeyStore> for VolumeKeys {
    fn from(store: KeyStore) -> Self {
        Self(Mutex::new(store))
    }
}

impl VolumeKeys {
    /// Keys that were found before the run.
    pub fn found(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self(Mutex::new(KeyStore {
            files,
            ..KeyStore::default()
        }))
    }
    fn lock(&self) -> MutexGuard<'_, KeyStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn keep(&self, volume: &str, key: Vec<u8>) {
        self.lock().files.insert(volume.into(), key);
    }
    pub(crate) fn keep_volume_key(&self, file: &str, content: Vec<u8>) {
        self.lock().volume_keys.insert(file.into(), content);
    }
    fn get(&self, volume: &str) -> Option<Vec<u8>> {
        self.lock().files.get(volume).cloned()
    }
    /// All keys.
    pub fn into_inner(self) -> KeyStore {
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
    /// Is notified of fetches, and cancels them when the run is over.
    pub events: &'a (dyn FetchEvents + Sync),
    /// Collects the keys of encrypted volumes.
    pub keys: &'a VolumeKeys,
    /// Remembers files that others are copied from.
    pub copies: Copies,
    /// Keeps the directories open in which files are created.
    pub directories: Directories,
}

/// What an operation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes written, if that applies.
    pub bytes: Option<u64>,
    /// True for a directory that did not exist before.
    pub made: bool,
}
