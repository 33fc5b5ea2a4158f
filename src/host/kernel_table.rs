//! The kernel's own idea of the partitions of a disk, brought into line one partition at a time, so
//! that partitions in use are left alone.

use super::partition_update::{Extents, PartitionUpdate, steps};
use super::sys::{PartitionCall, tell_partition};
use super::{open_by, partition_maps};
use crate::disk::gpt::Table;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The unit of sysfs, whatever the disk's sectors are.
const UNIT_BYTES: u64 = 512;

/// How long a partition may stay busy: udev looks at what it just heard of.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The partitions the kernel knows on a disk; the maps of a device-mapper disk.
///
/// # Errors
/// sysfs cannot be read, or `dmsetup` fails.
pub fn seen(node: &Path) -> anyhow::Result<Extents> {
    if partition_maps::name_of(node).is_some() {
        return partition_maps::extents(node);
    }
    let partitions = present(&class_of(node)?)?;
    Ok(partitions
        .into_iter()
        .map(|(number, partition)| (number, partition.extent))
        .collect())
}

/// Makes sure, before anything is written, that no partition is in use that would change.
///
/// # Errors
/// One is; it is named, and who uses it.
pub fn check_idle(node: &Path, table: Option<&Table>) -> anyhow::Result<()> {
    let steps = steps(&seen(node)?, &wanted(table));
    for step in steps.iter().filter(|s| s.call != PartitionCall::Add) {
        if let Some(partition) = node_of(node, step.number)? {
            open_by::wait_until_idle(&partition).with_context(|| {
                format!(
                    "partition {} of {} would change; nothing was written",
                    step.number,
                    node.display()
                )
            })?;
        }
    }
    Ok(())
}

fn node_of(disk: &Path, number: u32) -> anyhow::Result<Option<PathBuf>> {
    if partition_maps::name_of(disk).is_some() {
        return partition_maps::node_of(disk, number);
    }
    let found = present(&class_of(disk)?)?.remove(&number);
    Ok(found.map(|partition| Path::new("/dev").join(partition.device)))
}

/// Tells the kernel what changed and checks that it took it. `table` is `None` for a disk without one.
///
/// # Errors
/// A partition that must change is in use, or the kernel's view differs in the end.
pub fn update(disk: &File, node: &Path, table: Option<&Table>) -> anyhow::Result<()> {
    let wanted = wanted(table);
    if partition_maps::name_of(node).is_some() {
        return partition_maps::update(node, &wanted);
    }
    for step in steps(&seen(node)?, &wanted) {
        tell(disk, node, &step)?;
    }
    let seen = seen(node)?;
    if seen != wanted {
        bail!(
            "the partitions of {} in the kernel differ from those written: {seen:?} instead of {wanted:?} \
             (number: start, length in units of 512 bytes)",
            node.display()
        );
    }
    Ok(())
}

/// Tells one step. A partition that is open for a moment is tried again.
fn tell(disk: &File, node: &Path, step: &PartitionUpdate) -> anyhow::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    let (start, length) = (step.extent.0 * UNIT_BYTES, step.extent.1 * UNIT_BYTES);
    loop {
        let told = tell_partition(disk, step.call, step.number, start, length);
        match told {
            Err(nix::errno::Errno::EBUSY) if Instant::now() < deadline => {
                sleep(Duration::from_millis(20));
            }
            Err(nix::errno::Errno::EBUSY) => bail!(
                "the kernel will not {} partition {} of {}: it is in use{}",
                verb(step.call),
                step.number,
                node.display(),
                users(node, step.number)
            ),
            other => {
                return other.with_context(|| {
                    let (verb, disk) = (verb(step.call), node.display());
                    format!(
                        "the kernel will not {verb} partition {} of {disk}",
                        step.number
                    )
                });
            }
        }
    }
}

fn users(disk: &Path, number: u32) -> String {
    let programs = match node_of(disk, number) {
        Ok(Some(partition)) => open_by::of(&partition),
        _ => Vec::new(),
    };
    match programs.is_empty() {
        true => "; lsblk and lsof may show what uses it".into(),
        false => format!(", open in {}", programs.join(", ")),
    }
}

fn verb(call: PartitionCall) -> &'static str {
    match call {
        PartitionCall::Add => "add",
        PartitionCall::Remove => "remove",
        PartitionCall::Resize => "resize",
    }
}

/// The partitions of a table.
pub fn wanted(table: Option<&Table>) -> Extents {
    let Some(table) = table else {
        return Extents::new();
    };
    let units = u64::from(table.sector_bytes) / UNIT_BYTES;
    let extent = |start: u64, sectors: u64| (start * units, sectors * units);
    let entries = table.entries.iter();
    entries
        .map(|(number, entry)| (*number, extent(entry.start, entry.sectors)))
        .collect()
}

fn class_of(node: &Path) -> anyhow::Result<PathBuf> {
    let name = node
        .file_name()
        .with_context(|| format!("{} has no name", node.display()))?;
    Ok(Path::new("/sys/class/block").join(name))
}

/// A partition the kernel knows.
struct KernelPartition {
    device: String,
    extent: (u64, u64),
}

fn present(class: &Path) -> anyhow::Result<BTreeMap<u32, KernelPartition>> {
    let mut found = BTreeMap::new();
    let entries =
        fs::read_dir(class).with_context(|| format!("cannot read {}", class.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", class.display()))?;
        let path = entry.path();
        if path.join("partition").exists() {
            let number = number_in(&path.join("partition"))?;
            let number = u32::try_from(number).context("a partition number out of range")?;
            let partition = KernelPartition {
                device: entry.file_name().to_string_lossy().into_owned(),
                extent: (
                    number_in(&path.join("start"))?,
                    number_in(&path.join("size"))?,
                ),
            };
            found.insert(number, partition);
        }
    }
    Ok(found)
}

fn number_in(path: &Path) -> anyhow::Result<u64> {
    let act = || format!("cannot read {}", path.display());
    fs::read_to_string(path)
        .with_context(act)?
        .trim()
        .parse()
        .with_context(act)
}
