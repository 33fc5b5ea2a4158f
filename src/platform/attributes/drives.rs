//! Reads attributes from drives.

use crate::platform::contract::FetchContext;
use crate::platform::contract::NoDescription;
use crate::platform::source::drive::{self, Drive};
use anyhow::Context;
use std::path::Path;

pub(crate) use drive::present;

/// Maximum size of a file with metadata. It is parsed completely, which takes several times as much memory.
const MAX_BYTES: u64 = 16 << 20;

/// Waits for a drive with one of these labels, mounts it, and calls `read` with its label and mount point. The timeout
/// is the same as for a document of a metadata service.
///
/// # Errors
/// If it does not appear in time, cannot be mounted, or cannot be read.
pub(crate) fn visit<T>(
    labels: &[&'static str],
    context: &FetchContext<'_>,
    read: &dyn Fn(&'static str, &Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let timeout = context.fetcher.settings().total;
    let cancelled = || context.events.cancelled();
    let label = drive::wait_for_any(labels, timeout, context.log, &cancelled)?;
    let drive = Drive { label, path: "/" };
    let read = |mount_point: &Path| {
        read(label, mount_point).with_context(|| format!("config drive {label}"))
    };
    drive.visit(timeout, context.log, &cancelled, &read)
}

/// Reads a required file of a drive.
///
/// # Errors
/// If it does not exist ([`NoDescription`]) or cannot be read.
pub(crate) fn read_required(mount_point: &Path, path: &str) -> anyhow::Result<Vec<u8>> {
    let missing = || NoDescription(format!("the drive has no {path}"));
    Ok(read(mount_point, path)?.ok_or_else(missing)?)
}

/// Reads a file of a drive; `None` if it does not exist.
///
/// # Errors
/// If it is too large or cannot be read.
pub(crate) fn read(mount_point: &Path, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    drive::read_up_to(mount_point, path, MAX_BYTES)
}

/// Name of a file on a drive, for messages.
pub(crate) fn shown(path: &str) -> String {
    format!("{path} of the drive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_metadata_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = std::fs::File::create(directory.path().join("meta-data")).expect("made");
        file.set_len(MAX_BYTES).expect("as large as permitted");
        assert!(read(directory.path(), "/meta-data").is_ok());
        file.set_len(MAX_BYTES + 1).expect("one byte more");
        let error = format!(
            "{:#}",
            read(directory.path(), "/meta-data").expect_err("large")
        );
        assert_eq!(
            error,
            "cannot read /meta-data of the drive: more than 16777216 bytes"
        );
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fs;

    /// A directory that looks like a mounted drive.
    pub(crate) fn drive(files: &[(&str, &str)]) -> tempfile::TempDir {
        let drive = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = drive.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        drive
    }
}
