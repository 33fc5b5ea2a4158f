//! Rotational disks below a block device.

use std::fs;
use std::path::{Path, PathBuf};

/// Nodes of the rotational disks below a device, given by its real node.
pub(super) fn of(node: &Path) -> Vec<String> {
    let name = node.file_name().unwrap_or_default();
    let mut found = Vec::new();
    collect(&Path::new("/sys/class/block").join(name), &mut found);
    found.sort();
    found.dedup();
    found
}

/// Attributes that cannot be read count as not rotational: only speed depends on it.
fn collect(class: &Path, found: &mut Vec<String>) {
    let Ok(device) = class.canonicalize() else {
        return;
    };
    let disk = match device.join("partition").exists() {
        true => device.parent().map(PathBuf::from).unwrap_or_default(),
        false => device,
    };
    let slaves: Vec<PathBuf> = fs::read_dir(disk.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    slaves.iter().for_each(|slave| collect(slave, found));
    let name = disk.file_name().unwrap_or_default().to_string_lossy();
    let rotational = fs::read_to_string(disk.join("queue/rotational")).unwrap_or_default();
    if slaves.is_empty() && reports_rotation(&name) && rotational.trim() == "1" {
        found.push(format!("/dev/{name}"));
    }
}

/// The SCSI layer asks drives whether they rotate. Drivers that cannot know, such as virtio's, leave the flag at its
/// initial value, which means rotational.
fn reports_rotation(disk: &str) -> bool {
    disk.starts_with("sd")
}
