//! Options of an observation.

use crate::facts::accounts::KeyFile;
use crate::paths::ResolveError;
use std::collections::{BTreeMap, BTreeSet};

/// Options for observing a target root.
#[derive(Debug, Clone, Default)]
pub struct ObserveOptions {
    /// Where ssh keys go, if not to the file that the target's ssh server reads.
    pub key_file: Option<KeyFile>,
    /// Mount points, clean paths inside the target, of file systems about to be created: whatever is
    /// there now will be hidden, so they count as empty directories.
    pub blank_mounts: BTreeSet<String>,
    /// Paths that are not in the config but will be written to.
    pub extra_paths: Vec<String>,
    /// Where mount points of the config are, as far as they were resolved.
    pub mount_points: BTreeMap<String, Result<String, ResolveError>>,
}
