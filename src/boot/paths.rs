//! Files of our own outside the target root.

use crate::output;
use std::path::{Path, PathBuf};

/// Where our own files of this boot lie, unless the environment says otherwise.
const RUN_DIRECTORY: &str = "/run/kindling";
/// The environment variable that says otherwise, for trying stages out beside each other.
const RUN_DIRECTORY_VARIABLE: &str = "KINDLING_RUN_DIR";

/// What shows the failure before the emergency shell, if this is our own dracut module.
const FAILURE_PROGRAM: &str = "/usr/libexec/kindling-emergency";

/// The directory for reports and failures of this boot.
pub(crate) fn run_directory() -> PathBuf {
    std::env::var_os(RUN_DIRECTORY_VARIABLE)
        .filter(|value| !value.is_empty())
        .map_or_else(|| RUN_DIRECTORY.into(), PathBuf::from)
}

/// The report of this boot.
pub(crate) fn report() -> PathBuf {
    run_directory().join("report.json")
}

/// Why this boot failed, as shown on its consoles.
pub(crate) fn failure() -> PathBuf {
    run_directory().join("failure.txt")
}

/// Leaves the screen of a failure, readable by root only.
///
/// # Errors
/// Names the file.
pub(crate) fn leave_failure(screen: &str) -> anyhow::Result<()> {
    output::write_below(&failure(), "the reason of the failure", screen.as_bytes())
}

/// True if a program of ours shows failures when everything else is said.
pub(crate) fn shows_failures() -> bool {
    Path::new(FAILURE_PROGRAM).exists()
}

/// The origins that belong to a config cache: a hidden file beside it.
pub(crate) fn origins_of(cache: &Path) -> PathBuf {
    let name = cache.file_name().unwrap_or_default().to_string_lossy();
    cache.with_file_name(format!(".{name}.origins"))
}
