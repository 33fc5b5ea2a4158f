//! Where a new partition goes: the rules of sgdisk 1.0.9, computed in memory.

use super::extent::Extent;
use super::gpt::Table;
use std::collections::BTreeMap;

/// The occupied space of a disk while partitions are deleted and created in a plan.
#[derive(Debug, Clone)]
pub struct Layout {
    first_usable: u64,
    last_usable: u64,
    /// Starts of new partitions are moved to multiples of this many sectors where possible.
    pub alignment: u64,
    /// First and last sector by slot.
    used: BTreeMap<u32, (u64, u64)>,
}

/// What is requested; `None` = chosen by the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRequest {
    /// First sector; `None` = first aligned sector of the largest free block.
    pub start: Option<u64>,
    /// Length; `None` = up to the end of the free block.
    pub sectors: Option<u64>,
    /// Move the start to an aligned sector where possible.
    pub align: bool,
}

/// Why a partition cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacementError {
    /// No free sector at all.
    Full,
    /// The start is outside the usable range.
    OutsideDisk {
        /// Where it should start.
        start: u64,
        /// First usable sector.
        first: u64,
        /// Last usable sector.
        last: u64,
    },
    /// The start is in another partition.
    Occupied {
        /// Where it should start.
        start: u64,
        /// Slot of the partition there.
        by: u32,
    },
    /// The free block is too small.
    TooLarge {
        /// Where it should start.
        start: u64,
        /// Sectors requested.
        requested: u64,
        /// Free sectors from there on.
        free: u64,
        /// Slot of the partition after the free block.
        next: Option<u32>,
    },
    /// The slot is taken.
    SlotTaken,
}

/// From this size on, sgdisk never aligns to less than 4096 bytes.
const LARGE_DISK_SECTORS: u64 = 585_937_500;

impl Layout {
    /// The layout of a table, aligned as sgdisk would align new partitions of it.
    pub fn of(table: &Table) -> Self {
        let used: BTreeMap<u32, (u64, u64)> = table
            .entries
            .iter()
            .map(|(number, entry)| (*number, (entry.start, entry.end())))
            .collect();
        Self {
            first_usable: table.first_usable,
            last_usable: table.last_usable,
            alignment: alignment(table),
            used,
        }
    }
    /// Frees a slot.
    pub fn delete(&mut self, number: u32) {
        self.used.remove(&number);
    }
    /// Places a partition and occupies its sectors.
    pub fn create(
        &mut self,
        number: u32,
        request: PartitionRequest,
    ) -> Result<Extent, PlacementError> {
        if self.used.contains_key(&number) {
            return Err(PlacementError::SlotTaken);
        }
        let mut start = match request.start {
            Some(start) => start,
            None => self.align(self.start_of_largest_block().ok_or(PlacementError::Full)?),
        };
        if request.align {
            start = self.align(start);
        }
        let extent = self.fit(start, request.sectors)?;
        self.used.insert(number, (extent.start, extent.end()));
        Ok(extent)
    }
    /// The largest free block.
    pub fn largest_block(&self) -> Option<Extent> {
        let start = self.start_of_largest_block()?;
        Some(Extent {
            start,
            sectors: self.last_free_from(start) - start + 1,
        })
    }

    fn fit(&self, start: u64, sectors: Option<u64>) -> Result<Extent, PlacementError> {
        if start < self.first_usable || start > self.last_usable {
            return Err(PlacementError::OutsideDisk {
                start,
                first: self.first_usable,
                last: self.last_usable,
            });
        }
        if let Some(by) = self.occupant(start) {
            return Err(PlacementError::Occupied { start, by });
        }
        let free = self.last_free_from(start) - start + 1;
        match sectors.unwrap_or(free) {
            requested if requested > free => Err(PlacementError::TooLarge {
                start,
                requested,
                free,
                next: self.occupant(start + free),
            }),
            sectors => Ok(Extent { start, sectors }),
        }
    }
    fn occupant(&self, sector: u64) -> Option<u32> {
        self.used
            .iter()
            .find(|(_, (first, last))| (*first..=*last).contains(&sector))
            .map(|(number, _)| *number)
    }
    fn is_free(&self, sector: u64) -> bool {
        (self.first_usable..=self.last_usable).contains(&sector) && self.occupant(sector).is_none()
    }
    /// Last sector before the next partition or the end of the disk; `start` itself is free.
    fn last_free_from(&self, start: u64) -> u64 {
        self.used
            .values()
            .map(|(first, _)| *first)
            .filter(|first| *first > start)
            .map(|first| first - 1)
            .fold(self.last_usable, u64::min)
    }
    /// First sector of the largest free block, not aligned yet; of equally large ones, the first.
    fn start_of_largest_block(&self) -> Option<u64> {
        let after_partitions = self.used.values().map(|(_, last)| last.saturating_add(1));
        let mut starts: Vec<u64> = std::iter::once(self.first_usable)
            .chain(after_partitions)
            .filter(|start| self.is_free(*start))
            .collect();
        starts.sort_unstable();
        starts
            .into_iter()
            .map(|start| (self.last_free_from(start) - start, start))
            .fold(None, |best, (length, start)| match best {
                Some((most, _)) if length <= most => best,
                _ => Some((length, start)),
            })
            .map(|(_, start)| start)
    }
    /// The nearest multiple of the alignment that only free sectors separate from `start`: the one before it if there
    /// is one, else the one after it, else `start` itself.
    fn align(&self, start: u64) -> u64 {
        if start.is_multiple_of(self.alignment) {
            return start;
        }
        let earlier = start - start % self.alignment;
        if earlier >= self.first_usable && self.is_free_between(earlier, start) {
            return earlier;
        }
        match start.checked_add(self.alignment - start % self.alignment) {
            Some(later) if later <= self.last_usable && self.is_free_between(start, later) => later,
            _ => start,
        }
    }
    /// True if no sector of `from..=to` belongs to a partition.
    fn is_free_between(&self, from: u64, to: u64) -> bool {
        self.used
            .values()
            .all(|(first, last)| *last < from || *first > to)
    }
}

/// The largest power of two, at most 1 MiB, that all existing partitions are aligned to.
fn alignment(table: &Table) -> u64 {
    let default = (1024 * 1024 / u64::from(table.sector_bytes.max(512))).max(1);
    let present = table
        .entries
        .values()
        .map(|entry| {
            1_u64
                .checked_shl(entry.start.trailing_zeros())
                .unwrap_or(default)
        })
        .fold(default, u64::min);
    if table.sectors >= LARGE_DISK_SECTORS {
        present.max(8)
    } else {
        present
    }
}
