//! The flag file that requests a network from the distribution.

use anyhow::Context;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Creates the flag file and its directory.
///
/// # Errors
/// If that fails; the error names the file.
pub(super) fn create(path: &Path) -> anyhow::Result<()> {
    let act = || format!("cannot create {} to ask for a network", path.display());
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .with_context(act)?;
    }
    fs::write(path, "").with_context(act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_an_empty_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/b/neednet");
        create(&path).expect("made");
        fs::write(&path, "old").expect("written");
        create(&path).expect("made again");
        assert_eq!(fs::read(&path).expect("there"), b"");
        assert!(create(&path.join("below-a-file")).is_err());
    }
}
