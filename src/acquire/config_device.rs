//! A config on a file system with a known label.

use crate::fetch::MAX_BUFFER_BYTES;
use crate::host::block::BY_LABEL;
use crate::host::{TargetRoot, wait};
use crate::log::Log;
use crate::platform::{MountSpec, with_mounted};
use anyhow::{Context, anyhow, bail};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// Time limit for the device to appear and to be mounted.
const TIMEOUT: Duration = Duration::from_secs(30);
const REMEDY: &str = "attach it, label its file system, or correct ignition.config.device";

/// Reads a file from the file system with this label.
///
/// # Errors
/// If the label is invalid, or the device does not appear, cannot be mounted, or has no such file.
pub(super) fn read(label: &str, path: &str, log: &Log) -> anyhow::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let device = Path::new(BY_LABEL).join(check_label(label)?);
    let waiting = format!("waiting for config device {}", device.display());
    log.operation(waiting, || {
        wait::for_devices(std::slice::from_ref(&device), Some(TIMEOUT))
            .map_err(|error| anyhow!("{error:#}; {REMEDY}"))
    })?;
    let spec = MountSpec {
        what: "config device",
        prefix: "ignition-config",
        timeout: deadline.saturating_duration_since(Instant::now()),
    };
    with_mounted(&device, spec, log, |mount_point| {
        read_below(mount_point, path).with_context(|| {
            format!("cannot read the config on the file system labelled {label:?}")
        })
    })
}

/// Checks that the label is a single path component.
fn check_label(label: &str) -> anyhow::Result<&str> {
    let mut parts = Path::new(label).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == label => Ok(label),
        _ => bail!(
            "ignition.config.device is {label:?}; it must be the label of a file system, without slashes"
        ),
    }
}

/// Resolves the path against the root of the file system, so that neither `..` nor links lead out of it. Pipes and
/// devices are not opened.
fn read_below(mount_point: &Path, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut inside = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::ParentDir => drop(inside.pop()),
            _ => {}
        }
    }
    let inside = inside.to_string_lossy();
    TargetRoot::new(mount_point)
        .read_regular(&inside, MAX_BUFFER_BYTES)
        .with_context(|| format!("/{inside}; check ignition.config.path"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn labels_are_single_path_components() {
        for label in ["", ".", "..", "/", "a/b", "/a", "a/", "../a"] {
            check_label(label).expect_err(label);
        }
        for label in ["CONFIG", "a.b", "...", "a\\x20b"] {
            assert_eq!(check_label(label).expect("fine"), label);
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
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).expect("a link");
        read_below(dir.path(), "zero").expect_err("outside");
        let error = read_below(dir.path(), "/../nothing").expect_err("missing");
        let error = format!("{error:#}");
        assert!(
            error.starts_with("/nothing; check ignition.config.path: No such file"),
            "{error}"
        );
    }
}
