//! Reading: a GPT is recognized by its protective MBR, as in libblkid, or, if there is no MBR of any kind, by both of
//! its copies, as in sgdisk. Hostile bytes give `Corrupt`, never a panic or an allocation of a forged size.

use super::{
    ENTRY_BYTES, Entry, GptHealth, Guid, GuidChoice, MAX_SLOTS, Table, TableFacts, swap_guid,
};
use gptman::{GPTHeader, GPTPartitionEntry};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// Reads the partition table. `sectors` is the size that the disk has, or will have when its image has grown; the
/// backup is searched for at the current end of `disk`. Only I/O failures are errors.
pub fn read(
    disk: &mut (impl Read + Seek),
    sector_bytes: u32,
    sectors: u64,
) -> io::Result<TableFacts> {
    let current = disk.seek(SeekFrom::End(0))? / u64::from(sector_bytes);
    let Some(boot) = read_at(disk, 0, 512)? else {
        return Ok(TableFacts::None);
    };
    let is_protected = has_protective_entry(&boot);
    if !is_protected && let Some(kind) = foreign_table_kind(&boot) {
        return Ok(TableFacts::Foreign(kind.into()));
    }
    let sector_limit = current.max(sectors);
    let primary = read_copy(disk, sector_bytes, 1, sector_limit)?;
    let backup_lba = match &primary {
        Ok(copy) => copy.header.backup_lba,
        Err(_) => current.saturating_sub(1),
    };
    let backup = match read_copy(disk, sector_bytes, backup_lba, sector_limit)? {
        Err(_) if primary.is_err() && sectors < current => {
            read_copy(disk, sector_bytes, sectors.saturating_sub(1), sector_limit)?
        }
        other => other,
    };
    let found = match is_protected {
        true => choose_copy(primary, backup, sectors),
        false => choose_copy_without_mbr(primary, backup),
    };
    Ok(match found {
        Err(why) => TableFacts::Corrupt(why),
        Ok(None) => TableFacts::None,
        Ok(Some((copy, health))) => match copy.into_table(sector_bytes, sectors, sector_limit) {
            Ok(table) => TableFacts::Gpt { table, health },
            Err(why) => TableFacts::Corrupt(why),
        },
    })
}

/// Sector of the first header. Usable sectors begin after it, whatever a backup says: such a table could not be written
/// again.
const PRIMARY_LBA: u64 = 1;

/// The copy to use and the health of the table; `None` if there is no table; an error with the reason if the table is
/// unusable.
type ChosenCopy = Result<Option<(TableCopy, GptHealth)>, String>;

/// Chooses between the two copies.
fn choose_copy(
    primary: Result<TableCopy, String>,
    backup: Result<TableCopy, String>,
    sectors: u64,
) -> ChosenCopy {
    match (primary, backup) {
        (Ok(primary), Ok(backup)) if primary.entries == backup.entries => {
            let at_end = primary.header.backup_lba == sectors.saturating_sub(1);
            let health = if at_end {
                GptHealth::Sound
            } else {
                GptHealth::BackupNotAtEnd
            };
            Ok(Some((primary, health)))
        }
        (Ok(primary), _) => Ok(Some((primary, GptHealth::BackupDamaged))),
        (Err(_), Ok(backup)) => Ok(Some((backup, GptHealth::PrimaryDamaged))),
        (Err(primary), Err(backup)) => Err(format!("primary: {primary}; backup: {backup}")),
    }
}

/// [`choose_copy`] without a protective MBR. Two copies that agree are a table whose first sector was damaged. A
/// primary copy alone is rejected, as in sgdisk. A backup alone is ignored: whatever replaced the primary is newer.
fn choose_copy_without_mbr(
    primary: Result<TableCopy, String>,
    backup: Result<TableCopy, String>,
) -> ChosenCopy {
    match (primary, backup) {
        (Ok(primary), Ok(backup)) if primary.entries == backup.entries => {
            Ok(Some((primary, GptHealth::MbrDamaged)))
        }
        (Ok(_), Ok(_)) => Err("it has no protective MBR, and its two copies differ".into()),
        (Ok(_), Err(backup)) => Err(format!("it has no protective MBR; backup: {backup}")),
        (Err(_), _) => Ok(None),
    }
}

/// One of the two copies of a table.
struct TableCopy {
    header: GPTHeader,
    entries: Vec<GPTPartitionEntry>,
}

impl TableCopy {
    /// `sector_limit` is the number of sectors that the disk has or will have. An entry beyond it would make later
    /// arithmetic overflow; sgdisk shows such a table, but refuses to write it.
    fn into_table(
        self,
        sector_bytes: u32,
        sectors: u64,
        sector_limit: u64,
    ) -> Result<Table, String> {
        let mut table = Table {
            disk_guid: GuidChoice::Given(Guid(swap_guid(self.header.disk_guid))),
            sector_bytes,
            sectors,
            first_usable: self.header.first_usable_lba,
            last_usable: self.header.last_usable_lba,
            slots: self.header.number_of_partition_entries,
            entries: Default::default(),
        };
        for (number, raw) in (1..).zip(&self.entries) {
            if raw.is_used() {
                table
                    .entries
                    .insert(number, decode_entry(number, raw, sector_limit)?);
            }
        }
        Ok(table)
    }
}

fn decode_entry(number: u32, raw: &GPTPartitionEntry, sector_limit: u64) -> Result<Entry, String> {
    if raw.ending_lba >= sector_limit {
        return Err(format!(
            "partition {number} ends at sector {}, the disk has {sector_limit} sectors",
            raw.ending_lba
        ));
    }
    let sectors = raw
        .ending_lba
        .checked_sub(raw.starting_lba)
        .and_then(|n| n.checked_add(1))
        .ok_or_else(|| format!("partition {number} ends before it starts"))?;
    Ok(Entry {
        start: raw.starting_lba,
        sectors,
        type_guid: Guid(swap_guid(raw.partition_type_guid)),
        guid: GuidChoice::Given(Guid(swap_guid(raw.unique_partition_guid))),
        label: raw.partition_name.as_str().to_owned(),
        attributes: raw.attribute_bits,
    })
}

/// Reads the copy whose header is at `lba`. The outer error is an I/O failure, the inner one the reason why the copy is
/// unusable.
fn read_copy(
    disk: &mut (impl Read + Seek),
    sector_bytes: u32,
    lba: u64,
    sectors: u64,
) -> io::Result<Result<TableCopy, String>> {
    let header = match read_header(disk, sector_bytes, lba, sectors)? {
        Ok(header) => header,
        Err(why) => return Ok(Err(why)),
    };
    let bytes = u64::from(header.number_of_partition_entries) * ENTRY_BYTES;
    let offset = header
        .partition_entry_lba
        .checked_mul(u64::from(sector_bytes));
    let Some(mut array) = offset
        .map(|o| read_at(disk, o, bytes))
        .transpose()?
        .flatten()
    else {
        return Ok(Err("the array of partitions lies outside the disk".into()));
    };
    // The array is decoded from memory, where its position is 0. The decoder reads slightly past the slot it decodes.
    array.resize(array.len() + 512, 0);
    let mut in_memory = header.clone();
    in_memory.partition_entry_lba = 0;
    let entries = in_memory.read_partitions(&mut Cursor::new(array), u64::from(sector_bytes));
    Ok(entries
        .map(|entries| TableCopy { header, entries })
        .map_err(|e| e.to_string()))
}

fn read_header(
    disk: &mut (impl Read + Seek),
    sector_bytes: u32,
    lba: u64,
    sectors: u64,
) -> io::Result<Result<GPTHeader, String>> {
    let Some(offset) = lba.checked_mul(u64::from(sector_bytes)) else {
        return Ok(Err("the header lies outside the disk".into()));
    };
    let Some(bytes) = read_at(disk, offset, 512)? else {
        return Ok(Err("the header lies outside the disk".into()));
    };
    Ok(GPTHeader::read_from(&mut Cursor::new(bytes))
        .map_err(|e| e.to_string())
        .and_then(|header| check_header(header, lba, sectors)))
}

/// The checks that libblkid makes in addition to the checksum, and those that keep later arithmetic in bounds.
fn check_header(header: GPTHeader, lba: u64, sectors: u64) -> Result<GPTHeader, String> {
    let (first, last) = (header.first_usable_lba, header.last_usable_lba);
    let slots = header.number_of_partition_entries;
    if header.primary_lba != lba {
        Err(format!(
            "the header at sector {lba} says it is at {}",
            header.primary_lba
        ))
    } else if u64::from(header.size_of_partition_entry) != ENTRY_BYTES {
        Err(format!(
            "its slots have {} bytes; Linux reads slots of {ENTRY_BYTES} only",
            header.size_of_partition_entry
        ))
    } else if slots == 0 || slots > MAX_SLOTS {
        Err(format!("{slots} slots are not plausible"))
    } else if first <= last && last >= sectors {
        Err(format!(
            "it was made for a larger disk: the usable range ends at sector {last}, this disk has {sectors} \
             sectors"
        ))
    } else if first <= PRIMARY_LBA || first > last || (first < lba && lba < last) {
        Err(format!("the usable range {first}..{last} is not plausible"))
    } else {
        Ok(header)
    }
}

fn has_protective_entry(boot: &[u8]) -> bool {
    boot[510..512] == [0x55, 0xAA] && (0..4).any(|i| boot[446 + 16 * i + 4] == 0xEE)
}

/// The kind of a partition table other than GPT, by its first 512 bytes.
fn foreign_table_kind(boot: &[u8]) -> Option<&'static str> {
    let magic = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()] == *bytes;
    if magic(0, b"ER") && u16::from_be_bytes([boot[2], boot[3]]).is_multiple_of(512) && boot[2] != 0
    {
        Some("mac")
    } else if magic(0, &[0x0B, 0xE5, 0xA9, 0x41]) {
        Some("sgi")
    } else if magic(508, &[0xDA, 0xBE]) {
        Some("sun")
    } else if magic(510, &[0x55, 0xAA]) && !is_boot_sector_of_file_system(boot) {
        let flags_ok = (0..4).all(|i| matches!(boot[446 + 16 * i], 0 | 0x80));
        flags_ok.then_some("dos")
    } else {
        None
    }
}

/// The first sector of FAT, exFAT and NTFS ends like an MBR.
fn is_boot_sector_of_file_system(boot: &[u8]) -> bool {
    let named = matches!(&boot[3..11], b"NTFS    " | b"EXFAT   ");
    let sector = u16::from_le_bytes([boot[11], boot[12]]);
    let reserved = u16::from_le_bytes([boot[14], boot[15]]);
    let fat = matches!(boot[0], 0xEB | 0xE9)
        && matches!(sector, 512 | 1024 | 2048 | 4096)
        && boot[13].is_power_of_two()
        && reserved != 0
        && matches!(boot[16], 1 | 2)
        && boot[21] >= 0xF0;
    named || fat
}

/// `bytes` bytes at `offset`, `None` if the disk ends before.
fn read_at(disk: &mut (impl Read + Seek), offset: u64, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    disk.seek(SeekFrom::Start(offset))?;
    let mut buffer = Vec::new();
    disk.take(bytes).read_to_end(&mut buffer)?;
    Ok((buffer.len() as u64 == bytes).then_some(buffer))
}

#[cfg(test)]
mod tests {
    use super::super::{GuidChoice, LINUX_DATA, write};
    use super::*;

    const SECTORS: u64 = 8192;

    /// A disk with two partitions.
    fn disk() -> Vec<u8> {
        let mut table = Table::empty(512, SECTORS).expect("large enough");
        table.disk_guid = GuidChoice::Given(Guid([7; 16]));
        for (number, start) in [(1, 2048), (2, 4096)] {
            let entry = Entry {
                start,
                sectors: 1024,
                type_guid: LINUX_DATA,
                guid: GuidChoice::Given(Guid([number; 16])),
                label: "precious".into(),
                attributes: 0,
            };
            table.entries.insert(number.into(), entry);
        }
        written(&table)
    }

    fn written(table: &Table) -> Vec<u8> {
        let mut disk = Cursor::new(vec![0; table.sectors as usize * 512]);
        write(&mut disk, table, &mut |_| Ok(())).expect("written");
        disk.into_inner()
    }

    fn facts(disk: &[u8]) -> TableFacts {
        read(&mut Cursor::new(disk), 512, SECTORS).expect("memory")
    }

    /// What is found after each of these ranges has been filled with a byte.
    fn facts_after(damage: &[(std::ops::Range<usize>, u8)]) -> TableFacts {
        let mut disk = disk();
        for (range, byte) in damage {
            disk[range.clone()].fill(*byte);
        }
        facts(&disk)
    }

    const PRIMARY: std::ops::Range<usize> = 512..1024;
    const BACKUP: std::ops::Range<usize> = 8191 * 512..8192 * 512;

    #[test]
    fn a_table_without_protective_mbr_is_a_damaged_one() {
        let TableFacts::Gpt { table, .. } = facts(&disk()) else {
            panic!("no table");
        };
        let health = GptHealth::MbrDamaged;
        for damage in [(510..512, 0), (0..512, 0), (0..512, 0xff), (446..510, 0xff)] {
            let table = table.clone();
            assert_eq!(
                facts_after(std::slice::from_ref(&damage)),
                TableFacts::Gpt { table, health },
                "{damage:?}"
            );
        }
        let mut repaired = Cursor::new(disk());
        repaired.get_mut()[510..512].fill(0);
        write(&mut repaired, &table, &mut |_| Ok(())).expect("written");
        let health = GptHealth::Sound;
        assert_eq!(facts(repaired.get_ref()), TableFacts::Gpt { table, health });
    }

    #[test]
    fn one_copy_without_protective_mbr_is_not_used() {
        let is_corrupt =
            |facts| matches!(facts, TableFacts::Corrupt(why) if why.contains("no protective MBR"));
        assert!(is_corrupt(facts_after(&[(0..512, 0), (BACKUP, 0)])));
        assert_eq!(facts_after(&[(0..512, 0), (PRIMARY, 0)]), TableFacts::None);
        assert_eq!(
            facts_after(&[(0..512, 0), (PRIMARY, 0), (BACKUP, 0)]),
            TableFacts::None
        );
        // The type of its only entry is now that of a DOS partition.
        assert_eq!(
            facts_after(&[(450..451, 0x83)]),
            TableFacts::Foreign("dos".into())
        );
    }

    #[test]
    fn entries_beyond_the_disk_make_a_table_corrupt() {
        let TableFacts::Gpt { table, .. } = facts(&disk()) else {
            panic!("no table");
        };
        for (start, sectors) in [(u64::MAX, 1), (4096, SECTORS), (SECTORS, 1)] {
            let mut broken = table.clone();
            if let Some(entry) = broken.entries.get_mut(&2) {
                (entry.start, entry.sectors) = (start, sectors);
            }
            let found = facts(&written(&broken));
            assert!(
                matches!(&found, TableFacts::Corrupt(why) if why.contains("partition 2 ends")),
                "{found:?}"
            );
        }
    }
}
