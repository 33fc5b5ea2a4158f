//! Config drives: file systems with a known label.

use super::mount::{MountSpec, with_mounted};
use super::waiting::WaitProgress;
use crate::fetch::MAX_BUFFER_BYTES;
use crate::host::TargetRoot;
use crate::host::block::BY_LABEL;
use crate::log::Log;
use anyhow::Context;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Interval between checks for a drive; a check is one system call.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Time limit for mounting; a medium that takes longer is defective.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(120);

/// A drive with a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drive {
    /// Label of its file system.
    pub label: &'static str,
    /// Path of the config, from the root of the file system.
    pub path: &'static str,
}

impl Drive {
    /// Waits for the drive and reads the config; empty if the file does not exist.
    ///
    /// # Errors
    /// If the drive does not appear within `timeout` or cannot be read, or the wait was cancelled.
    pub(crate) fn read(
        &self,
        timeout: Option<Duration>,
        log: &Log,
        cancelled: &dyn Fn() -> bool,
    ) -> anyhow::Result<Vec<u8>> {
        let text = self.visit(timeout, log, cancelled, &|mount_point| {
            read(mount_point, self.path)
        })?;
        Ok(text.unwrap_or_default())
    }

    /// Waits for the drive, mounts it, and calls `work` with the mount point.
    ///
    /// # Errors
    /// See [`Drive::read`].
    pub(crate) fn visit<T>(
        &self,
        timeout: Option<Duration>,
        log: &Log,
        cancelled: &dyn Fn() -> bool,
        work: &dyn Fn(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let device = Path::new(BY_LABEL).join(self.label);
        wait(&device, timeout, log, cancelled)?;
        let spec = MountSpec {
            what: "config drive",
            prefix: "ignition-configdrive",
            timeout: MOUNT_TIMEOUT,
        };
        with_mounted(&device, spec, log, work)
    }

    /// Describes the read in one line.
    pub(crate) fn describe(&self) -> String {
        format!("read {} of {BY_LABEL}/{}", self.path, self.label)
    }
}

/// Reads a file below the mount point; `None` if it does not exist. Links lead to files of the drive only, and only
/// regular files are opened: opening a pipe would block forever, and opening a device may have side effects.
///
/// # Errors
/// If it exists but cannot be read.
pub(crate) fn read(mount_point: &Path, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    read_up_to(mount_point, path, MAX_BUFFER_BYTES)
}

/// Like [`read`], with a limit.
///
/// # Errors
/// If it exists but cannot be read, or has more than `limit_bytes`.
pub(crate) fn read_up_to(
    mount_point: &Path,
    path: &str,
    limit_bytes: u64,
) -> anyhow::Result<Option<Vec<u8>>> {
    match TargetRoot::new(mount_point).read_regular(path, limit_bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path} of the drive")),
    }
}

/// The first of these labels that a present file system has.
pub(crate) fn present(labels: &[&'static str]) -> Option<&'static str> {
    let has = |label: &&&str| Path::new(BY_LABEL).join(label).exists();
    labels.iter().find(has).copied()
}

/// Waits for a drive with any of these labels.
///
/// # Errors
/// If none appears within `timeout`, or the wait was cancelled.
pub(crate) fn wait_for_any(
    labels: &[&'static str],
    timeout: Option<Duration>,
    log: &Log,
    cancelled: &dyn Fn() -> bool,
) -> anyhow::Result<&'static str> {
    let what = format!("a drive labelled {}", labels.join(" or "));
    let mut waiting = WaitProgress::begin(what, timeout, log, cancelled);
    loop {
        if let Some(label) = present(labels) {
            return Ok(label);
        }
        waiting.pause(POLL_INTERVAL)?;
    }
}

fn wait(
    device: &Path,
    timeout: Option<Duration>,
    log: &Log,
    cancelled: &dyn Fn() -> bool,
) -> anyhow::Result<()> {
    let what = format!("config drive {}", device.display());
    log.info(format_args!("looking for {what}"));
    let mut waiting = WaitProgress::begin(what, timeout, log, cancelled);
    while !device.exists() {
        waiting.pause(POLL_INTERVAL)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_on_the_drive_and_pipes_do_not_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "{}").expect("written");
        for (link, target) in [
            ("inside", "/file"),
            ("upwards", "../../file"),
            ("outside", "/dev/zero"),
            ("loop", "loop"),
        ] {
            symlink(target, path(link)).expect("a link");
        }
        nix::unistd::mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
        for name in ["/inside", "/upwards"] {
            let found = read(dir.path(), name).expect("read");
            assert_eq!(found.as_deref(), Some(b"{}".as_slice()), "{name}");
        }
        assert_eq!(read(dir.path(), "/outside").expect("fine"), None);
        for (name, cause) in [("/pipe", "not a regular file"), ("/loop", "symbolic links")] {
            let error = format!("{:#}", read(dir.path(), name).expect_err(name));
            assert!(error.contains(cause), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_none_and_others_are_errors() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("openstack/latest/user_data")).expect("made");
        fs::write(dir.path().join("user-data"), "{}").expect("written");
        let found = read(dir.path(), "/user-data").expect("read");
        assert_eq!(found.as_deref(), Some(b"{}".as_slice()));
        assert_eq!(read(dir.path(), "/vendor-data").expect("fine"), None);
        let error = read(dir.path(), "/openstack/latest/user_data").expect_err("a directory");
        assert!(
            error.to_string().contains("cannot read /openstack/"),
            "{error}"
        );
    }
}
