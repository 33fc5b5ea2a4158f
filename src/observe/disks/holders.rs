//! Who uses a disk or its partitions: mounts, swap, and other devices on top.

use anyhow::Context;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Users of one disk, in words.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Of the whole disk.
    pub disk: Vec<String>,
    /// Of its partitions; idle ones are absent.
    pub partitions: BTreeMap<u32, Vec<String>>,
}

/// Looks at one disk by its real node, e.g. `/dev/sda`. A disk that is itself a device-mapper device
/// (multipath) is always held by the maps of its partitions, so its holders do not count.
pub(super) fn of(node: &Path) -> anyhow::Result<Held> {
    let name = node
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let class = Path::new("/sys/class/block").join(&name);
    let uses = uses()?;
    let mapped = class.join("dm").exists();
    let mut held = Held::default();
    held.disk
        .extend(uses.get(node).cloned().unwrap_or_default());
    if !mapped {
        held.disk.extend(holders(&class)?);
    }
    for (number, partition) in partitions(&class, &name)? {
        let mut users = uses
            .get(&Path::new("/dev").join(&partition))
            .cloned()
            .unwrap_or_default();
        users.extend(holders(&class.join(&partition))?);
        if !users.is_empty() {
            held.partitions.insert(number, users);
        }
    }
    Ok(held)
}

/// Partitions the kernel sees on a disk, by number.
fn partitions(class: &Path, disk: &str) -> anyhow::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in read_dir(class)? {
        let number = fs::read_to_string(class.join(&entry).join("partition"));
        if let (true, Ok(number)) = (entry.starts_with(disk), number) {
            let number = number
                .trim()
                .parse()
                .with_context(|| format!("number of {entry}"))?;
            found.push((number, entry));
        }
    }
    Ok(found)
}

fn holders(class: &Path) -> anyhow::Result<Vec<String>> {
    let names = read_dir(&class.join("holders"))?;
    Ok(names
        .into_iter()
        .map(|name| format!("in use by /dev/{name}"))
        .collect())
}

fn read_dir(path: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names
        .collect::<io::Result<Vec<String>>>()
        .with_context(|| format!("cannot read {}", path.display()))
}

/// Mounts and swap areas by device node. A source that does not exist any more is not this device.
fn uses() -> anyhow::Result<BTreeMap<PathBuf, Vec<String>>> {
    let mut uses: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    let mut add = |device: &str, what: String| {
        if let Ok(node) = Path::new(device).canonicalize() {
            uses.entry(node).or_default().push(what);
        }
    };
    let mounts =
        fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    for line in mounts.lines() {
        if let [device, point, ..] = line.split(' ').collect::<Vec<_>>()[..]
            && device.starts_with('/')
        {
            add(device, format!("mounted at {point}"));
        }
    }
    // A kernel without swap has no such file.
    for line in fs::read_to_string("/proc/swaps")
        .unwrap_or_default()
        .lines()
        .skip(1)
    {
        if let Some(device) = line.split_whitespace().next() {
            add(device, "active swap".into());
        }
    }
    Ok(uses)
}
