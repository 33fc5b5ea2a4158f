//! Our own files outside of the target root, and the kernel's that several parts of a boot read.

use crate::output;
use std::path::{Path, PathBuf};

/// The default directory for our own files of this boot.
const RUN_DIRECTORY: &str = "/run/kindling";
/// The environment variable that overrides it, for tests that run several stages in parallel.
const RUN_DIRECTORY_ENV: &str = "KINDLING_RUN_DIR";

/// The program that shows the failure before the emergency shell; only present with our own dracut module.
const FAILURE_PROGRAM: &str = "/usr/libexec/kindling-emergency";

/// The random id of this boot.
pub(super) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The directory for reports and failures of this boot.
pub(crate) fn run_directory() -> PathBuf {
    std::env::var_os(RUN_DIRECTORY_ENV)
        .filter(|value| !value.is_empty())
        .map_or_else(|| RUN_DIRECTORY.into(), PathBuf::from)
}

/// The path of the report of this boot.
pub(crate) fn report() -> PathBuf {
    run_directory().join("report.json")
}

/// The path of the failure of this boot, as shown on its consoles.
pub(crate) fn failure() -> PathBuf {
    run_directory().join("failure.txt")
}

/// Writes the text of a failure to [`failure()`], readable by root only.
///
/// # Errors
/// If it cannot be written; the error names the file.
pub(crate) fn write_failure(screen: &str) -> anyhow::Result<()> {
    output::write_below(&failure(), "the reason of the failure", screen.as_bytes())
}

/// True if a program of ours shows failures at the end of a boot, after all other output.
pub(crate) fn has_failure_program() -> bool {
    Path::new(FAILURE_PROGRAM).exists()
}

/// The path of the origins that belong to a config cache: a hidden file in the same directory.
pub(crate) fn origins_of(cache: &Path) -> PathBuf {
    let name = cache.file_name().unwrap_or_default().to_string_lossy();
    cache.with_file_name(format!(".{name}.origins"))
}
