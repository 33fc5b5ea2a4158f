//! File systems that are mounted briefly, read only, to read a config.

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

/// What is mounted, and how.
#[derive(Debug, Clone, Copy)]
pub struct MountSpec {
    /// What it is, for messages.
    pub what: &'static str,
    /// Prefix of the name of the directory that is the mount point.
    pub prefix: &'static str,
    /// Time limit for mounting.
    pub timeout: Duration,
}

/// Mounts a device read only, calls `work` with the mount point, and unmounts it.
///
/// # Errors
/// It cannot be mounted, or `work` failed. A failure to unmount is only logged, since the config was read.
pub fn mounted<T>(
    device: &Path,
    spec: MountSpec,
    log: &Log,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mount = |point: &Path| {
        Command::new("mount")
            .args(["-o", "ro,nodev,nosuid,noexec", "-t", "auto"])
            .arg(device.display().to_string())
            .arg(point.display().to_string())
            .within(spec.timeout)
            .run()
            .map(drop)
    };
    mounted_by(mount, device, spec, log, work)
}

/// As [`mounted`], with another way to mount.
///
/// # Errors
/// As [`mounted`].
pub(crate) fn mounted_by<T>(
    mount: impl FnOnce(&Path) -> anyhow::Result<()>,
    device: &Path,
    spec: MountSpec,
    log: &Log,
    work: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let point = TemporaryMountPoint::new(spec)?;
    let named = format!("{} {}", spec.what, device.display());
    log.operation(format_args!("mounting {named}"), || mount(&point.0))?;
    let result = work(&point.0);
    // The config was read; that it stays mounted is logged.
    let _ = log.operation(format_args!("unmounting {named}"), || unmount(&point.0));
    result
}

/// A new directory to mount on, removed on drop. `rmdir` cannot remove what is still mounted there.
struct TemporaryMountPoint(PathBuf);

impl TemporaryMountPoint {
    fn new(spec: MountSpec) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix(spec.prefix).tempdir();
        let act = || format!("cannot create a directory to mount the {} on", spec.what);
        Ok(Self(made.with_context(act)?.keep()))
    }
}

impl Drop for TemporaryMountPoint {
    fn drop(&mut self) {
        // Fails if it is still mounted, which was logged.
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
        let spec = MountSpec {
            what: "config drive",
            prefix: "ignition-configdrive",
            timeout: Duration::from_secs(1),
        };
        let point = TemporaryMountPoint::new(spec).expect("made");
        let path = point.0.clone();
        assert!(!is_mounted(&path));
        fs::write(path.join("kept"), "").expect("written");
        drop(point);
        assert!(path.join("kept").exists());
        fs::remove_dir_all(&path).expect("removed");
    }
}
