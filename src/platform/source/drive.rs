//! Config drives: file systems that are found by their label.

use super::mount::{MountSpec, mounted};
use super::waiting::WaitProgress;
use crate::fetch::BUFFER_LIMIT_BYTES;
use crate::host::TargetRoot;
use crate::log::Log;
use anyhow::Context;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Directory of the links that udev names by labels of file systems.
const BY_LABEL: &str = "/dev/disk/by-label";
/// Interval between two looks for a drive; a look is one system call.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Time limit for mounting; a medium that takes longer is broken.
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
    /// Waits for the drive, and reads the config; empty if there is no such file.
    ///
    /// # Errors
    /// The drive does not appear within `limit`, or cannot be read; or the wait was cancelled.
    pub(crate) fn read(
        &self,
        limit: Option<Duration>,
        log: &Log,
        cancelled: &dyn Fn() -> bool,
    ) -> anyhow::Result<Vec<u8>> {
        let text = self.visit(limit, log, cancelled, &|point| read(point, self.path))?;
        Ok(text.unwrap_or_default())
    }

    /// Waits for the drive, mounts it, and calls `work` with the mount point.
    ///
    /// # Errors
    /// As [`Drive::read`].
    pub(crate) fn visit<T>(
        &self,
        limit: Option<Duration>,
        log: &Log,
        cancelled: &dyn Fn() -> bool,
        work: &dyn Fn(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let device = Path::new(BY_LABEL).join(self.label);
        wait(&device, limit, log, cancelled)?;
        let spec = MountSpec {
            what: "config drive",
            prefix: "ignition-configdrive",
            timeout: MOUNT_TIMEOUT,
        };
        mounted(&device, spec, log, work)
    }

    /// The read, in a line.
    pub(crate) fn describe(&self) -> String {
        format!("read {} of {BY_LABEL}/{}", self.path, self.label)
    }
}

/// Reads a file below the mount point; `None` if it does not exist. Links lead nowhere but to files of the drive, and what is
/// no regular file is not opened: a pipe would be waited for without end, and a device may act.
///
/// # Errors
/// It exists and cannot be read.
pub(crate) fn read(point: &Path, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match TargetRoot::new(point).read_regular(path, BUFFER_LIMIT_BYTES) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path} of the drive")),
    }
}

/// The first of these labels that a file system has now.
pub(crate) fn present(labels: &[&'static str]) -> Option<&'static str> {
    let has = |label: &&&str| Path::new(BY_LABEL).join(label).exists();
    labels.iter().find(has).copied()
}

/// Waits for a drive with any of these labels.
///
/// # Errors
/// None appears within `limit`, or the wait was cancelled.
pub(crate) fn first(
    labels: &[&'static str],
    limit: Option<Duration>,
    log: &Log,
    cancelled: &dyn Fn() -> bool,
) -> anyhow::Result<&'static str> {
    let what = format!("a drive labelled {}", labels.join(" or "));
    let mut waiting = WaitProgress::begin(what, limit, log, cancelled);
    loop {
        if let Some(label) = present(labels) {
            return Ok(label);
        }
        waiting.pause(POLL_INTERVAL)?;
    }
}

fn wait(
    device: &Path,
    limit: Option<Duration>,
    log: &Log,
    cancelled: &dyn Fn() -> bool,
) -> anyhow::Result<()> {
    let what = format!("config drive {}", device.display());
    log.info(format_args!("looking for {what}"));
    let mut waiting = WaitProgress::begin(what, limit, log, cancelled);
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
    fn links_stay_on_the_drive_and_pipes_are_not_waited_for() {
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
