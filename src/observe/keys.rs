//! What can unlock encrypted volumes: keys an earlier run left, and the TPM.

use crate::config::Config;
use crate::host::TargetRoot;
use crate::layout::key_file;
use anyhow::Context;
use std::collections::BTreeSet;

/// Volumes of the config that have a key file in the target root. An empty key file, as a power cut leaves it, does not
/// count.
///
/// # Errors
/// If a key file cannot be read; the error names it.
pub fn kept_keys(config: &Config, root: &TargetRoot) -> anyhow::Result<BTreeSet<String>> {
    let mut kept = BTreeSet::new();
    for name in config.storage.luks.iter().map(|luks| &luks.name) {
        let path = key_file(name);
        let key = root
            .read(&path)
            .with_context(|| format!("cannot read {path} of the target"))?;
        if key.is_some_and(|key| !key.is_empty()) {
            kept.insert(name.clone());
        }
    }
    Ok(kept)
}

/// True if programs will find a TPM 2: one with a resource manager, or the one that the environment names.
pub fn has_tpm() -> bool {
    let named = std::env::var_os("TPM2TOOLS_TCTI").is_some_and(|value| !value.is_empty());
    let mut devices = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    named || devices.any(|entry| entry.file_name().to_string_lossy().starts_with("tpmrm"))
}
