//! How large the disks are, for configs with sizes in percent.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The unit of sizes in sysfs, whatever the sectors of a disk are.
const SECTOR_BYTES: u64 = 512;
const BLOCK: &str = "/sys/class/block";
/// Folders with links to disks by what does not change from boot to boot.
const LINKS: &str = "/dev/disk";

/// Bytes of every block device that has any, by its node and by every link to it that udev has made.
pub fn sizes() -> Vec<(String, u64)> {
    let nodes = names(Path::new(BLOCK)).into_iter().filter_map(|name| {
        let text = fs::read_to_string(format!("{BLOCK}/{name}/size")).ok()?;
        let sectors: u64 = text.trim().parse().ok()?;
        let bytes = sectors
            .checked_mul(SECTOR_BYTES)
            .filter(|bytes| *bytes > 0)?;
        // A slash in the name of a device is an exclamation mark in sysfs.
        Some((format!("/dev/{}", name.replace('!', "/")), bytes))
    });
    let nodes: BTreeMap<String, u64> = nodes.collect();
    let folders = names(Path::new(LINKS));
    let folders = folders.iter().map(|folder| Path::new(LINKS).join(folder));
    let links = folders.flat_map(|folder| {
        let links = names(&folder).into_iter();
        links.map(move |name| folder.join(name)).collect::<Vec<_>>()
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
