//! The kernel's view of the partitions of a disk, updated one partition at a time so that partitions in use are left
//! alone.

use super::block::{BlockDevice, SYSFS_UNIT_BYTES};
use super::partition_update::{Extents, PartitionUpdate, steps};
use super::sys::{PartitionCall, update_partition};
use super::{open_by, partition_maps};
use crate::disk::gpt::Table;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a partition may stay busy: udev probes partitions that have just been added.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The partitions of a disk as the kernel knows them; the maps of a device-mapper disk.
///
/// # Errors
/// If sysfs cannot be read, or `dmsetup` fails.
pub fn kernel_extents(node: &Path) -> anyhow::Result<Extents> {
    if partition_maps::name_of(node).is_some() {
        return partition_maps::extents(node);
    }
    let partitions = kernel_partitions(node)?.into_iter();
    let extent = |partition: &BlockDevice| -> anyhow::Result<_> {
        Ok((partition.number("start")?, partition.number("size")?))
    };
    partitions
        .map(|(number, partition)| Ok((number, extent(&partition)?)))
        .collect()
}

/// Checks, before anything is written, that no partition that would change is in use.
///
/// # Errors
/// If one is in use; the message names it and its user.
pub fn check_idle(node: &Path, table: Option<&Table>) -> anyhow::Result<()> {
    let steps = steps(&kernel_extents(node)?, &table_extents(table));
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
    let found = kernel_partitions(disk)?.remove(&number);
    Ok(found.map(|partition| partition.node()))
}

/// Updates the kernel's view and verifies the result. `table` is `None` for a disk without one.
///
/// # Errors
/// If a partition that must change is in use, or the kernel's view still differs afterwards.
pub fn update(disk: &File, node: &Path, table: Option<&Table>) -> anyhow::Result<()> {
    let wanted = table_extents(table);
    if partition_maps::name_of(node).is_some() {
        return partition_maps::update(node, &wanted);
    }
    for step in steps(&kernel_extents(node)?, &wanted) {
        apply_step(disk, node, &step)?;
    }
    let seen = kernel_extents(node)?;
    if seen != wanted {
        bail!(
            "the partitions of {} in the kernel differ from those written: {seen:?} instead of {wanted:?} \
             (number: start, length in units of 512 bytes)",
            node.display()
        );
    }
    Ok(())
}

/// Applies one step. If the partition is busy, this is retried for a while.
fn apply_step(disk: &File, node: &Path, step: &PartitionUpdate) -> anyhow::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    let (start, length) = (
        step.extent.0 * SYSFS_UNIT_BYTES,
        step.extent.1 * SYSFS_UNIT_BYTES,
    );
    loop {
        let result = update_partition(disk, step.call, step.number, start, length);
        match result {
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
        Ok(Some(partition)) => open_by::programs(&partition),
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
pub fn table_extents(table: Option<&Table>) -> Extents {
    let Some(table) = table else {
        return Extents::new();
    };
    let units = u64::from(table.sector_bytes) / SYSFS_UNIT_BYTES;
    let extent = |start: u64, sectors: u64| (start * units, sectors * units);
    let entries = table.entries.iter();
    entries
        .map(|(number, entry)| (*number, extent(entry.start, entry.sectors)))
        .collect()
}

/// The partitions that the kernel knows on a disk, by number.
pub fn kernel_partitions(disk: &Path) -> anyhow::Result<BTreeMap<u32, BlockDevice>> {
    let partitions = BlockDevice::of_node(disk).partitions()?;
    let numbered = partitions.into_iter().map(|partition| {
        let number = u32::try_from(partition.number("partition")?);
        Ok((
            number.context("a partition number out of range")?,
            partition,
        ))
    });
    numbered.collect()
}
