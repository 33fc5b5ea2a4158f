//! File systems that are found by their label and hold a config: config drives.

use super::waiting::Waiting;
use crate::host::{self, Command};
use crate::log::Log;
use anyhow::{Context, bail};
use nix::mount::MntFlags;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Where udev puts links named by the labels of file systems.
const BY_LABEL: &str = "/dev/disk/by-label";
/// A drive is looked for so often; a look is one call of the kernel.
const PAUSE: Duration = Duration::from_millis(100);
/// A medium that cannot be mounted by then never will be.
const MOUNT: Duration = Duration::from_secs(120);
const UNMOUNT_ATTEMPTS: u32 = 3;

/// A drive with a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drive {
    /// Label of its file system.
    pub label: &'static str,
    /// The config in it, from its root.
    pub path: &'static str,
}

impl Drive {
    /// The same drive, by the two labels it may have where it is made as OpenStack does.
    pub const fn by_either_label(path: &'static str) -> [Drive; 2] {
        let (label, other) = ("config-2", "CONFIG-2");
        [Drive { label, path }, Drive { label: other, path }]
    }

    /// Waits for the drive, and reads the config; nothing if there is no such file.
    ///
    /// # Errors
    /// The drive does not appear in time, or cannot be read; or it is no longer wanted.
    pub fn read(
        &self,
        limit: Option<Duration>,
        log: &Log,
        cancelled: &dyn Fn() -> bool,
    ) -> anyhow::Result<Vec<u8>> {
        let text = self.visit(limit, log, cancelled, &|point| read(point, self.path))?;
        Ok(text.unwrap_or_default())
    }

    /// Waits for the drive, and does something where it is mounted.
    ///
    /// # Errors
    /// As [`Drive::read`].
    pub fn visit<T>(
        &self,
        limit: Option<Duration>,
        log: &Log,
        cancelled: &dyn Fn() -> bool,
        work: &dyn Fn(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let device = Path::new(BY_LABEL).join(self.label);
        wait(&device, limit, log, cancelled)?;
        let place = Place {
            what: "config drive",
            prefix: "ignition-configdrive",
            limit: MOUNT,
        };
        mounted(&device, place, log, work)
    }

    /// What is looked for, in a line.
    pub fn describe(&self) -> String {
        format!("read {} of {BY_LABEL}/{}", self.path, self.label)
    }
}

/// A file below the mount point; nothing if it is not there.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(point: &Path, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(point.join(path.trim_start_matches('/'))) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path} of the drive")),
    }
}

/// The first of these labels that a file system of this machine has now.
pub fn present(labels: &[&'static str]) -> Option<&'static str> {
    let has = |label: &&&str| Path::new(BY_LABEL).join(label).exists();
    labels.iter().find(has).copied()
}

/// Waits for a drive with any of these labels.
///
/// # Errors
/// None appears in time, or it is no longer wanted.
pub fn first(
    labels: &[&'static str],
    limit: Option<Duration>,
    log: &Log,
    cancelled: &dyn Fn() -> bool,
) -> anyhow::Result<&'static str> {
    let what = format!("a drive labelled {}", labels.join(" or "));
    let mut waiting = Waiting::begin(what, limit, log, cancelled);
    loop {
        if let Some(label) = present(labels) {
            return Ok(label);
        }
        waiting.pause(PAUSE)?;
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
    let mut waiting = Waiting::begin(what, limit, log, cancelled);
    while !device.exists() {
        waiting.pause(PAUSE)?;
    }
    Ok(())
}

/// Where something is mounted.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// What it is, for messages.
    pub what: &'static str,
    /// What the name of the directory begins with.
    pub prefix: &'static str,
    /// For mounting.
    pub limit: Duration,
}

/// Mounts a device read only, does something there, and unmounts it.
///
/// # Errors
/// It cannot be mounted, or the work failed. A mount that stays is only logged: what was read is good.
pub fn mounted<T>(
    device: &Path,
    place: Place,
    log: &Log,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mount = |point: &Path| {
        Command::new("mount")
            .args(["-o", "ro", "-t", "auto"])
            .arg(device.display().to_string())
            .arg(point.display().to_string())
            .within(place.limit)
            .run()
            .map(drop)
    };
    mounted_by(mount, device, place, log, work)
}

/// The same with another way to mount.
///
/// # Errors
/// As [`mounted`].
pub fn mounted_by<T>(
    mount: impl FnOnce(&Path) -> anyhow::Result<()>,
    device: &Path,
    place: Place,
    log: &Log,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let point = Point::new(place)?;
    let named = format!("{} {}", place.what, device.display());
    log.operation(format_args!("mounting {named}"), || mount(&point.0))?;
    let result = work(&point.0);
    // A config that was read is good whatever becomes of the mount; the log has it.
    let _ = log.operation(format_args!("unmounting {named}"), || unmount(&point.0));
    result
}

/// A fresh directory to mount on, removed when dropped. What is mounted there is never removed.
struct Point(PathBuf);

impl Point {
    fn new(place: Place) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix(place.prefix).tempdir();
        let act = || format!("cannot make a directory to mount the {} on", place.what);
        Ok(Self(made.with_context(act)?.keep()))
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // Fails if it is still mounted, which was told.
        let _ = fs::remove_dir(&self.0);
    }
}

fn unmount(point: &Path) -> anyhow::Result<()> {
    for attempt in 1..=UNMOUNT_ATTEMPTS {
        match host::mount::unmount_at(point, MntFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(error) if attempt == UNMOUNT_ATTEMPTS => {
                bail!("cannot unmount {}: {error}", point.display())
            }
            Err(_) => sleep(Duration::from_secs(1)),
        }
        if !is_mounted(point) {
            return Ok(());
        }
    }
    Ok(())
}

/// A mount point is on another device than the directory it is in.
fn is_mounted(point: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(point) != point.parent().and_then(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_goes_and_nothing_in_it() {
        let place = Place {
            what: "config drive",
            prefix: "ignition-configdrive",
            limit: MOUNT,
        };
        let point = Point::new(place).expect("made");
        let path = point.0.clone();
        assert!(!is_mounted(&path));
        fs::write(path.join("kept"), "").expect("written");
        drop(point);
        assert!(path.join("kept").exists());
        fs::remove_dir_all(&path).expect("removed");
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
