//! GUID partition tables: the table as data, reading and writing it.

mod read;
mod write;

pub use read::read;
pub use write::{WriteError, erase, write};

use super::extent::Extent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A GUID in its text order (`0FC63DAF-8483-4772-8E79-3D69D8477DE4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Guid(pub [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, b) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{b:02X}")?;
        }
        Ok(())
    }
}

impl From<Guid> for String {
    fn from(g: Guid) -> Self {
        g.to_string()
    }
}

impl TryFrom<String> for Guid {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for Guid {
    type Err = String;
    /// 8-4-4-4-12 hex digits, any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let groups: Vec<usize> = text.split('-').map(str::len).collect();
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        if groups != [8, 4, 4, 4, 12] || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!("{text:?} is not a GUID"));
        }
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|e| e.to_string())?;
        }
        Ok(Guid(bytes))
    }
}

/// Where a partition's unique GUID comes from. Plans contain nothing random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GuidChoice {
    /// This one.
    Given(Guid),
    /// Chosen when the table is written.
    Random,
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

impl TableFacts {
    /// The GPT, if there is a readable one.
    pub fn gpt(&self) -> Option<&Table> {
        match self {
            TableFacts::Gpt { table, .. } => Some(table),
            _ => None,
        }
    }
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
    /// Both copies agree, but the protective MBR is missing. The kernel and libblkid see no partitions then.
    MbrDamaged,
}

/// Partition type "Linux file system data", the default.
pub const LINUX_DATA: Guid = Guid([
    0x0F, 0xC6, 0x3D, 0xAF, 0x84, 0x83, 0x47, 0x72, 0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4,
]);

/// Maximum number of slots. UEFI sets no limit; a larger number on a disk is treated as damage, so that a forged header
/// cannot cause unbounded allocation.
pub const MAX_SLOTS: u32 = 4096;

/// Bytes of one slot. Larger entries are legal but unknown in practice.
const ENTRY_BYTES: u64 = 128;

/// A GPT as data; sectors are logical sectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// The disk's own GUID.
    pub disk_guid: GuidChoice,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// Size of the disk in sectors.
    pub sectors: u64,
    /// First sector partitions may use.
    pub first_usable: u64,
    /// Last sector partitions may use.
    pub last_usable: u64,
    /// Number of slots in the table, usually 128.
    pub slots: u32,
    /// Used slots by number, 1-based.
    pub entries: BTreeMap<u32, Entry>,
}

/// One used slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// First sector.
    pub start: u64,
    /// Length in sectors.
    pub sectors: u64,
    /// Type GUID.
    pub type_guid: Guid,
    /// Unique GUID.
    pub guid: GuidChoice,
    /// Name, at most 36 UTF-16 units.
    pub label: String,
    /// Attribute bits.
    pub attributes: u64,
}

impl Table {
    /// An empty table with 128 slots for a disk of that size, `None` if it does not fit.
    pub fn empty(sector_bytes: u32, sectors: u64) -> Option<Self> {
        let array = array_sectors(128, sector_bytes);
        let table = Self {
            disk_guid: GuidChoice::Random,
            sector_bytes,
            sectors,
            first_usable: 2 + array,
            last_usable: last_usable(128, sector_bytes, sectors)?,
            slots: 128,
            entries: BTreeMap::new(),
        };
        (table.first_usable <= table.last_usable).then_some(table)
    }
    /// The same table with the usable range extended to the end of a disk that has grown.
    pub fn extended_to_end(mut self) -> Self {
        if let Some(last) = last_usable(self.slots, self.sector_bytes, self.sectors) {
            self.last_usable = last;
        }
        self
    }
    /// The same table with a GUID from `random` wherever one is still to be chosen.
    pub fn with_guids(mut self, random: &mut dyn FnMut() -> Guid) -> Self {
        let mut choose = |guid: &mut GuidChoice| {
            if *guid == GuidChoice::Random {
                *guid = GuidChoice::Given(random());
            }
        };
        choose(&mut self.disk_guid);
        self.entries.values_mut().for_each(|e| choose(&mut e.guid));
        self
    }
}

impl Entry {
    /// Its sectors.
    pub fn extent(&self) -> Extent {
        Extent {
            start: self.start,
            sectors: self.sectors,
        }
    }
    /// Last sector.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.sectors.saturating_sub(1))
    }
}

/// Number of sectors that the array of slots takes.
fn array_sectors(slots: u32, sector_bytes: u32) -> u64 {
    (u64::from(slots) * ENTRY_BYTES).div_ceil(u64::from(sector_bytes.max(512)))
}

/// Last usable sector when array and header of the backup sit at the end of the disk.
fn last_usable(slots: u32, sector_bytes: u32, sectors: u64) -> Option<u64> {
    sectors.checked_sub(array_sectors(slots, sector_bytes) + 2)
}

/// GUIDs on disk have their first three groups in little-endian order.
fn swap_guid(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}
