//! What a run works on.

use crate::facts::accounts::KeyFile;
use crate::fetch::Fetcher;
use crate::host::{Devices, TargetRoot};

/// The target of a run, and how it is accessed.
pub(crate) struct RunTarget {
    /// The target root.
    pub root: TargetRoot,
    /// Block devices and images.
    pub devices: Devices,
    /// Fetches contents and keys, with the transport settings of the config.
    pub fetcher: Fetcher,
    /// Where ssh keys go, if not to the file that the target's ssh server reads.
    pub key_file: Option<KeyFile>,
    /// Paths that will be written although neither the config nor the plan's own files name them.
    pub extra_paths: Vec<String>,
}

impl RunTarget {
    /// A machine whose own ssh server decides where keys go.
    pub(crate) fn new(root: TargetRoot, devices: Devices, fetcher: Fetcher) -> Self {
        Self {
            root,
            devices,
            fetcher,
            key_file: None,
            extra_paths: Vec::new(),
        }
    }
}
