//! What to know before looking.

use crate::facts::accounts::KeyFile;
use crate::paths::ResolveError;
use std::collections::{BTreeMap, BTreeSet};

/// What an observation of a target root starts from.
#[derive(Debug, Clone, Default)]
pub struct ObserveOptions {
    /// Where ssh keys go, if not to the file that the target's ssh server reads.
    pub key_file: Option<KeyFile>,
    /// Mount points, clean paths inside the target, of file systems about to be created: whatever is
    /// there now will be hidden, so they count as empty directories.
    pub blank_mounts: BTreeSet<String>,
    /// Paths besides those of the config that something will be written to.
    pub more_paths: Vec<String>,
    /// Where mount points of the config are, as far as that was found out.
    pub mount_points: BTreeMap<String, Result<String, ResolveError>>,
}
