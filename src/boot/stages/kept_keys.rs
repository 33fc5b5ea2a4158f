//! Keys that a first boot left on the root and that nothing else has: of a boot that was cut after volumes were
//! handed over, and before it was noted anywhere that it is over.
//!
//! The disks stage runs before the root is mounted. So the file system that will hold the keys is mounted for a
//! moment, for this thread only, read only but for its journal, which would be replayed a moment later anyway.

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
    /// Where it is mounted in the real root.
    point: String,
}

/// Keys by volume, for volumes that nothing else opens. Looking for them must not make things worse: if it is
/// not possible, the log says why and there are none.
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
    let found = place(document, observed, options).and_then(|place| match place {
        Some(place) => read(&place, &names),
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

/// The file system of the config that the keys lie on, if it exists and stays; without one in the config, the
/// root that the kernel command line names.
fn place(
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
    let act = || format!("cannot look at {}", device.display());
    let mut file = File::open(&device).with_context(act)?;
    let found = superblock::probe(&mut file).with_context(act)?;
    Ok(found.kind.map(|format| KeyFilesystem {
        device,
        format,
        point: "/".into(),
    }))
}

/// Reads the keys on a thread with mounts of its own, which go with it.
fn read(place: &KeyFilesystem, names: &[String]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let reading = || -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        namespace::enter_private_namespace()?;
        let directory = tempfile::tempdir().context("cannot create a directory to mount at")?;
        let root = TargetRoot::new(directory.path());
        let _mounted = mount::TemporaryMount::open(&place.device, &root, &place.format)?;
        let mut keys = BTreeMap::new();
        for name in names {
            let path = below(&place.point, &key_file(name));
            let key = root.read(&path);
            let key = key.with_context(|| format!("cannot read {}", key_file(name)))?;
            // An empty file is what a power cut left.
            keys.extend(
                key.filter(|key| !key.is_empty())
                    .map(|key| (name.clone(), key.into_bytes())),
            );
        }
        Ok(keys)
    };
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().spawn_scoped(scope, reading)?;
        reader
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the reader thread failed")))
    })
}

/// A path of the real root as seen from the file system mounted at `point`.
fn below(point: &str, path: &str) -> String {
    match is_at_or_below(path, point) && point != "/" {
        true => path[point.len()..].to_owned(),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_file_system_they_lie_on() {
        for (point, want) in [
            ("/", "/etc/luks/a"),
            ("/etc", "/luks/a"),
            ("/etc/luks", "/a"),
        ] {
            assert_eq!(below(point, "/etc/luks/a"), want);
        }
    }
}
