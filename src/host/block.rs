//! Block devices as the kernel shows them in sysfs: which there are, and how they are stacked.

use anyhow::Context;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Has an entry for every block device, partitions included.
pub const BLOCK_DEVICES: &str = "/sys/class/block";
/// Links to devices by the labels of their file systems, created by udev.
pub const BY_LABEL: &str = "/dev/disk/by-label";
/// Unit of sizes and positions in sysfs, whatever the sector size of a disk is.
pub const SYSFS_UNIT_BYTES: u64 = 512;

/// One block device, by its directory in sysfs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockDevice {
    directory: PathBuf,
}

impl BlockDevice {
    /// The device with this name, e.g. `sda1`. It may not exist; then it has no attributes.
    pub fn named(name: &str) -> Self {
        let directory = Path::new(BLOCK_DEVICES).join(name);
        Self { directory }
    }

    /// The device with this node, which must not be a link: `/dev/sda1`.
    pub fn of_node(node: &Path) -> Self {
        let below = node.strip_prefix("/dev").unwrap_or(node);
        Self::named(&below.to_string_lossy().replace('/', "!"))
    }

    /// The device with this number, `MAJOR:MINOR`, if there is one.
    pub fn with_number(number: &str) -> Option<Self> {
        let link = fs::read_link(Path::new("/sys/dev/block").join(number)).ok()?;
        let name = link.file_name()?.to_string_lossy();
        Some(Self::named(&name))
    }

    /// Its name in the kernel.
    pub fn name(&self) -> String {
        let name = self.directory.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its node. A slash in the name of a node is an exclamation mark in sysfs.
    pub fn node(&self) -> PathBuf {
        Path::new("/dev").join(self.name().replace('!', "/"))
    }

    /// The text of one of its files, without spaces around it; `None` if it is empty or cannot be read.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.directory.join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The number in one of its files.
    ///
    /// # Errors
    /// If the file cannot be read, or does not contain a number; the message names the file.
    pub fn number(&self, name: &str) -> anyhow::Result<u64> {
        let path = self.directory.join(name);
        let act = || format!("cannot read {}", path.display());
        let text = fs::read_to_string(&path).with_context(act)?;
        text.trim().parse().with_context(act)
    }

    /// True if the kernel has this device.
    pub fn exists(&self) -> bool {
        self.directory.exists()
    }

    /// True if sysfs has this file or directory for it.
    pub fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    /// True for a partition of the kernel. Those of a device-mapper disk are maps, see [`super::partition_maps`].
    pub fn is_partition(&self) -> bool {
        self.has("partition")
    }

    /// The disk that a partition belongs to; `None` for other devices.
    pub fn disk_of_partition(&self) -> Option<Self> {
        if !self.is_partition() {
            return None;
        }
        let directory = self.directory.canonicalize().ok()?;
        let name = directory.parent()?.file_name()?.to_string_lossy();
        Some(Self::named(&name))
    }

    /// Its partitions.
    ///
    /// # Errors
    /// If the device does not exist, or sysfs cannot be read.
    pub fn partitions(&self) -> anyhow::Result<Vec<Self>> {
        let mut found = entries(&self.directory)
            .with_context(|| format!("cannot read {}", self.directory.display()))?;
        found.retain(Self::is_partition);
        Ok(found)
    }

    /// The devices directly on top of it.
    ///
    /// # Errors
    /// If sysfs cannot be read.
    pub fn holders(&self) -> anyhow::Result<Vec<Self>> {
        self.linked("holders")
    }

    /// The devices directly below it, e.g. the members of an array.
    ///
    /// # Errors
    /// If sysfs cannot be read.
    pub fn slaves(&self) -> anyhow::Result<Vec<Self>> {
        self.linked("slaves")
    }

    fn linked(&self, directory: &str) -> anyhow::Result<Vec<Self>> {
        let links = list_in(&self.directory.join(directory))?;
        Ok(links.iter().map(|link| Self::named(&link.name())).collect())
    }
}

/// All block devices, sorted by name; none if sysfs is not mounted.
///
/// # Errors
/// If sysfs cannot be read.
pub fn list() -> anyhow::Result<Vec<BlockDevice>> {
    list_in(Path::new(BLOCK_DEVICES))
}

/// The devices with an entry in a directory, sorted by name; none if the directory does not exist.
fn list_in(directory: &Path) -> anyhow::Result<Vec<BlockDevice>> {
    match entries(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", directory.display())),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<BlockDevice>> {
    let device = |entry: fs::DirEntry| BlockDevice {
        directory: entry.path(),
    };
    let entries = fs::read_dir(directory)?.map(|entry| entry.map(device));
    let mut found: Vec<BlockDevice> = entries.collect::<io::Result<_>>()?;
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_nodes_correspond() {
        for (name, node) in [("sda1", "/dev/sda1"), ("cciss!c0d0p1", "/dev/cciss/c0d0p1")] {
            let device = BlockDevice::named(name);
            assert_eq!(device.node(), Path::new(node));
            assert_eq!(BlockDevice::of_node(Path::new(node)), device);
            assert_eq!(device.name(), name);
        }
    }

    #[test]
    fn partitions_are_listed_with_their_attributes() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["sr0", "sda", "sda/queue", "sda/sda1", "sda/sda1/holders"] {
            fs::create_dir(dir.path().join(name)).expect("created");
        }
        for (name, text) in [
            ("partition", "1\n"),
            ("size", "8\n"),
            ("start", "x\n"),
            ("ro", "\n"),
        ] {
            fs::write(dir.path().join("sda/sda1").join(name), text).expect("written");
        }
        let devices = list_in(dir.path()).expect("readable");
        let nodes: Vec<PathBuf> = devices.iter().map(BlockDevice::node).collect();
        assert_eq!(nodes, [Path::new("/dev/sda"), Path::new("/dev/sr0")]);
        assert!(!devices.iter().any(BlockDevice::is_partition));
        let partitions = devices[0].partitions().expect("readable");
        let [partition] = &partitions[..] else {
            panic!("{partitions:?}")
        };
        assert_eq!(partition.name(), "sda1");
        assert_eq!(partition.number("size").expect("a number"), 8);
        assert_eq!(partition.attribute("partition").as_deref(), Some("1"));
        assert_eq!(partition.attribute("ro"), None);
        assert!(partition.has("ro"));
        assert!(partition.holders().expect("readable").is_empty());
        assert!(partition.slaves().expect("absent").is_empty());
        for (name, cause) in [("start", "invalid digit"), ("absent", "No such file")] {
            let error = partition.number(name).expect_err("no number");
            let error = format!("{error:#}");
            assert!(
                error.contains(&format!("/{name}: ")) && error.contains(cause),
                "{error}"
            );
        }
        assert!(devices[1].partitions().expect("none").is_empty());
        let absent = BlockDevice::named("no-such-device");
        assert!(!absent.exists() && absent.partitions().is_err());
        let nothing = list_in(Path::new("/nowhere")).expect("absent");
        assert!(nothing.is_empty(), "{nothing:?}");
    }
}
