//! What the fuzz targets do with an input. `tests/pure/fuzz_corpus.rs` does the same with the inputs kept
//! in `corpus/`, so that every `cargo test` goes through what fuzzing has found.
#![allow(
    dead_code,
    reason = "each program that includes this uses a part of it"
)]

mod checksum;
mod disk;

use disk::{Disk, Input};
use kindling::disk::gpt::{self, GptHealth, Table, TableFacts};
use kindling::disk::layout::{Layout, PartitionRequest};
use kindling::disk::superblock::{self, Superblock};

/// More than any honest table needs: the two arrays of the largest table we take, read for both copies.
const GPT_READS_AT_MOST: u64 = 4 << 20;

/// More than any honest superblock needs; a chain of FAT clusters is the longest read.
const PROBE_READS_AT_MOST: u64 = 64 << 20;

/// Reads a table, places partitions in it, writes it back and reads it again. Returns what was read.
pub fn gpt(input: &[u8]) -> TableFacts {
    let Some(input) = Input::parse(input) else {
        return TableFacts::None;
    };
    let mut disk = input.disk();
    if input.mends_primary() {
        checksum::mend(&mut disk, input.sector_bytes, 1);
    }
    if input.mends_backup() {
        checksum::mend(&mut disk, input.sector_bytes, input.sectors - 1);
    }
    let sectors = input.told_sectors();
    let facts = gpt::read(&mut disk, input.sector_bytes, sectors).expect("memory does not fail");
    assert!(
        disk.bytes_read <= GPT_READS_AT_MOST,
        "{} bytes were read",
        disk.bytes_read
    );
    if let Some(table) = facts.gpt() {
        place(table, &input);
        if sectors == input.sectors {
            write_and_read(&mut disk, table.clone().reaching_end());
        }
    }
    facts
}

/// Whatever a table says, a new partition lies in its usable range and on no other one.
fn place(table: &Table, input: &Input) {
    let mut layout = Layout::of(table);
    let wish = u64::from(input.extra);
    let requests = [
        (None, None),
        (Some(wish), None),
        (None, Some(wish)),
        (Some(wish.rotate_left(40)), Some(wish)),
    ];
    for (number, (start, sectors)) in (5000..).zip(requests) {
        let request = PartitionRequest {
            start,
            sectors,
            align: wish % 2 == 0,
        };
        let Ok(extent) = layout.create(number, request) else {
            continue;
        };
        assert!(extent.start >= table.first_usable && extent.end() <= table.last_usable);
        for (other, entry) in &table.entries {
            let apart = extent.end() < entry.start || extent.start > entry.end();
            assert!(apart, "{extent:?} lies on partition {other}: {entry:?}");
        }
        layout.delete(number);
    }
}

/// What is written is either refused or read back as it was.
fn write_and_read(disk: &mut Disk, table: Table) {
    if gpt::write(disk, &table, &mut |_| Ok(())).is_err() {
        return;
    }
    let again = gpt::read(disk, table.sector_bytes, table.sectors).expect("memory does not fail");
    let health = GptHealth::Sound;
    assert_eq!(again, TableFacts::Gpt { table, health });
}

/// Looks for superblocks on the whole disk and on the part behind the input's extra number of sectors.
/// Returns what was found on both.
pub fn probe(input: &[u8]) -> [Superblock; 2] {
    let Some(input) = Input::parse(input) else {
        return Default::default();
    };
    let mut disk = input.disk();
    let start = u64::from(input.extra) * u64::from(input.sector_bytes);
    let mut part = disk.part_from(start);
    [look(&mut disk), look(&mut part)]
}

fn look(disk: &mut Disk) -> Superblock {
    let found = superblock::probe(disk).expect("memory does not fail");
    assert!(
        disk.bytes_read <= PROBE_READS_AT_MOST,
        "{} bytes were read",
        disk.bytes_read
    );
    let is_short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= 4096);
    assert!(is_short(&found.label) && is_short(&found.uuid));
    assert_eq!(found.kind.is_none(), found.describe().is_none());
    found
}
