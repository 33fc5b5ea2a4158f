//! Mounts file systems temporarily and read-only, to read a config.

use crate::host::{self, Command};
use crate::log::Log;
use anyhow::{Context, bail};
use nix::mount::MntFlags;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Attempts to unmount, a second apart.
const UNMOUNT_ATTEMPTS: u32 = 3;

/// What to mount, and how.
#[derive(Debug, Clone, Copy)]
pub struct MountSpec {
    /// Description of the file system, for messages.
    pub what: &'static str,
    /// Prefix for the name of the mount point.
    pub prefix: &'static str,
    /// Time limit for mounting.
    pub timeout: Duration,
}

/// Mounts a device read-only, calls `work` with the mount point, and unmounts it.
///
/// # Errors
/// If it cannot be mounted, or `work` fails. A failure to unmount is only logged, since the config was read.
pub fn with_mounted<T>(
    device: &Path,
    spec: MountSpec,
    log: &Log,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mount = |mount_point: &Path| {
        Command::new("mount")
            .args(["-o", "ro,nodev,nosuid,noexec", "-t", "auto"])
            .arg(device.display().to_string())
            .arg(mount_point.display().to_string())
            .within(spec.timeout)
            .run()
            .map(drop)
    };
    with_mounted_by(mount, device, spec, log, work)
}

/// Like [`with_mounted`], with a custom function that mounts.
///
/// # Errors
/// See [`with_mounted`].
pub(crate) fn with_mounted_by<T>(
    mount: impl FnOnce(&Path) -> anyhow::Result<()>,
    device: &Path,
    spec: MountSpec,
    log: &Log,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mount_point = TemporaryMountPoint::new(spec)?;
    let description = format!("{} {}", spec.what, device.display());
    log.operation(format_args!("mounting {description}"), || {
        mount(&mount_point.0)
    })?;
    let result = work(&mount_point.0);
    // The config was read, so a failure to unmount is only logged.
    let _ = log.operation(format_args!("unmounting {description}"), || {
        unmount(&mount_point.0)
    });
    result
}

/// A new directory to mount on, which is removed on drop. `rmdir` fails while something is mounted on it.
struct TemporaryMountPoint(PathBuf);

impl TemporaryMountPoint {
    fn new(spec: MountSpec) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix(spec.prefix).tempdir();
        let context = || format!("cannot create a directory to mount the {} on", spec.what);
        Ok(Self(made.with_context(context)?.keep()))
    }
}

impl Drop for TemporaryMountPoint {
    fn drop(&mut self) {
        // Fails if it is still mounted, which was logged.
        let _ = fs::remove_dir(&self.0);
    }
}

fn unmount(mount_point: &Path) -> anyhow::Result<()> {
    for attempt in 1..=UNMOUNT_ATTEMPTS {
        match host::mount::unmount_at(mount_point, MntFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(error) if attempt == UNMOUNT_ATTEMPTS => {
                bail!("cannot unmount {}: {error}", mount_point.display())
            }
            Err(_) => sleep(Duration::from_secs(1)),
        }
        if !is_mounted(mount_point) {
            return Ok(());
        }
    }
    Ok(())
}

/// True if the directory is on another device than its parent.
fn is_mounted(mount_point: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(mount_point) != mount_point.parent().and_then(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_empty_directory_is_removed() {
        let spec = MountSpec {
            what: "config drive",
            prefix: "ignition-configdrive",
            timeout: Duration::from_secs(1),
        };
        let mount_point = TemporaryMountPoint::new(spec).expect("made");
        let path = mount_point.0.clone();
        assert!(!is_mounted(&path));
        fs::write(path.join("kept"), "").expect("written");
        drop(mount_point);
        assert!(path.join("kept").exists());
        fs::remove_dir_all(&path).expect("removed");
    }
}
