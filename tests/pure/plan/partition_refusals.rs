//! Refusals for partitions and disks: with the cause, the place in the config, and what to do.

use super::disk::{
    DISK, blank, disk, observed, plan_document, plan_partitions, plan_storage, refused,
};
use kindling::disk::gpt::{GptHealth, TableFacts};
use kindling::facts::{DiskFacts, SuperblockFacts};
use kindling::language::{self, Surroundings};
use kindling::plan::Effect;
use std::collections::BTreeMap;

#[test]
fn refusals_say_what_where_and_what_to_do() {
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            r#"{"number": 1, "shouldExist": false}"#,
            "1 on /dev/vda",
            "it exists, but the config says it must not",
            "set wipePartitionEntry to delete it",
        ),
        (
            r#"{"number": 1, "label": "z"}"#,
            r#"1 ("z") on /dev/vda"#,
            r#"it exists and does not match: label "a" -> "z""#,
            "set wipePartitionEntry",
        ),
        (
            r#"{"number": 1, "sizeMiB": 50}"#,
            "1 on /dev/vda",
            "it exists and does not match: size 100 MiB -> 50 MiB",
            "set resize",
        ),
        (
            r#"{"number": 9, "typeGuid": "00000000-0000-0000-0000-000000000000"}"#,
            "9 on /dev/vda",
            "a typeGuid of zeros means that there is none",
            "give another typeGuid",
        ),
        (
            r#"{"number": 1, "sizeMiB": 50}"#,
            "1 on /dev/vda",
            "it exists and does not match",
            "leave out sizeMiB to keep the partition that is there",
        ),
        (
            r#"{"number": 1, "startMiB": 2, "sizeMiB": 99, "label": "z"}"#,
            r#"1 ("z") on /dev/vda"#,
            "it exists and does not match",
            "leave out startMiB and label and sizeMiB to keep",
        ),
        (
            r#"{"number": 1, "startMiB": 2, "sizeMiB": 99, "resize": true}"#,
            "1 on /dev/vda",
            "it exists and does not match: start sector 2048 -> sector 4096",
            "set wipePartitionEntry",
        ),
        (
            r#"{"number": 9, "startMiB": 301, "sizeMiB": 300}"#,
            "9 on /dev/vda",
            "it needs 300 MiB, but from sector 616448 up to partition 5 only 200 MiB are free: 100 MiB are missing",
            "the largest free block has 422.9 MiB from sector 1230848",
        ),
        (
            r#"{"number": 9, "startMiB": 150, "sizeMiB": 1}"#,
            "9 on /dev/vda",
            "sector 307200 belongs to partition 2",
            "the largest free block",
        ),
        (
            r#"{"number": 9, "startMiB": 4096}"#,
            "9 on /dev/vda",
            "sector 8388608 is outside the usable range 34 to 2097118",
            "the largest free block",
        ),
        (
            r#"{"number": 129}"#,
            "129 on /dev/vda",
            "the table has slots 1 to 128",
            "choose a number",
        ),
        (
            r#"{"number": 9, "sizeMiB": 9223372036854775807}"#,
            "9 on /dev/vda",
            "is not a possible number of MiB",
            "give a number from 0",
        ),
        (
            r#"{"number": 9, "sizeMiB": -5}"#,
            "9 on /dev/vda",
            "sizeMiB -5 is not a possible number of MiB",
            "give a number from 0",
        ),
    ];
    for (partition, object, cause, remedy) in cases {
        let planned = plan_partitions(partition, disk());
        let [refusal] = planned.refusals.as_slice() else {
            panic!("{partition}: {:#?}", planned.refusals);
        };
        assert_eq!(refusal.object, *object, "{partition}");
        assert!(refusal.cause.contains(cause), "{partition}: {refusal}");
        assert!(refusal.remedy.contains(remedy), "{partition}: {refusal}");
        let origin = refusal.origin.as_ref().expect("an origin");
        assert_eq!(
            (origin.line, origin.path.as_str()),
            (4, "$.storage.disks.0.partitions.0"),
            "{partition}"
        );
        let writes = planned
            .operations
            .iter()
            .any(|op| op.effect != Effect::Keep);
        assert!(
            !writes,
            "{partition}: nothing is planned for a refused disk"
        );
    }
}

/// The remedy is specific, and it helps.
#[test]
fn remedies_for_missing_space_name_what_helps() {
    let cases = [
        (
            r#"{"number": 4, "label": "root"}, {"number": 0, "label": "var", "startMiB": 500, "sizeMiB": 0}"#,
            r#"give partition 4 ("root") a sizeMiB"#,
            r#"{"number": 4, "label": "root", "sizeMiB": 400}, {"number": 0, "label": "var", "startMiB": 500, "sizeMiB": 0}"#,
        ),
        (
            r#"{"number": 1, "sizeMiB": 0}, {"number": 2, "sizeMiB": 100}"#,
            "give partition 1 a sizeMiB",
            r#"{"number": 1, "sizeMiB": 800}, {"number": 2, "sizeMiB": 100}"#,
        ),
        (
            r#"{"number": 1, "sizeMiB": 2000}"#,
            "set sizeMiB to at most 1022",
            r#"{"number": 1, "sizeMiB": 1022}"#,
        ),
        (
            r#"{"number": 1, "sizeMiB": 100}, {"number": 2, "sizeMiB": 100, "startMiB": 50}"#,
            "change startMiB, or leave it out",
            r#"{"number": 1, "sizeMiB": 100}, {"number": 2, "sizeMiB": 100}"#,
        ),
    ];
    for (partitions, remedy, fixed) in cases {
        let planned = plan_partitions(partitions, blank());
        let [refusal] = &planned.refusals[..] else {
            panic!("{partitions}: {:?}", planned.refusals);
        };
        assert!(refusal.remedy.contains(remedy), "{partitions}: {refusal}");
        let planned = plan_partitions(fixed, blank());
        assert!(
            planned.refusals.is_empty(),
            "{fixed}: {:?}",
            planned.refusals
        );
    }
}

#[test]
fn all_refusals_of_a_disk_come_at_once() {
    let planned = plan_partitions(
        r#"{"number": 1, "label": "x"}, {"number": 2, "label": "y"}"#,
        disk(),
    );
    let paths: Vec<&str> = planned
        .refusals
        .iter()
        .filter_map(|r| r.origin.as_ref())
        .map(|o| o.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "$.storage.disks.0.partitions.0",
            "$.storage.disks.0.partitions.1"
        ]
    );
}

#[test]
fn partitions_in_use_are_not_touched() {
    let held = || DiskFacts {
        partitions_held_by: BTreeMap::from([(1, vec!["mounted at /srv".into()])]),
        ..disk()
    };
    let planned = plan_partitions(r#"{"number": 9, "sizeMiB": 10}"#, held());
    assert_eq!(planned.layout().len(), 4, "others may change");
    let delete = r#"{"number": 1, "shouldExist": false, "wipePartitionEntry": true}"#;
    let planned = plan_partitions(delete, held());
    let cause = &planned.refusals[0].cause;
    assert_eq!(cause, "it would change, but is in use: mounted at /srv");
    let wipe = format!("{{\"disks\": [{{\"device\": \"{DISK}\", \"wipeTable\": true}}]}}");
    let planned = plan_storage(&wipe, &observed(held()));
    assert!(
        planned.refusals[0]
            .cause
            .contains("partition 1 mounted at /srv"),
        "{}",
        planned.refusals[0]
    );
    let superblock = DiskFacts {
        held_by: vec!["mounted at /data".into()],
        ..blank()
    };
    let planned = plan_partitions(r#"{"number": 1}"#, superblock);
    assert_eq!(
        planned.refusals[0].cause,
        "the disk itself is in use: mounted at /data"
    );
}

#[test]
fn devices_that_are_no_disks_or_in_use_are_refused() {
    let ext4 = SuperblockFacts {
        kind: Some("ext4".into()),
        ..SuperblockFacts::default()
    };
    let member = SuperblockFacts {
        kind: Some("linux_raid_member".into()),
        ..SuperblockFacts::default()
    };
    let damaged = |health| match disk().table {
        TableFacts::Gpt { table, .. } => TableFacts::Gpt { table, health },
        other => other,
    };
    let cases = [
        (
            DiskFacts {
                partition_of: Some("/dev/vdb".into()),
                ..blank()
            },
            "it is a partition of /dev/vdb, not a disk",
        ),
        (
            DiskFacts {
                sectors: 0,
                ..blank()
            },
            "it has no size, as a drive without a medium",
        ),
        (
            DiskFacts {
                read_only: true,
                ..disk()
            },
            "it is read only",
        ),
        (
            DiskFacts {
                held_by: vec!["held by RAID array /dev/md0".into()],
                partitions_held_by: BTreeMap::from([(1, vec!["mounted at /srv".into()])]),
                ..disk()
            },
            "the disk itself is in use: held by RAID array /dev/md0",
        ),
        (
            DiskFacts {
                superblock: ext4.clone(),
                ..blank()
            },
            "it holds ext4 on the whole disk and has no partition table",
        ),
        (
            DiskFacts {
                superblock: ext4.clone(),
                table: damaged(GptHealth::MbrDamaged),
                ..disk()
            },
            "it holds ext4 on the whole disk, and its GPT has no protective MBR",
        ),
        (
            DiskFacts {
                superblock: ext4,
                table: damaged(GptHealth::PrimaryDamaged),
                ..disk()
            },
            "it holds ext4 on the whole disk, and of its GPT only the backup is left",
        ),
        (
            DiskFacts {
                superblock: member,
                table: damaged(GptHealth::BackupNotAtEnd),
                ..disk()
            },
            "as a whole it is a linux_raid_member; the table seen on it may be that of the array",
        ),
        (
            DiskFacts {
                map: Some("mpatha".into()),
                ..disk()
            },
            "its partitions are device-mapper maps, and the program dmsetup is not installed",
        ),
    ];
    for (facts, cause) in cases {
        assert_eq!(refused(facts), cause);
    }
}

#[test]
fn one_disk_under_two_names_is_refused() {
    let facts = || DiskFacts {
        node: "/dev/vda".into(),
        ..blank()
    };
    let mut observed = observed(facts());
    let link = "/dev/disk/by-id/one";
    observed.disks.insert(link.into(), facts());
    let entry =
        |device: &str| format!(r#"{{"device": "{device}", "partitions": [{{"number": 1}}]}}"#);
    let storage = format!("{{\"disks\": [{}, {}]}}", entry(DISK), entry(link));
    let planned = plan_storage(&storage, &observed);
    assert_eq!(planned.refusals.len(), 1);
    let refusal = &planned.refusals[0];
    assert_eq!(refusal.object, link);
    assert_eq!(refusal.cause, "it is the same disk as /dev/vda (/dev/vda)");
}

/// A person who wrote another language gets the keys of that.
#[test]
fn remedies_have_the_keys_of_the_config() {
    let cases = [
        (
            "variant: fcos\nversion: 1.1.0\nstorage: {disks: [{device: /dev/vda, partitions: [{number: 1, size_mib: 50}]}]}",
            "leave out size_mib to keep the partition that is there",
            "set wipe_partition_entry",
        ),
        (
            r#"{"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "/dev/vda", "partitions": [{"number": 1, "sizeMiB": 50}]}]}}"#,
            "leave out sizeMiB to keep the partition that is there",
            "set wipePartitionEntry",
        ),
    ];
    for (text, keep, replace) in cases {
        let parsed = language::parse("a", text.as_bytes(), &Surroundings::default());
        let document = parsed.outcome.expect("a valid config");
        let planned = plan_document(&document, &observed(disk()));
        let [refusal] = &planned.refusals[..] else {
            panic!("{text}: {:?}", planned.refusals);
        };
        assert!(refusal.remedy.contains(keep), "{}", refusal.remedy);
        assert!(refusal.remedy.contains(replace), "{}", refusal.remedy);
    }
}
