//! What the fuzz targets do with an input. `tests/pure/fuzz_corpus.rs` does the same with the inputs kept in `corpus/`,
//! so that every `cargo test` covers what fuzzing has found.
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

/// More than any valid table needs: the two arrays of the largest accepted table, read for both copies.
const MAX_GPT_READ_BYTES: u64 = 4 << 20;

/// More than any valid superblock needs; a chain of FAT clusters takes the most.
const MAX_PROBE_READ_BYTES: u64 = 64 << 20;

/// Reads a table, adds partitions, writes it back and reads it again. Returns what was read first.
pub fn gpt(input: &[u8]) -> TableFacts {
    let Some(input) = Input::parse(input) else {
        return TableFacts::None;
    };
    let mut disk = input.disk();
    if input.fixes_primary() {
        checksum::fix_checksums(&mut disk, input.sector_bytes, 1);
    }
    if input.fixes_backup() {
        checksum::fix_checksums(&mut disk, input.sector_bytes, input.sectors - 1);
    }
    let sectors = input.reported_sectors();
    let facts = gpt::read(&mut disk, input.sector_bytes, sectors).expect("memory does not fail");
    assert!(
        disk.bytes_read <= MAX_GPT_READ_BYTES,
        "{} bytes were read",
        disk.bytes_read
    );
    if let Some(table) = facts.gpt() {
        check_placement(table, &input);
        if sectors == input.sectors {
            check_round_trip(&mut disk, table.clone().extended_to_end());
        }
    }
    facts
}

/// For any table, a new partition is in the usable range and does not overlap others.
fn check_placement(table: &Table, input: &Input) {
    let mut layout = Layout::of(table);
    let requested = u64::from(input.extra);
    let requests = [
        (None, None),
        (Some(requested), None),
        (None, Some(requested)),
        (Some(requested.rotate_left(40)), Some(requested)),
    ];
    for (number, (start, sectors)) in (5000..).zip(requests) {
        let request = PartitionRequest {
            start,
            sectors,
            align: requested % 2 == 0,
        };
        let Ok(extent) = layout.create(number, request) else {
            continue;
        };
        assert!(extent.start >= table.first_usable && extent.end() <= table.last_usable);
        for (other, entry) in &table.entries {
            let is_disjoint = extent.end() < entry.start || extent.start > entry.end();
            assert!(
                is_disjoint,
                "{extent:?} overlaps partition {other}: {entry:?}"
            );
        }
        layout.delete(number);
    }
}

/// A table is either refused on writing or read back unchanged.
fn check_round_trip(disk: &mut Disk, table: Table) {
    if gpt::write(disk, &table, &mut |_| Ok(())).is_err() {
        return;
    }
    let reread = gpt::read(disk, table.sector_bytes, table.sectors).expect("memory does not fail");
    let health = GptHealth::Sound;
    assert_eq!(reread, TableFacts::Gpt { table, health });
}

/// Probes the whole disk, and the part after the input's extra number of sectors. Returns both superblocks.
pub fn probe(input: &[u8]) -> [Superblock; 2] {
    let Some(input) = Input::parse(input) else {
        return Default::default();
    };
    let mut disk = input.disk();
    let start = u64::from(input.extra) * u64::from(input.sector_bytes);
    let mut part = disk.part_from(start);
    [probe_disk(&mut disk), probe_disk(&mut part)]
}

fn probe_disk(disk: &mut Disk) -> Superblock {
    let found = superblock::probe(disk).expect("memory does not fail");
    assert!(
        disk.bytes_read <= MAX_PROBE_READ_BYTES,
        "{} bytes were read",
        disk.bytes_read
    );
    let is_short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= 4096);
    assert!(is_short(&found.label) && is_short(&found.uuid));
    assert_eq!(found.kind.is_none(), found.describe().is_none());
    found
}
