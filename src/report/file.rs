//! Files about a run. They may name what a config holds: readable by their owner only, complete or not
//! there at all.

use anyhow::Context;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes `text` to `path` with mode 0600, or leaves what was there. `what` names it in errors.
///
/// # Errors
/// Names the file.
pub fn write(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    let act = || format!("cannot write {what} to {}", path.display());
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(act)?;
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o600))
        .with_context(act)?;
    file.write_all(text).with_context(act)?;
    file.persist(path).with_context(act)?;
    Ok(())
}

/// The same, in a directory that is made if it is not there.
///
/// # Errors
/// Names the file or the directory.
pub fn write_below(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {} for {what}", directory.display()))?;
    }
    write(path, what, text)
}
