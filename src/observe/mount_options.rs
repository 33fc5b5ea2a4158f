//! Whether the running kernel accepts the mount options of a config.

use crate::config::Config;
use crate::host::mount;
use std::collections::BTreeMap;

/// Why the running kernel rejects mount options, by the index of the file system in the config.
pub fn option_faults(config: &Config) -> BTreeMap<usize, String> {
    let filesystems = config.storage.filesystems.iter().enumerate();
    let faults = filesystems.filter_map(|(index, filesystem)| {
        let format = filesystem.format.as_deref()?;
        let is_mounted = filesystem
            .path
            .as_ref()
            .is_some_and(|path| !path.is_empty());
        if !is_mounted || matches!(format, "" | "none" | "swap" | "virtiofs") {
            return None;
        }
        let fault = mount::rejected_options(format, &filesystem.mount_options)?;
        Some((index, fault))
    });
    faults.collect()
}
