//! What uses a disk or its partitions: mounts, swap, and other devices on top, each by its common name.

use super::uses::Uses;
use crate::host::partition_maps;
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Descriptions of what uses one disk.
#[derive(Debug, Default)]
pub(super) struct DiskUsers {
    /// Of the whole disk.
    pub disk: Vec<String>,
    /// Of its partitions; idle ones are absent.
    pub partitions: BTreeMap<u32, Vec<String>>,
}

/// Maximum depth of stacked devices: a file system on a volume on an array on a partition.
const MAX_DEPTH: usize = 4;

/// Inspects one disk by its real node, e.g. `/dev/sda`. A disk that is itself a device-mapper device (multipath) is
/// always held by the maps of its partitions, so these do not count.
pub(super) fn of(node: &Path) -> anyhow::Result<DiskUsers> {
    let name = node
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let uses = Uses::read()?;
    let mut held = DiskUsers {
        disk: users(&name, &uses, MAX_DEPTH)?,
        ..DiskUsers::default()
    };
    for (number, partition) in partitions(node, &name)? {
        let users = users(&partition, &uses, MAX_DEPTH)?;
        if !users.is_empty() {
            held.partitions.insert(number, users);
        }
    }
    Ok(held)
}

/// Partitions the kernel sees on a disk, by number.
fn partitions(node: &Path, disk: &str) -> anyhow::Result<Vec<(u32, String)>> {
    let class = class_of(disk);
    if partition_maps::name_of(node).is_some() {
        let maps = partition_maps::list(node)?.into_iter();
        return Ok(maps.map(|(number, map)| (number, map.device)).collect());
    }
    let mut found = Vec::new();
    for entry in read_dir(&class)? {
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

/// Everything that uses a device: what the kernel does with it, then devices on top of it.
fn users(device: &str, uses: &Uses, depth: usize) -> anyhow::Result<Vec<String>> {
    let mut users = uses.of(&Path::new("/dev").join(device));
    if depth == 0 {
        return Ok(users);
    }
    for holder in read_dir(&class_of(device).join("holders"))? {
        let class = class_of(&holder);
        let is_partition = attribute(&class, "dm/uuid")
            .is_some_and(|uuid| partition_maps::partition_number(&uuid).is_some());
        if is_partition {
            continue;
        }
        let mut text = format!("held by {}", name_of(&class, &holder));
        let further = self::users(&holder, uses, depth - 1)?;
        if !further.is_empty() {
            text.push_str(&format!(" ({})", further.join(", ")));
        }
        users.push(text);
    }
    Ok(users)
}

/// What a device is, its name and its node: `LVM volume vg0/data, /dev/dm-3`.
fn name_of(class: &Path, device: &str) -> String {
    let name = attribute(class, "dm/name");
    let uuid = attribute(class, "dm/uuid").unwrap_or_default();
    let what = match (name, uuid.split('-').next().unwrap_or_default()) {
        (Some(name), "LVM") => format!("LVM volume {}, ", volume(&name)),
        (Some(name), "CRYPT") => format!("encrypted volume {name}, "),
        (Some(name), "mpath") => format!("multipath disk {name}, "),
        (Some(name), _) => format!("device-mapper device {name}, "),
        (None, _) if class.join("md").exists() => match array_name(device) {
            Some(name) => format!("RAID array {name}, "),
            None => "RAID array ".into(),
        },
        (None, _) if class.join("bcache").exists() => "bcache device ".into(),
        (None, _) => String::new(),
    };
    format!("{what}/dev/{device}")
}

/// `vg--0-data` is volume `data` of group `vg-0`.
fn volume(name: &str) -> String {
    let marked = name.replace("--", "\0");
    marked.replacen('-', "/", 1).replace('\0', "-")
}

/// The name of an array, from the link that udev creates.
fn array_name(device: &str) -> Option<String> {
    let node = PathBuf::from("/dev").join(device);
    let links = fs::read_dir("/dev/md").ok()?.flatten();
    let found = links
        .map(|link| link.path())
        .find(|path| path.canonicalize().is_ok_and(|real| real == node))?;
    Some(found.file_name()?.to_string_lossy().into_owned())
}

fn class_of(device: &str) -> PathBuf {
    Path::new("/sys/class/block").join(device)
}

fn attribute(class: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(class.join(name)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn read_dir(path: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names
        .collect::<io::Result<Vec<String>>>()
        .with_context(|| format!("cannot read {}", path.display()))?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_named_by_group_and_name() {
        for (map, shown) in [
            ("vg0-data", "vg0/data"),
            ("my--vg-a--b", "my-vg/a-b"),
            ("odd", "odd"),
        ] {
            assert_eq!(volume(map), shown);
        }
    }
}
