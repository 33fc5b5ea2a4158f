//! Names of block devices, as plans refer to them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A block device in a plan. A reference, not a path: the partition may not exist yet, and the
/// disk may be an image file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum DeviceRef {
    /// A whole disk, by the name the config uses.
    Disk {
        /// Device path in the config.
        disk: String,
    },
    /// A partition of a disk.
    Partition {
        /// Device path of the disk in the config.
        disk: String,
        /// Slot number, 1-based.
        number: u32,
    },
    /// A RAID array that the config creates.
    Array {
        /// Its name in the config.
        name: String,
    },
    /// The mapping of an encrypted volume that the config creates.
    Luks {
        /// Its name in the config.
        name: String,
    },
    /// Any other device, by path.
    Path {
        /// Device path in the config.
        path: String,
    },
}

impl DeviceRef {
    /// The disk this device is on, if it is known.
    pub fn disk(&self) -> Option<&str> {
        match self {
            DeviceRef::Disk { disk } | DeviceRef::Partition { disk, .. } => Some(disk),
            _ => None,
        }
    }
}

impl fmt::Display for DeviceRef {
    /// The kernel's naming: `/dev/sda1`, `/dev/nvme0n1p1`, `/dev/md/data`, `/dev/mapper/data`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceRef::Disk { disk } => f.write_str(disk),
            DeviceRef::Partition { disk, number } => f.write_str(&partition_path(disk, *number)),
            DeviceRef::Array { name } if name.starts_with("/dev") => f.write_str(name),
            DeviceRef::Array { name } => write!(f, "/dev/md/{name}"),
            DeviceRef::Luks { name } => write!(f, "/dev/mapper/{name}"),
            DeviceRef::Path { path } => f.write_str(path),
        }
    }
}

/// Path of a partition by its disk's path: `p` separates the number when the disk ends in a digit,
/// `-part` for links below `/dev/disk/`.
pub fn partition_path(disk: &str, number: u32) -> String {
    let separator = if disk.starts_with("/dev/disk/") {
        "-part"
    } else if disk.ends_with(|c: char| c.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{disk}{separator}{number}")
}
