//! Partition tables that are damaged, too small for their disk, to be wiped, or hostile.

use super::disk::{
    DISK, MIB, blank, disk, entry, observed, plan_partitions, plan_storage, refused,
};
use kindling::disk::gpt::{Entry, GuidChoice, TableFacts};
use kindling::facts::DiskFacts;

#[test]
fn overlapping_partitions_are_never_written_again() {
    let mut facts = disk();
    if let TableFacts::Gpt { table, .. } = &mut facts.table
        && let Some(second) = table.entries.get_mut(&2)
    {
        second.start -= MIB;
    }
    assert!(plan_partitions(r#"{"number": 5}"#, facts.clone()).nothing_to_do());
    assert_eq!(
        refused(facts),
        "its partitions 1 (sectors 2048 to 206847) and 2 (sectors 204800 to 614399) overlap"
    );
}

#[test]
fn tables_that_cannot_be_read_need_a_wipe() {
    for (table, cause) in [
        (
            TableFacts::Foreign("dos".into()),
            "it has a partition table of type dos, not gpt",
        ),
        (
            TableFacts::Corrupt("checksum".into()),
            "its GPT is damaged beyond use (checksum)",
        ),
    ] {
        let facts = DiskFacts { table, ..blank() };
        let planned = plan_partitions(r#"{"number": 1}"#, facts.clone());
        assert_eq!(planned.refusals[0].cause, cause);
        let wipe = format!(
            "{{\"disks\": [{{\"device\": \"{DISK}\", \"wipeTable\": true, \"partitions\": [{{\"number\": 1}}]}}]}}"
        );
        let planned = plan_storage(&wipe, &observed(facts));
        assert!(planned.write().wipe);
        assert_eq!(planned.layout(), [(1, 1, 1022)]);
        assert_eq!(planned.destroys().len(), 1, "{:?}", planned.destroys());
    }
}

#[test]
fn a_wipe_happens_on_every_run_and_forgets_what_was_there() {
    let wipe = format!(
        "{{\"disks\": [{{\"device\": \"{DISK}\", \"wipeTable\": true, \"partitions\": [{{\"number\": 1, \"label\": \"a\", \"sizeMiB\": 100}}]}}]}}"
    );
    let planned = plan_storage(&wipe, &observed(disk()));
    assert_eq!(planned.layout(), [(1, 1, 100)]);
    assert_eq!(planned.write().table.entries[&1].guid, GuidChoice::Random);
    assert_eq!(planned.destroys().len(), 4, "{:?}", planned.destroys());
}

#[test]
fn a_grown_disk_is_used_to_its_end() {
    let grown = DiskFacts {
        sectors: 2048 * MIB,
        ..disk()
    };
    let mut grown = grown;
    if let TableFacts::Gpt { table, health } = &mut grown.table {
        table.sectors = 2048 * MIB;
        *health = kindling::disk::gpt::GptHealth::BackupNotAtEnd;
    }
    let planned = plan_partitions(r#"{"number": 5, "sizeMiB": 0, "resize": true}"#, grown);
    assert_eq!(planned.layout()[2], (5, 501, 1546));
}

#[test]
fn a_missing_protective_mbr_is_written_with_the_requested_partitions() {
    let damaged = || {
        let mut damaged = disk();
        if let TableFacts::Gpt { health, .. } = &mut damaged.table {
            *health = kindling::disk::gpt::GptHealth::MbrDamaged;
        }
        damaged
    };
    let wanted = r#"{"number": 5}"#;
    let planned = plan_partitions(wanted, damaged());
    assert_eq!(planned.write().table, *disk().table.gpt().expect("a GPT"));
    assert!(planned.destroys().is_empty(), "{:?}", planned.destroys());
}

#[test]
fn hostile_tables_and_requests_never_panic() {
    let mut seed = 0xDEAD_BEEF_1234_5678_u64;
    let mut random = |limit: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % limit
    };
    for _ in 0..300 {
        let mut facts = disk();
        if let TableFacts::Gpt { table, .. } = &mut facts.table {
            for number in 1..=random(5) as u32 {
                let huge = random(4) == 0;
                let limit = if huge { u64::MAX } else { 1024 * MIB };
                let place = Entry {
                    start: random(limit),
                    sectors: random(limit),
                    ..entry(1, 1, "x")
                };
                table.entries.insert(number, place);
            }
        }
        let value = |n: u64| match n % 5 {
            0 => "0".to_owned(),
            1 => "-1".to_owned(),
            2 => i64::MAX.to_string(),
            _ => (n % 1200).to_string(),
        };
        let partition = format!(
            r#"{{"number": {}, "label": "x", "startMiB": {}, "sizeMiB": {}, "resize": {}, "wipePartitionEntry": {}}}, {{"label": "y"}}"#,
            random(12),
            value(random(u64::MAX)),
            value(random(u64::MAX)),
            random(2) == 0,
            random(2) == 0,
        );
        let planned = plan_partitions(&partition, facts);
        assert!(
            !planned.operations.is_empty() || !planned.refusals.is_empty(),
            "{partition}"
        );
    }
}
