//! Partitions of device-mapper disks (multipath). The kernel has no partitions on these: each is a linear map of its
//! own, as kpartx creates them. A map is identified by its uuid (`part2-mpath-...`), never by its name, which udev
//! rules may change at any time.

use super::Command;
use super::block::BlockDevice;
use super::partition_update::{Extents, PartitionUpdate, steps};
use super::sys::PartitionCall;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long all steps may fail. udev's kpartx may be working on the same maps.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often the maps may differ from what was just set up.
const MAX_ROUNDS: usize = 5;

/// Time limit of one run of `dmsetup`, which waits for udev, which may be busy.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// The map of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The device, e.g. `dm-3`.
    pub device: BlockDevice,
    /// Its current name, e.g. `mpathap1`.
    pub name: String,
}

/// Name of the map that a disk is; `None` if it is not a device-mapper disk.
pub fn name_of(node: &Path) -> Option<String> {
    BlockDevice::of_node(node).attribute("dm/name")
}

/// The partition maps of a disk, by partition number.
///
/// # Errors
/// If sysfs cannot be read.
pub fn list(node: &Path) -> anyhow::Result<BTreeMap<u32, Map>> {
    let maps = BlockDevice::of_node(node).holders()?.into_iter();
    let numbered = maps.filter_map(|device| {
        let name = device.attribute("dm/name")?;
        Some((number_of(&device)?, Map { device, name }))
    });
    Ok(numbered.collect())
}

/// The partition number of a map; `None` if the device is not the map of a partition.
pub fn number_of(device: &BlockDevice) -> Option<u32> {
    partition_number(&device.attribute("dm/uuid")?)
}

/// The partition number in the uuid of a map.
fn partition_number(uuid: &str) -> Option<u32> {
    let (number, _) = uuid.strip_prefix("part")?.split_once('-')?;
    number.parse().ok()
}

/// Node of a partition, if its map exists.
pub fn node_of(disk: &Path, number: u32) -> anyhow::Result<Option<PathBuf>> {
    let found = list(disk)?.remove(&number);
    Ok(found.map(|map| map.device.node()))
}

/// Start and length of every map, in units of 512 bytes.
///
/// # Errors
/// If `dmsetup` fails, or a map is not linear.
pub fn extents(node: &Path) -> anyhow::Result<Extents> {
    let maps = list(node)?;
    let extents = maps.iter().map(|(number, map)| {
        let output = Command::new("dmsetup")
            .args(["table", &map.name])
            .within(COMMAND_TIMEOUT)
            .run()?;
        let extent = parse_linear(&output.stdout).with_context(|| {
            format!(
                "{} is not a linear device-mapper map of {}: {}",
                map.name,
                node.display(),
                output.stdout.trim()
            )
        })?;
        Ok((*number, extent))
    });
    extents.collect()
}

/// `0 LENGTH linear DEVICE START`
fn parse_linear(table: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = table.split_whitespace().collect();
    match fields[..] {
        [_, length, "linear", _, start, ..] => Some((start.parse().ok()?, length.parse().ok()?)),
        _ => None,
    }
}

/// Changes the maps to match a table.
///
/// # Errors
/// If nothing succeeds for some time, with the last failure, or if the maps never are as requested.
pub fn update(disk: &Path, wanted: &Extents) -> anyhow::Result<()> {
    let mut progress = Instant::now();
    let mut rounds = 0;
    while rounds < MAX_ROUNDS {
        match apply_steps(disk, wanted) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                rounds += 1;
                progress = Instant::now();
            }
            Err(error) if progress.elapsed() >= TIMEOUT => return Err(error),
            Err(_) => sleep(Duration::from_millis(200)),
        }
    }
    bail!("the maps of {} keep changing", disk.display());
}

/// Applies all steps once; true if there were none.
fn apply_steps(disk: &Path, wanted: &Extents) -> anyhow::Result<bool> {
    let steps = steps(&extents(disk)?, wanted);
    let maps = list(disk)?;
    for step in &steps {
        apply_step(disk, &maps, step)?;
    }
    Ok(steps.is_empty())
}

fn apply_step(
    disk: &Path,
    maps: &BTreeMap<u32, Map>,
    step: &PartitionUpdate,
) -> anyhow::Result<()> {
    let (start, length) = step.extent;
    let device = BlockDevice::of_node(disk);
    let numbers = device
        .attribute("dev")
        .with_context(|| format!("{} is gone", disk.display()))?;
    let table = format!("0 {length} linear {numbers} {start}");
    let name = match maps.get(&step.number) {
        Some(map) => map.name.clone(),
        None => new_name(disk, maps, step.number),
    };
    match step.call {
        PartitionCall::Remove => dmsetup(["remove", &name]),
        PartitionCall::Resize => {
            dmsetup(["reload", &name, "--table", &table])?;
            dmsetup(["resume", &name])
        }
        PartitionCall::Add => {
            let uuid = format!("part{}-{}", step.number, parent_id(&device, &numbers));
            dmsetup(["create", &name, "--uuid", &uuid, "--table", &table])
        }
    }
}

fn dmsetup<const N: usize>(arguments: [&str; N]) -> anyhow::Result<()> {
    Command::new("dmsetup")
        .args(arguments)
        .within(COMMAND_TIMEOUT)
        .run()
        .map(drop)
}

/// What kpartx puts after `partN-`: the uuid of the disk, or a name for a disk that has none.
fn parent_id(disk: &BlockDevice, numbers: &str) -> String {
    disk.attribute("dm/uuid")
        .unwrap_or_else(|| format!("devnode_{numbers}_Wh5pYvM"))
}

/// A name like those of the other partitions; with `p` and the number if there are no others.
fn new_name(disk: &Path, maps: &BTreeMap<u32, Map>, number: u32) -> String {
    let parent = name_of(disk).unwrap_or_default();
    let delimiter = maps.iter().find_map(|(number, map)| {
        let rest = map.name.strip_prefix(&parent)?;
        rest.strip_suffix(&number.to_string())
    });
    format!("{parent}{}{number}", delimiter.unwrap_or("p"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_partitions_are_recognized_by_their_uuid() {
        assert_eq!(partition_number("part12-mpath-360a"), Some(12));
        for other in ["mpath-360a", "LVM-x", "part-x", "partx-y", "part3"] {
            assert_eq!(partition_number(other), None, "{other}");
        }
    }

    #[test]
    fn only_linear_maps_are_partitions() {
        let table = "0 65536 linear 253:0 2048\n";
        assert_eq!(parse_linear(table), Some((2048, 65536)));
        for other in ["0 8 crypt aes - 0 253:0 0", "0 8 linear 253:0", ""] {
            assert_eq!(parse_linear(other), None, "{other}");
        }
    }
}
