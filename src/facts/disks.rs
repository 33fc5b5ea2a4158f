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
    /// Lasting links to the node (`/dev/disk/by-id/...`).
    pub links: Vec<String>,
    /// Its name as a device-mapper map (multipath), if it is one.
    pub map: Option<String>,
    /// The disk it is a partition of, if it is not a disk at all.
    pub partition_of: Option<String>,
    /// The kernel lets nobody write to it.
    pub read_only: bool,
    /// Partitions the kernel knows (or maps): start and length in units of 512 bytes. `None` where no
    /// kernel looks, as in an image.
    pub kernel_view: Option<BTreeMap<u32, (u64, u64)>>,
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
    /// A partition table on it, in words; none is looked for beside a superblock.
    pub table: Option<String>,
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
