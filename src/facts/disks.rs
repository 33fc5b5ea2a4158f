//! Facts about disks and block devices.

pub use crate::disk::gpt::{GptHealth, TableFacts};
pub use crate::disk::superblock::Superblock as SuperblockFacts;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One whole disk.
#[derive(Debug, Clone, Default)]
pub struct DiskFacts {
    /// Path of the node the config's name leads to (`/dev/vda`); the name itself for an image.
    pub node: String,
    /// Logical sector size in bytes: 512 or 4096.
    pub sector_bytes: u32,
    /// Size in logical sectors.
    pub sectors: u64,
    /// The partition table found.
    pub table: TableFacts,
    /// Superblock of the whole disk.
    pub whole: SuperblockFacts,
    /// Superblocks of existing partitions by number.
    pub partitions: BTreeMap<u32, SuperblockFacts>,
    /// Who holds the whole disk directly (mount point, swap, holder), empty when idle.
    pub held_by: Vec<String>,
    /// Who holds which partition; idle partitions are absent.
    pub partitions_held_by: BTreeMap<u32, Vec<String>>,
    /// The disk rotates, so that writing in two places at a time is slow.
    pub rotates: bool,
    /// Superblocks found where planned new partitions will start, by first sector. Wiping a table or
    /// deleting a partition erases no superblock, so a new partition may show an old one.
    pub beneath: BTreeMap<u64, SuperblockFacts>,
    /// The image file behind the disk, when it is one.
    pub image: Option<ImageFacts>,
}

/// An image file bound to a device name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The file.
    pub path: PathBuf,
    /// Present size in bytes; `None` when it has to be created.
    pub present_bytes: Option<u64>,
    /// Size it shall have in bytes.
    pub wanted_bytes: u64,
}

/// A device that is not a partition of a bound disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFacts {
    /// True if the device node exists.
    pub exists: bool,
    /// Size in bytes.
    pub bytes: u64,
    /// Its superblock.
    pub superblock: SuperblockFacts,
    /// Who holds it (mount point, swap, holder), empty when idle.
    pub held_by: Vec<String>,
    /// Path of the node the name leads to (`/dev/md127`).
    pub node: String,
    /// What device mapper tells of it, if it is one of its devices.
    pub mapping: Option<MappingFacts>,
    /// Nodes of the rotating disks it lies on.
    pub spindles: Vec<String>,
}

/// A device of device mapper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingFacts {
    /// The name its maker gave it, e.g. `CRYPT-LUKS2-<UUID without dashes>-data`.
    pub id: String,
    /// Nodes of the devices below it.
    pub over: Vec<String>,
}
