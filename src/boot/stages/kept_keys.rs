//! Keys that exist only on the root: those of a first boot that was interrupted after volumes had been handed over, but
//! before it was marked as complete.
//!
//! The disks stage runs before the root is mounted. So the file system that holds the keys is mounted for a moment, for
//! this thread only, and read-only except for a replay of its journal, which would happen a moment later anyway.

use crate::acquire::command_line::CommandLine;
use crate::config::Document;
use crate::disk::superblock;
use crate::facts::Observed;
use crate::host::devices::DeviceAccess;
use crate::host::{Devices, TargetRoot, mount, namespace};
use crate::layout::{KEY_DIRECTORY, key_file};
use crate::log::{Log, quoted};
use crate::paths::is_at_or_below;
use crate::plan::questions::Questions;
use crate::plan::{self, Options};
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file system that may hold keys.
struct KeyFilesystem {
    device: PathBuf,
    format: String,
    /// Its mount point in the real root.
    point: String,
}

/// Finds keys for volumes that nothing else opens, by volume name. Looking for them must not make things worse: an
/// error is only logged.
pub(super) fn find_keys(
    document: &Document,
    observed: &Observed,
    options: &Options,
    log: &Log,
) -> BTreeMap<String, Vec<u8>> {
    let names = plan::luks::without_key(document, observed, options);
    if names.is_empty() {
        return BTreeMap::new();
    }
    let found =
        key_filesystem(document, observed, options).and_then(|filesystem| match filesystem {
            Some(filesystem) => read(&filesystem, &names),
            None => Ok(BTreeMap::new()),
        });
    match found {
        Ok(keys) => {
            for name in keys.keys() {
                let name = quoted(name);
                log.info(format_args!("found the key of volume {name} on the root"));
            }
            keys
        }
        Err(error) => {
            log.warning(format_args!("cannot look for keys on the root: {error:#}"));
            BTreeMap::new()
        }
    }
}

/// The file system of the config that the keys are on, if it exists and is kept. Without one in the config, the root
/// file system on the kernel command line.
fn key_filesystem(
    document: &Document,
    observed: &Observed,
    options: &Options,
) -> anyhow::Result<Option<KeyFilesystem>> {
    let points = plan::mounts::points(document.config());
    let Some(point) = plan::mounts::point_of(&points, KEY_DIRECTORY) else {
        return root_of_command_line();
    };
    let kept = Questions::of(document, observed, options).kept_mounts();
    let Some(mount) = kept.into_iter().find(|mount| mount.point == point) else {
        return Ok(None);
    };
    let device = Devices::default().open(&mount.device, DeviceAccess::Read)?;
    Ok(Some(KeyFilesystem {
        device: device.path().into(),
        format: mount.format,
        point: mount.point,
    }))
}

fn root_of_command_line() -> anyhow::Result<Option<KeyFilesystem>> {
    let line = CommandLine::read(Path::new("/proc/cmdline"))?;
    let Some(device) = line.root_device().filter(|device| device.exists()) else {
        return Ok(None);
    };
    let act = || format!("cannot examine {}", device.display());
    let mut file = File::open(&device).with_context(act)?;
    let found = superblock::probe(&mut file).with_context(act)?;
    Ok(found.kind.map(|format| KeyFilesystem {
        device,
        format,
        point: "/".into(),
    }))
}

/// Reads the keys on a thread in a mount namespace of its own, which ends with the thread.
fn read(filesystem: &KeyFilesystem, names: &[String]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let read_keys = || -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        namespace::enter_private_namespace()?;
        let directory = tempfile::tempdir().context("cannot create a directory to mount at")?;
        let root = TargetRoot::new(directory.path());
        let _mounted = mount::TemporaryMount::open(&filesystem.device, &root, &filesystem.format)?;
        let mut keys = BTreeMap::new();
        for name in names {
            let path = path_within(&filesystem.point, &key_file(name));
            let key = root.read(&path);
            let key = key.with_context(|| format!("cannot read {}", key_file(name)))?;
            // A power cut may leave an empty file.
            keys.extend(
                key.filter(|key| !key.is_empty())
                    .map(|key| (name.clone(), key.into_bytes())),
            );
        }
        Ok(keys)
    };
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().spawn_scoped(scope, read_keys)?;
        reader
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the reader thread failed")))
    })
}

/// A path of the real root, relative to the file system mounted at `point`.
fn path_within(point: &str, path: &str) -> String {
    match is_at_or_below(path, point) && point != "/" {
        true => path[point.len()..].to_owned(),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_mount_point() {
        for (point, want) in [
            ("/", "/etc/luks/a"),
            ("/etc", "/luks/a"),
            ("/etc/luks", "/a"),
        ] {
            assert_eq!(path_within(point, "/etc/luks/a"), want);
        }
    }
}
