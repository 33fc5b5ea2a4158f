//! Sizes of the disks, for configs with sizes in percent.

use crate::host::block::{self, SYSFS_UNIT_BYTES};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Directory of directories with persistent links to disks.
const LINKS: &str = "/dev/disk";

/// Size in bytes of every block device that is not empty, by its node and by every udev link to it.
pub fn sizes() -> Vec<(String, u64)> {
    let devices = block::list().unwrap_or_default();
    let nodes = devices.iter().filter_map(|device| {
        let units = device.number("size").ok()?;
        let bytes = units
            .checked_mul(SYSFS_UNIT_BYTES)
            .filter(|bytes| *bytes > 0)?;
        Some((device.node().to_str()?.to_owned(), bytes))
    });
    let nodes: BTreeMap<String, u64> = nodes.collect();
    let directories = names(Path::new(LINKS));
    let directories = directories
        .iter()
        .map(|directory| Path::new(LINKS).join(directory));
    let links = directories.flat_map(|directory| {
        let links = names(&directory).into_iter();
        links
            .map(move |name| directory.join(name))
            .collect::<Vec<_>>()
    });
    let links = links.filter_map(|link| {
        let node = fs::canonicalize(&link).ok()?;
        let bytes = nodes.get(node.to_str()?)?;
        Some((link.to_str()?.to_owned(), *bytes))
    });
    let links: Vec<(String, u64)> = links.collect();
    nodes.into_iter().chain(links).collect()
}

/// Names in a directory; none if it is not there.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.collect()
}
