//! Rotational disks below a block device.

use crate::host::block::BlockDevice;
use std::path::Path;

/// Nodes of the rotational disks below a device, given by its real node.
pub(super) fn of(node: &Path) -> Vec<String> {
    let mut found = Vec::new();
    collect(BlockDevice::of_node(node), &mut found);
    found.sort();
    found.dedup();
    found
}

/// Attributes that cannot be read count as not rotational: only speed depends on it.
fn collect(device: BlockDevice, found: &mut Vec<String>) {
    let disk = device.disk_of_partition().unwrap_or(device);
    let slaves = disk.slaves().unwrap_or_default();
    let is_lowest = slaves.is_empty();
    for slave in slaves {
        collect(slave, found);
    }
    let is_rotational = disk.attribute("queue/rotational").as_deref() == Some("1");
    if is_lowest && reports_rotation(&disk.name()) && is_rotational {
        found.push(disk.node().display().to_string());
    }
}

/// The SCSI layer asks drives whether they rotate. Drivers that cannot know, such as virtio's, leave the flag at its
/// initial value, which means rotational.
fn reports_rotation(disk: &str) -> bool {
    disk.starts_with("sd")
}
