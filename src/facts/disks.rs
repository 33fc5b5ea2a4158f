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
    /// The kernel refuses all writes to it.
    pub read_only: bool,
    /// Partitions the kernel knows (or maps): start and length in units of 512 bytes. `None` if no kernel has read the
    /// table, as with an image.
    pub kernel_view: Option<BTreeMap<u32, (u64, u64)>>,
    /// Logical sector size in bytes: 512 or 4096.
    pub sector_bytes: u32,
    /// Size in logical sectors.
    pub sectors: u64,
    /// The partition table found.
    pub table: TableFacts,
    /// Superblock of the whole disk.
    pub superblock: SuperblockFacts,
    /// Superblocks of existing partitions by number.
    pub partitions: BTreeMap<u32, SuperblockFacts>,
    /// What uses the whole disk directly (mount point, swap, holder), empty when idle.
    pub held_by: Vec<String>,
    /// What uses each partition; idle partitions are absent.
    pub partitions_held_by: BTreeMap<u32, Vec<String>>,
    /// The disk is rotational, so that writing in two places at a time is slow.
    pub rotates: bool,
    /// Superblocks found where planned new partitions will start, by first sector. Wiping a table or deleting a
    /// partition erases no superblock, so a new partition may expose an old one.
    pub leftovers: BTreeMap<u64, SuperblockFacts>,
    /// The image file of the disk, if it is one.
    pub image: Option<ImageFacts>,
}

/// An image file bound to a device name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The file.
    pub path: PathBuf,
    /// Present size in bytes; `None` when it has to be created.
    pub present_bytes: Option<u64>,
    /// Requested size in bytes.
    pub requested_bytes: u64,
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
    /// Description of a partition table on it; not looked for if there is a superblock.
    pub table: Option<String>,
    /// What uses it (mount point, swap, holder), empty when idle.
    pub held_by: Vec<String>,
    /// Path of the node the name leads to (`/dev/md127`).
    pub node: String,
    /// What device mapper reports about it, if it is one of its devices.
    pub mapping: Option<MappingFacts>,
    /// Nodes of the rotational disks it is on.
    pub spindles: Vec<String>,
}

/// A device of device mapper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingFacts {
    /// Its device-mapper UUID, e.g. `CRYPT-LUKS2-<UUID without dashes>-data`.
    pub uuid: String,
    /// Nodes of the devices below it.
    pub lower_nodes: Vec<String>,
}
