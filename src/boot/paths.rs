//! Files of our own outside the target root.

use std::path::{Path, PathBuf};

/// Where our own files of this boot lie, unless the environment says otherwise.
const RUN_DIRECTORY: &str = "/run/kindling";
/// The environment variable that says otherwise, for trying stages out beside each other.
const RUN_DIRECTORY_VARIABLE: &str = "KINDLING_RUN_DIR";

/// What shows the failure before the emergency shell, if this is our own dracut module.
const FAILURE_PROGRAM: &str = "/usr/libexec/kindling-emergency";

/// The directory for reports and failures of this boot.
pub fn run_directory() -> PathBuf {
    std::env::var_os(RUN_DIRECTORY_VARIABLE)
        .filter(|value| !value.is_empty())
        .map_or_else(|| RUN_DIRECTORY.into(), PathBuf::from)
}

/// The report of this boot.
pub fn report() -> PathBuf {
    run_directory().join("report.json")
}

/// Why this boot failed, as shown on its consoles.
pub fn failure() -> PathBuf {
    run_directory().join("failure.txt")
}

/// True if a program of ours shows failures when everything else is said.
pub fn shows_failures() -> bool {
    Path::new(FAILURE_PROGRAM).exists()
}

/// The origins that belong to a config cache: a hidden file beside it.
pub fn origins_of(cache: &Path) -> PathBuf {
    let name = cache.file_name().unwrap_or_default().to_string_lossy();
    cache.with_file_name(format!(".{name}.origins"))
}
