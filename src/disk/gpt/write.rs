//! Writing, in an order that leaves a readable table whenever it is interrupted: backup
//! copy, primary copy, protective MBR.

use super::{Entry, GuidChoice, Table, array_sectors, swap_guid};
use gptman::{GPT, GPTHeader, GPTPartitionEntry};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The codec failed.
    #[error(transparent)]
    Codec(#[from] gptman::Error),
    /// A GUID has not been chosen yet.
    #[error("{0} has no GUID yet")]
    OpenGuid(String),
    /// A slot number the table does not have.
    #[error("partition {0} does not fit into a table of {1} slots")]
    Slot(u32, u32),
    /// The disk is not as large as the table says.
    #[error("the disk has {0} sectors, the table was made for {1}")]
    Size(u64, u64),
}

/// Writes both copies of `table` and the protective MBR. Boot code in the MBR is kept, and so are a hybrid MBR and the
/// position of an array of slots that an image builder placed after a boot loader. `flush` is called between the copies
/// so that a crash leaves one of them intact.
pub fn write<D: Read + Write + Seek>(
    disk: &mut D,
    table: &Table,
    flush: &mut dyn FnMut(&mut D) -> io::Result<()>,
) -> Result<(), WriteError> {
    let bytes = u64::from(table.sector_bytes);
    let current = disk.seek(SeekFrom::End(0))? / bytes;
    if current != table.sectors {
        return Err(WriteError::Size(current, table.sectors));
    }
    let entries = raw_entries(table)?;
    let mut primary = header(table, primary_array_lba(disk, table)?)?;
    let mut backup = primary.clone();
    (backup.primary_lba, backup.backup_lba) = (primary.backup_lba, primary.primary_lba);
    backup.partition_entry_lba =
        backup.primary_lba - array_sectors(table.slots, table.sector_bytes);
    backup.write_into(disk, bytes, &entries)?;
    flush(disk)?;
    primary.write_into(disk, bytes, &entries)?;
    flush(disk)?;
    if !has_hybrid_mbr(disk)? {
        GPT::write_protective_mbr_into(disk, bytes)?;
    }
    flush(disk)?;
    Ok(())
}

/// Erases MBR and both copies of a GPT, as `sgdisk --zap-all` does.
pub fn erase(disk: &mut (impl Write + Seek), sector_bytes: u32, sectors: u64) -> io::Result<()> {
    let bytes = u64::from(sector_bytes);
    let edge = (array_sectors(128, sector_bytes) + 2).min(sectors);
    let zeros = vec![0; usize::try_from(edge * bytes).unwrap_or(0)];
    disk.seek(SeekFrom::Start(0))?;
    disk.write_all(&zeros)?;
    disk.seek(SeekFrom::Start((sectors - edge) * bytes))?;
    disk.write_all(&zeros)
}

fn header(table: &Table, array_lba: u64) -> Result<GPTHeader, WriteError> {
    Ok(GPTHeader {
        signature: *b"EFI PART",
        revision: [0, 0, 1, 0],
        header_size: 92,
        crc32_checksum: 0,
        reserved: [0; 4],
        primary_lba: 1,
        backup_lba: table.sectors - 1,
        first_usable_lba: table.first_usable,
        last_usable_lba: table.last_usable,
        disk_guid: raw_guid(table.disk_guid, || "the disk".into())?,
        partition_entry_lba: array_lba,
        number_of_partition_entries: table.slots,
        size_of_partition_entry: 128,
        partition_entry_array_crc32: 0,
    })
}

/// Sector of the primary array: that in a valid header on the disk, else the one after the header.
fn primary_array_lba(disk: &mut (impl Read + Seek), table: &Table) -> io::Result<u64> {
    let array = array_sectors(table.slots, table.sector_bytes);
    disk.seek(SeekFrom::Start(u64::from(table.sector_bytes)))?;
    Ok(GPTHeader::read_from(disk)
        .ok()
        .map(|header| header.partition_entry_lba)
        .filter(|lba| *lba > 2 && lba.saturating_add(array) <= table.first_usable)
        .unwrap_or(2))
}

fn has_hybrid_mbr(disk: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut boot = [0; 512];
    disk.seek(SeekFrom::Start(0))?;
    disk.read_exact(&mut boot)?;
    let types = [0, 1, 2, 3].map(|i| boot[446 + 16 * i + 4]);
    let signed = boot[510..] == [0x55, 0xAA];
    Ok(signed && types.contains(&0xEE) && types.iter().any(|t| !matches!(t, 0 | 0xEE)))
}

fn raw_entries(table: &Table) -> Result<Vec<GPTPartitionEntry>, WriteError> {
    let mut raw = vec![GPTPartitionEntry::empty(); table.slots as usize];
    for (number, entry) in &table.entries {
        let slot = number
            .checked_sub(1)
            .and_then(|index| raw.get_mut(index as usize))
            .ok_or(WriteError::Slot(*number, table.slots))?;
        *slot = raw_entry(*number, entry)?;
    }
    Ok(raw)
}

fn raw_entry(number: u32, entry: &Entry) -> Result<GPTPartitionEntry, WriteError> {
    Ok(GPTPartitionEntry {
        partition_type_guid: swap_guid(entry.type_guid.0),
        unique_partition_guid: raw_guid(entry.guid, || format!("partition {number}"))?,
        starting_lba: entry.start,
        ending_lba: entry.end(),
        attribute_bits: entry.attributes,
        partition_name: entry.label.as_str().into(),
    })
}

fn raw_guid(guid: GuidChoice, whose: impl Fn() -> String) -> Result<[u8; 16], WriteError> {
    match guid {
        GuidChoice::Given(guid) => Ok(swap_guid(guid.0)),
        GuidChoice::Random => Err(WriteError::OpenGuid(whose())),
    }
}
