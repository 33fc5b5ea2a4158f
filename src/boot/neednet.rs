//! The flag file that requests a network from the distribution.

use crate::output::make_directory_of_mode;
use anyhow::Context;
use std::fs;
use std::path::Path;

/// Creates the flag file and its directory.
///
/// # Errors
/// If that fails; the error names the file.
pub(super) fn create(path: &Path) -> anyhow::Result<()> {
    let act = || format!("cannot create {} to ask for a network", path.display());
    make_directory_of_mode(path, 0o755).with_context(act)?;
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
