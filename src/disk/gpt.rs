//! GUID partition tables.

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

/// Where a partition's unique GUID comes from. Plans hold nothing random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GuidChoice {
    /// This one.
    Given(Guid),
    /// Chosen when the table is written.
    Random,
}

/// A GPT as data; sectors are logical sectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
