//! Drives that describe the machine they are attached to.

use super::super::FetchContext;
use super::super::drive::{self, Drive};
use super::NoDescription;
use anyhow::Context;
use std::path::Path;

pub use drive::present;

/// Waits for a drive with one of these labels, for as long as a document of a service may take, and reads it where it is
/// mounted. `read` is told which it is.
///
/// # Errors
/// It does not appear in time, cannot be mounted, or cannot be read.
pub fn visit<T>(
    labels: &[&'static str],
    context: &FetchContext<'_>,
    read: &dyn Fn(&'static str, &Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let limit = context.fetcher.settings().total;
    let cancelled = || context.events.cancelled();
    let label = drive::first(labels, limit, context.log, &cancelled)?;
    let drive = Drive { label, path: "/" };
    let read = |point: &Path| read(label, point).with_context(|| format!("config drive {label}"));
    drive.visit(limit, context.log, &cancelled, &read)
}

/// A file that every such drive has.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn needed(point: &Path, path: &str) -> anyhow::Result<Vec<u8>> {
    let missing = || NoDescription(format!("the drive has no {path}"));
    Ok(drive::read(point, path)?.ok_or_else(missing)?)
}

/// A file of a drive, for messages.
pub fn shown(path: &str) -> String {
    format!("{path} of the drive")
}

#[cfg(test)]
pub mod testing {
    use std::fs;

    /// A directory that looks like a mounted drive.
    pub fn drive(files: &[(&str, &str)]) -> tempfile::TempDir {
        let drive = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = drive.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        drive
    }
}
