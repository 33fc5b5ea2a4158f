//! What uses a disk or its partitions: mounts, swap, and other devices on top, each by its common name.

use super::uses::Uses;
use crate::host::block::BlockDevice;
use crate::host::{kernel_table, partition_maps};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

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
    let uses = Uses::read()?;
    let mut held = DiskUsers {
        disk: users(&BlockDevice::of_node(node), &uses, MAX_DEPTH)?,
        ..DiskUsers::default()
    };
    for (number, partition) in partitions(node)? {
        let users = users(&partition, &uses, MAX_DEPTH)?;
        if !users.is_empty() {
            held.partitions.insert(number, users);
        }
    }
    Ok(held)
}

/// Partitions the kernel sees on a disk, by number.
fn partitions(node: &Path) -> anyhow::Result<BTreeMap<u32, BlockDevice>> {
    if partition_maps::name_of(node).is_some() {
        let maps = partition_maps::list(node)?.into_iter();
        return Ok(maps.map(|(number, map)| (number, map.device)).collect());
    }
    match BlockDevice::of_node(node).exists() {
        true => kernel_table::kernel_partitions(node),
        false => Ok(BTreeMap::new()),
    }
}

/// Everything that uses a device: what the kernel does with it, then devices on top of it.
fn users(device: &BlockDevice, uses: &Uses, depth: usize) -> anyhow::Result<Vec<String>> {
    let mut users = uses.of(&device.node());
    if depth == 0 {
        return Ok(users);
    }
    for holder in device.holders()? {
        if partition_maps::number_of(&holder).is_some() {
            continue;
        }
        let mut text = format!("held by {}", description(&holder));
        let further = self::users(&holder, uses, depth - 1)?;
        if !further.is_empty() {
            text.push_str(&format!(" ({})", further.join(", ")));
        }
        users.push(text);
    }
    Ok(users)
}

/// What a device is, its name and its node: `LVM volume vg0/data, /dev/dm-3`.
fn description(device: &BlockDevice) -> String {
    let name = device.attribute("dm/name");
    let uuid = device.attribute("dm/uuid").unwrap_or_default();
    let node = device.node();
    let what = match (name, uuid.split('-').next().unwrap_or_default()) {
        (Some(name), "LVM") => format!("LVM volume {}, ", volume(&name)),
        (Some(name), "CRYPT") => format!("encrypted volume {name}, "),
        (Some(name), "mpath") => format!("multipath disk {name}, "),
        (Some(name), _) => format!("device-mapper device {name}, "),
        (None, _) if device.has("md") => match array_name(&node) {
            Some(name) => format!("RAID array {name}, "),
            None => "RAID array ".into(),
        },
        (None, _) if device.has("bcache") => "bcache device ".into(),
        (None, _) => String::new(),
    };
    format!("{what}{}", node.display())
}

/// `vg--0-data` is volume `data` of group `vg-0`.
fn volume(name: &str) -> String {
    let marked = name.replace("--", "\0");
    marked.replacen('-', "/", 1).replace('\0', "-")
}

/// The name of an array, from the link that udev creates.
fn array_name(node: &Path) -> Option<String> {
    let links = fs::read_dir("/dev/md").ok()?.flatten();
    let found = links
        .map(|link| link.path())
        .find(|path| path.canonicalize().is_ok_and(|real| real == node))?;
    Some(found.file_name()?.to_string_lossy().into_owned())
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
