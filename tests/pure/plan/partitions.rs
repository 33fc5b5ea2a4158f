//! Partitions of a disk: what is left alone, where new ones go, and what a change keeps and destroys.

use super::disk::{
    DISK, MIB, blank, disk, observed, plan_partitions, plan_storage, plan_whole_storage,
};
use kindling::disk::gpt::{Guid, GuidChoice, TableFacts};
use kindling::facts::{DiskFacts, SuperblockFacts};
use kindling::plan::Effect;
use std::collections::BTreeMap;

#[test]
fn matching_partitions_are_left_alone() {
    let cases = [
        r#"{"number": 1}"#,
        r#"{"number": 1, "label": "a", "startMiB": 1, "sizeMiB": 100}"#,
        r#"{"number": 1, "typeGuid": "0fc63daf-8483-4772-8e79-3d69d8477de4"}"#,
        r#"{"number": 1, "guid": "02020202-0202-0202-0202-020202020202"}"#,
        r#"{"number": 1, "wipePartitionEntry": true, "startMiB": 1, "sizeMiB": 100}"#,
        r#"{"number": 7, "shouldExist": false}"#,
        // Identified by its label if there is no number.
        r#"{"label": "c"}"#,
        r#"{"label": "c", "sizeMiB": 100}"#,
        r#"{"number": 5, "label": "c", "sizeMiB": 100, "resize": true}"#,
    ];
    for partition in cases {
        let planned = plan_partitions(partition, disk());
        assert!(
            planned.nothing_to_do(),
            "{partition}: {:#?}",
            planned.refusals
        );
    }
}

#[test]
fn new_partitions_get_number_and_place() {
    let cases: &[(&str, (u32, u64, u64))] = &[
        // The largest free block is after partition 5; its last, unusable MiB is incomplete.
        (r#"{"label": "n"}"#, (3, 601, 422)),
        (r#"{"label": "n", "sizeMiB": 10}"#, (3, 601, 10)),
        (r#"{"number": 9, "sizeMiB": 10}"#, (9, 601, 10)),
        (r#"{"number": 9, "startMiB": 301}"#, (9, 301, 200)),
        (
            r#"{"number": 9, "startMiB": 0, "sizeMiB": 0}"#,
            (9, 601, 422),
        ),
        // No partition with this label is as requested: a second one.
        (r#"{"label": "c", "sizeMiB": 10}"#, (3, 601, 10)),
        // The number of a deleted partition is free again.
        (
            r#"{"number": 1, "shouldExist": false, "wipePartitionEntry": true},
               {"label": "n", "startMiB": 1, "sizeMiB": 50, "wipePartitionEntry": true}"#,
            (1, 1, 50),
        ),
    ];
    for (partition, expected) in cases {
        let planned = plan_partitions(partition, disk());
        assert!(
            planned.layout().contains(expected),
            "{partition}: {:?}",
            planned.layout()
        );
    }
}

#[test]
fn changes_keep_what_they_do_not_change() {
    let planned = plan_partitions(r#"{"number": 5, "sizeMiB": 0, "resize": true}"#, disk());
    let entry = &planned.write().table.entries[&5];
    let old = disk().table.gpt().expect("a GPT").entries[&5].clone();
    assert_eq!((entry.start, entry.sectors / MIB), (501 * MIB, 522));
    assert_eq!(
        (&entry.guid, &entry.label, entry.attributes),
        (&old.guid, &old.label, old.attributes)
    );
    assert_eq!(planned.write().table.entries[&1].attributes, 4);
    assert!(planned.destroys().is_empty(), "{:?}", planned.destroys());
    let words: Vec<&str> = planned
        .write()
        .changes
        .iter()
        .map(|c| c.what.as_str())
        .collect();
    assert_eq!(
        words,
        [
            "not in the config",
            "not in the config",
            "size 100 MiB -> 522.9 MiB"
        ]
    );
}

#[test]
fn losses_are_listed() {
    let cases: &[(&str, &[&str])] = &[
        (
            r#"{"number": 1, "shouldExist": false, "wipePartitionEntry": true}"#,
            &[r#"partition 1 of /dev/vda ("a"): xfs "data", 100 MiB"#],
        ),
        (
            r#"{"number": 5, "startMiB": 500, "wipePartitionEntry": true}"#,
            &[r#"partition 5 of /dev/vda ("c"): no known file system, 100 MiB"#],
        ),
        (
            r#"{"number": 2, "sizeMiB": 20, "resize": true}"#,
            &[r#"partition 2 of /dev/vda ("b"): ext4 "root", 200 MiB"#],
        ),
        (r#"{"number": 2, "resize": true, "sizeMiB": 300}"#, &[]),
        (r#"{"number": 9, "sizeMiB": 20}"#, &[]),
    ];
    for (partition, expected) in cases {
        let planned = plan_partitions(partition, disk());
        planned.write();
        assert_eq!(planned.destroys(), *expected, "{partition}");
    }
}

/// A run chooses places for what the config leaves open; the next one must not choose others because of them.
#[test]
fn places_that_a_run_chose_are_kept_by_the_next() {
    for partitions in [
        r#"{"number": 1, "wipePartitionEntry": true}, {"number": 2, "label": "data", "wipePartitionEntry": true}"#,
        r#"{"number": 1, "wipePartitionEntry": true}, {"number": 2, "label": "twelve-chars"}"#,
        r#"{"number": 3, "sizeMiB": 40, "wipePartitionEntry": true}, {"label": "data", "sizeMiB": 1}"#,
    ] {
        let first = plan_partitions(partitions, blank());
        let mut table = first.write().table.clone();
        for (number, entry) in &mut table.entries {
            entry.guid = GuidChoice::Given(Guid([*number as u8; 16]));
        }
        let places = table
            .entries
            .keys()
            .map(|n| (*n, SuperblockFacts::default()));
        let after = DiskFacts {
            partitions: places.collect(),
            table: TableFacts::Gpt {
                table,
                health: Default::default(),
            },
            ..blank()
        };
        let again = plan_partitions(partitions, after);
        assert!(again.nothing_to_do(), "{partitions}: {:?}", again.refusals);
    }
}

/// A file system on a whole disk and a use of its partitions contradict each other.
#[test]
fn partitions_that_match_are_not_destroyed() {
    let filesystem = r#"{"device": "/dev/vda", "format": "ext4", "wipeFilesystem": true}"#;
    for storage in [
        format!(
            r#"{{"filesystems": [{{"device": "/dev/vda5", "format": "none"}}, {filesystem}]}}"#
        ),
        format!(
            r#"{{"filesystems": [{filesystem}, {{"device": "/dev/vda5", "format": "none"}}]}}"#
        ),
        format!(
            r#"{{"disks": [{{"device": "{DISK}", "partitions": [{{"number": 1}}]}}], "filesystems": [{filesystem}]}}"#
        ),
    ] {
        let planned = plan_whole_storage(&storage);
        let messages = planned.refusals.iter().map(ToString::to_string);
        let messages: Vec<String> = messages.collect();
        assert!(
            messages
                .iter()
                .any(|text| text.contains("it would destroy a partition of /dev/vda")),
            "{storage}: {messages:#?}"
        );
    }
}

#[test]
fn the_kernel_is_told_about_partitions_it_does_not_see() {
    let place = |start: u64, size: u64| (start * MIB, size * MIB);
    let seen = BTreeMap::from([
        (1, place(1, 100)),
        (2, place(101, 200)),
        (5, place(501, 100)),
    ]);
    let facts = |seen: &BTreeMap<u32, (u64, u64)>| DiskFacts {
        kernel_view: Some(seen.clone()),
        ..disk()
    };
    let partitions = r#"{"number": 1}, {"number": 5}"#;
    assert!(plan_partitions(partitions, facts(&seen)).nothing_to_do());
    let mut fewer = seen.clone();
    fewer.remove(&5);
    let planned = plan_partitions(partitions, facts(&fewer));
    assert_eq!(planned.layout().len(), 3);
    let change = &planned.write().changes[2];
    assert_eq!(change.effect, Effect::Change);
    assert!(
        change.what.contains("the kernel does not see it yet"),
        "{}",
        change.what
    );
    let mut moved = seen;
    moved.insert(1, place(2, 99));
    let busy = DiskFacts {
        partitions_held_by: BTreeMap::from([(1, vec!["active swap".into()])]),
        ..facts(&moved)
    };
    let cause = &plan_partitions(partitions, busy).refusals[0].cause;
    assert!(
        cause.starts_with("the table has partition 1 elsewhere than the kernel"),
        "{cause}"
    );
}

#[test]
fn partitions_are_known_by_every_name_of_their_disk() {
    let mapped = DiskFacts {
        node: "/dev/dm-0".into(),
        map: Some("mpatha".into()),
        links: vec!["/dev/disk/by-id/wwn-1".into()],
        ..disk()
    };
    let observed = observed(mapped);
    for name in [
        "/dev/vda2",
        "/dev/mapper/mpatha2",
        "/dev/mapper/mpathap2",
        "/dev/mapper/mpatha-part2",
        "/dev/disk/by-id/dm-name-mpathap2",
        "/dev/disk/by-id/wwn-1-part2",
    ] {
        let storage = format!(
            r#"{{"filesystems": [{{"device": "{name}", "format": "ext4", "label": "root"}}]}}"#
        );
        assert!(plan_storage(&storage, &observed).nothing_to_do(), "{name}");
    }
}
