//! A config on a file system that is found by its label.

use crate::host::{Command, wait};
use crate::log::Log;
use anyhow::{Context, anyhow, bail};
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where udev puts links named by the labels of file systems.
const BY_LABEL: &str = "/dev/disk/by-label";
/// Time for the device to appear and to be mounted.
const PATIENCE: Duration = Duration::from_secs(30);
const REMEDY: &str = "attach it, label its file system, or correct ignition.config.device";
const UNMOUNT_ATTEMPTS: u32 = 3;

/// Reads a file from the file system with this label.
///
/// # Errors
/// The label is none, the device does not appear, cannot be mounted, or has no such file.
pub fn read(label: &str, path: &str, log: &Log) -> anyhow::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let device = Path::new(BY_LABEL).join(name_part(label)?);
    let waiting = format!("waiting for config device {}", device.display());
    log.operation(waiting, || {
        wait::for_devices(std::slice::from_ref(&device), Some(PATIENCE))
            .map_err(|error| anyhow!("{error:#}; {REMEDY}"))
    })?;
    let point = Point::new()?;
    let left = deadline.saturating_duration_since(Instant::now());
    let mounting = format!("mounting config device {}", device.display());
    log.operation(mounting, || mount(&device, &point.0, left))?;
    let text = read_below(&point.0, path)
        .with_context(|| format!("cannot read the config on the file system labelled {label:?}"));
    // A config that was read is good whatever becomes of the mount; the log has it.
    let unmounting = format!("unmounting config device {}", device.display());
    let _ = log.operation(unmounting, || unmount(&point.0));
    text
}

/// The label as one part of a path.
fn name_part(label: &str) -> anyhow::Result<&str> {
    let mut parts = Path::new(label).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == label => Ok(label),
        _ => bail!(
            "ignition.config.device is {label:?}; it must be the label of a file system, without slashes"
        ),
    }
}

/// A fresh directory to mount on, removed when dropped. What is mounted there is never removed.
struct Point(PathBuf);

impl Point {
    fn new() -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix("ignition-config").tempdir();
        Ok(Self(
            made.context("cannot make a directory to mount the config device on")?
                .keep(),
        ))
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // Fails if it is still mounted, which was told.
        let _ = fs::remove_dir(&self.0);
    }
}

fn mount(device: &Path, point: &Path, limit: Duration) -> anyhow::Result<()> {
    Command::new("mount")
        .args(["-o", "ro", "-t", "auto"])
        .arg(device.display().to_string())
        .arg(point.display().to_string())
        .within(limit)
        .run()
        .map(drop)
}

/// The path is taken from the root of the file system, so that `..` does not lead out of it.
fn read_below(point: &Path, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut inside = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::ParentDir => drop(inside.pop()),
            _ => {}
        }
    }
    let shown = inside.display();
    fs::read(point.join(&inside)).with_context(|| format!("/{shown}; check ignition.config.path"))
}

fn unmount(point: &Path) -> anyhow::Result<()> {
    for attempt in 1..=UNMOUNT_ATTEMPTS {
        match umount2(point, MntFlags::empty()) {
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
    fn labels_are_one_part_of_a_path() {
        for label in ["", ".", "..", "/", "a/b", "/a", "a/", "../a"] {
            name_part(label).expect_err(label);
        }
        for label in ["CONFIG", "a.b", "...", "a\\x20b"] {
            assert_eq!(name_part(label).expect("fine"), label);
        }
    }

    #[test]
    fn paths_stay_inside() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("in")).expect("made");
        fs::write(dir.path().join("in/c.ign"), "{}").expect("written");
        for path in [
            "in/c.ign",
            "/in/c.ign",
            "/../../in/./c.ign",
            "//in/x/../c.ign",
        ] {
            assert_eq!(read_below(dir.path(), path).expect("read"), b"{}", "{path}");
        }
        let error = read_below(dir.path(), "/../nothing").expect_err("missing");
        let error = format!("{error:#}");
        assert!(
            error.starts_with("/nothing; check ignition.config.path: No such file"),
            "{error}"
        );
    }

    #[test]
    fn the_directory_goes_and_nothing_in_it() {
        let point = Point::new().expect("made");
        let path = point.0.clone();
        assert!(!is_mounted(&path));
        fs::write(path.join("kept"), "").expect("written");
        drop(point);
        assert!(path.join("kept").exists());
        fs::remove_dir_all(&path).expect("removed");
    }
}
