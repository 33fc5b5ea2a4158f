//! Facts about disks and block devices.

use crate::disk::gpt::Table;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One whole disk.
#[derive(Debug, Clone, Default)]
pub struct DiskFacts {
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

/// What kind of partition table a disk carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum TableFacts {
    /// None: blank, or a file system on the whole disk.
    #[default]
    None,
    /// A GPT, possibly damaged.
    Gpt {
        /// Its entries.
        table: Table,
        /// Which copies are sound.
        health: GptHealth,
    },
    /// Another kind (`dos`, ...): never touched without `wipeTable`.
    Foreign(String),
    /// Signs of a GPT but neither copy is readable; the text says why.
    Corrupt(String),
}

/// Soundness of the two copies of a GPT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GptHealth {
    /// Both copies agree and the backup sits at the end of the disk.
    #[default]
    Sound,
    /// Primary damaged, backup used.
    PrimaryDamaged,
    /// Backup damaged or missing, primary used.
    BackupDamaged,
    /// The disk grew: the backup is not at its end.
    BackupNotAtEnd,
}

/// What a superblock probe found on a device; all empty when blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuperblockFacts {
    /// blkid type name (`ext4`, `xfs`, `btrfs`, `vfat`, `swap`, `crypto_LUKS`, `linux_raid_member`, ...).
    pub kind: Option<String>,
    /// Label.
    pub label: Option<String>,
    /// UUID as blkid prints it.
    pub uuid: Option<String>,
    /// More signatures found at the same time, by type name.
    pub also: Vec<String>,
    /// The file system was not unmounted cleanly: its journal needs replay.
    pub needs_recovery: bool,
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
}
