//! Large disks from small inputs: an input is a list of offsets and the bytes there; everything else is zero.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | bit 0: sectors of 4096 bytes; bits 1 and 2: fix the checksums of the primary and backup GPT; bit 3: report another size to the reader |
//! | 1..5 | size of the disk in sectors |
//! | 5..9 | an extra number, for use by targets |
//! | then, repeated | 1 byte: bit 0 = counted from the end of the disk; 4 bytes: offset; 2 bytes: length; the bytes |

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// A parsed input.
pub struct Input<'a> {
    flags: u8,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// Size of the disk in sectors, at least one.
    pub sectors: u64,
    /// The extra number.
    pub extra: u32,
    patches: &'a [u8],
}

impl<'a> Input<'a> {
    /// Parses an input; `None` if it is too short.
    pub fn parse(input: &'a [u8]) -> Option<Self> {
        let (head, patches) = input.split_at_checked(9)?;
        let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            flags: head[0],
            sector_bytes: if head[0] & 1 == 0 { 512 } else { 4096 },
            sectors: u64::from(number(1)?.max(1)),
            extra: number(5)?,
            patches,
        })
    }
    pub fn fixes_primary(&self) -> bool {
        self.flags & 2 != 0
    }
    pub fn fixes_backup(&self) -> bool {
        self.flags & 4 != 0
    }
    /// The size in sectors to report to a reader, which may differ because images are read before they are grown.
    pub fn reported_sectors(&self) -> u64 {
        match self.flags & 8 == 0 {
            true => self.sectors,
            false => u64::from(self.extra),
        }
    }
    /// The disk that the input describes.
    pub fn disk(&self) -> Disk {
        let mut disk = Disk::blank(self.sectors * u64::from(self.sector_bytes));
        let mut rest = self.patches;
        while let Some((head, following)) = rest.split_at_checked(7) {
            let offset = u64::from(u32::from_le_bytes([head[1], head[2], head[3], head[4]]));
            let length = usize::from(u16::from_le_bytes([head[5], head[6]])).min(following.len());
            let (bytes, next) = following.split_at(length);
            let at = match head[0] & 1 {
                0 => Some(offset),
                _ => disk.bytes.checked_sub(offset),
            };
            if let Some(at) = at {
                disk.put(at, bytes);
            }
            rest = next;
        }
        disk
    }
}

const PAGE: u64 = 4096;

/// A sparse disk in memory.
pub struct Disk {
    bytes: u64,
    pages: BTreeMap<u64, Vec<u8>>,
    at: u64,
    /// Number of bytes read so far.
    pub bytes_read: u64,
}

impl Disk {
    fn blank(bytes: u64) -> Self {
        Self {
            bytes,
            pages: BTreeMap::new(),
            at: 0,
            bytes_read: 0,
        }
    }
    /// The part of the disk from a byte on, as a disk of its own.
    pub fn part_from(&self, start: u64) -> Disk {
        let mut part = Self::blank(self.bytes.saturating_sub(start));
        for (page, bytes) in &self.pages {
            let first = page * PAGE;
            match first.checked_sub(start) {
                Some(at) => part.put(at, bytes),
                None => part.put(0, bytes.get((start - first) as usize..).unwrap_or(&[])),
            };
        }
        part
    }
    /// Writes as many bytes as fit on the disk.
    pub fn put(&mut self, at: u64, bytes: &[u8]) -> usize {
        let fits = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(fits)];
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let start = (at % PAGE) as usize;
            let (now, later) = rest.split_at(rest.len().min(PAGE as usize - start));
            let page = self.pages.entry(at / PAGE);
            let page = page.or_insert_with(|| vec![0; PAGE as usize]);
            page[start..start + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            rest = later;
        }
        bytes.len()
    }
    /// The bytes at an offset; `None` if they extend beyond the disk.
    pub fn get(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        let end = at.checked_add(length as u64)?;
        if end > self.bytes {
            return None;
        }
        let mut bytes = vec![0; length];
        for (page, content) in self.pages.range(at / PAGE..end.div_ceil(PAGE)) {
            let (first, last) = (at.max(page * PAGE), end.min((page + 1) * PAGE));
            let within = |at: u64, base: u64| (at - base) as usize;
            bytes[within(first, at)..within(last, at)]
                .copy_from_slice(&content[within(first, page * PAGE)..within(last, page * PAGE)]);
        }
        Some(bytes)
    }
}

impl Read for Disk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let in_page = (PAGE - self.at % PAGE).min(self.bytes.saturating_sub(self.at));
        let length = buffer.len().min(in_page as usize);
        let start = (self.at % PAGE) as usize;
        match self.pages.get(&(self.at / PAGE)) {
            Some(page) => buffer[..length].copy_from_slice(&page[start..start + length]),
            None => buffer[..length].fill(0),
        }
        self.at += length as u64;
        self.bytes_read += length as u64;
        Ok(length)
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.put(self.at, bytes);
        self.at += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
