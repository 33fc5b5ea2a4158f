//! A range of sectors on a disk.

/// A range of sectors on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First sector.
    pub start: u64,
    /// Length in sectors.
    pub sectors: u64,
}

impl Extent {
    /// Last sector.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.sectors.saturating_sub(1))
    }
}
