//! Decisions about disks, partitions and file systems: a config and facts in, operations or refusals
//! out. No disk is touched.

use kindling::config;
use kindling::disk::DeviceRef;
use kindling::disk::gpt::{Entry, GptHealth, Guid, GuidChoice, LINUX_DATA, Table, TableFacts};
use kindling::facts::{DeviceFacts, DiskFacts, Observed, SuperblockFacts};
use kindling::plan::op::{OpKind, WriteTable};
use kindling::plan::{
    Draft, Effect, Mounts, Options, Refusal, Scope, Target, filesystems, luks, mounts, partitions,
    raid,
};
use std::collections::BTreeMap;

const MIB: u64 = 2048;
const DISK: &str = "/dev/vda";

fn entry(start_mib: u64, size_mib: u64, label: &str) -> Entry {
    Entry {
        start: start_mib * MIB,
        sectors: size_mib * MIB,
        type_guid: LINUX_DATA,
        guid: GuidChoice::Given(Guid([label.len() as u8 + 1; 16])),
        label: label.into(),
        attributes: 4,
    }
}

/// A disk of 1 GiB with partitions 1 (`a`, 1 to 101 MiB), 2 (`b`, 101 to 301) and 5 (`c`, 501 to 601).
fn disk() -> DiskFacts {
    let mut table = Table::empty(512, 1024 * MIB).expect("large enough");
    table.disk_guid = GuidChoice::Given(Guid([9; 16]));
    table.entries = BTreeMap::from([
        (1, entry(1, 100, "a")),
        (2, entry(101, 200, "b")),
        (5, entry(501, 100, "c")),
    ]);
    let superblock = |kind: &str, label: &str| SuperblockFacts {
        kind: Some(kind.into()),
        label: Some(label.into()),
        uuid: Some("01234567-89ab-cdef-0123-456789abcdef".into()),
        ..SuperblockFacts::default()
    };
    DiskFacts {
        sector_bytes: 512,
        sectors: 1024 * MIB,
        table: TableFacts::Gpt {
            table,
            health: Default::default(),
        },
        partitions: BTreeMap::from([
            (1, superblock("xfs", "data")),
            (2, superblock("ext4", "root")),
            (5, SuperblockFacts::default()),
        ]),
        ..DiskFacts::default()
    }
}

fn blank() -> DiskFacts {
    DiskFacts {
        sector_bytes: 512,
        sectors: 1024 * MIB,
        ..DiskFacts::default()
    }
}

struct Planned {
    operations: Vec<kindling::plan::Operation>,
    refusals: Vec<Refusal>,
}

impl Planned {
    fn write(&self) -> &WriteTable {
        let found = self.operations.iter().find_map(|op| match &op.kind {
            OpKind::WriteTable(write) => Some(write),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no table is written: {:#?}", self.refusals))
    }
    fn destroys(&self) -> Vec<&str> {
        let lines = self.operations.iter().flat_map(|op| &op.destroys);
        lines.map(String::as_str).collect()
    }
    /// Number, start and size in MiB of the table to write.
    fn layout(&self) -> Vec<(u32, u64, u64)> {
        let entries = self.write().table.entries.iter();
        entries
            .map(|(number, e)| (*number, e.start / MIB, e.sectors / MIB))
            .collect()
    }
    fn nothing_to_do(&self) -> bool {
        self.refusals.is_empty() && self.operations.iter().all(|op| op.effect == Effect::Keep)
    }
}

fn plan_storage(storage: &str, observed: &Observed) -> Planned {
    let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}},\n\"storage\": {storage}}}");
    let parsed = config::parse("disks.ign", text.as_bytes());
    let document = parsed
        .outcome
        .unwrap_or_else(|error| panic!("{storage}: {error}: {:?}", parsed.findings));
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: Target::Present,
        first_boot: None,
    };
    let mut draft = Draft::new(&document, observed, &options);
    partitions::plan(&mut draft);
    raid::plan(&mut draft);
    luks::plan(&mut draft);
    filesystems::plan(&mut draft);
    mounts::plan(&mut draft, &Default::default());
    Planned {
        operations: draft.operations().to_vec(),
        refusals: draft.refusals().to_vec(),
    }
}

fn observed(facts: DiskFacts) -> Observed {
    let tools = filesystems::programs().chain(["mdadm", "cryptsetup"]);
    Observed {
        disks: BTreeMap::from([(DISK.into(), facts)]),
        tools: tools.map(String::from).collect(),
        ..Observed::default()
    }
}

/// With what is checked once all devices have their uses.
fn plan_whole_storage(storage: &str) -> Planned {
    let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}},\n\"storage\": {storage}}}");
    let document = config::parse("disks.ign", text.as_bytes()).outcome;
    let document = document.expect("a valid config");
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: Target::Present,
        first_boot: None,
    };
    match kindling::plan::build(&document, &observed(disk()), &options) {
        Ok(plan) => Planned {
            operations: plan.operations,
            refusals: Vec::new(),
        },
        Err(refusals) => Planned {
            operations: Vec::new(),
            refusals,
        },
    }
}

fn plan_partitions(partitions: &str, facts: DiskFacts) -> Planned {
    let storage =
        format!("{{\"disks\": [{{\"device\": \"{DISK}\",\n\"partitions\": [\n{partitions}]}}]}}");
    plan_storage(&storage, &observed(facts))
}

#[test]
fn matching_partitions_are_left_alone() {
    let cases = [
        r#"{"number": 1}"#,
        r#"{"number": 1, "label": "a", "startMiB": 1, "sizeMiB": 100}"#,
        r#"{"number": 1, "typeGuid": "0fc63daf-8483-4772-8e79-3d69d8477de4"}"#,
        r#"{"number": 1, "guid": "02020202-0202-0202-0202-020202020202"}"#,
        r#"{"number": 1, "wipePartitionEntry": true, "startMiB": 1, "sizeMiB": 100}"#,
        r#"{"number": 7, "shouldExist": false}"#,
        // Known by its label when there is no number.
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
        // The largest free block is behind partition 5; its last, unusable MiB is not whole.
        (r#"{"label": "n"}"#, (3, 601, 422)),
        (r#"{"label": "n", "sizeMiB": 10}"#, (3, 601, 10)),
        (r#"{"number": 9, "sizeMiB": 10}"#, (9, 601, 10)),
        (r#"{"number": 9, "startMiB": 301}"#, (9, 301, 200)),
        (
            r#"{"number": 9, "startMiB": 0, "sizeMiB": 0}"#,
            (9, 601, 422),
        ),
        // No partition with this label that is as asked for: a second one.
        (r#"{"label": "c", "sizeMiB": 10}"#, (3, 601, 10)),
        // The number of a partition that goes is free again.
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
fn what_is_lost_is_told() {
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

/// A file system over a whole disk and a use of its partitions contradict each other.
#[test]
fn partitions_that_are_as_wanted_are_not_destroyed() {
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
        let told = planned.refusals.iter().map(ToString::to_string);
        let told: Vec<String> = told.collect();
        assert!(
            told.iter()
                .any(|text| text.contains("it would destroy a partition of /dev/vda")),
            "{storage}: {told:#?}"
        );
    }
}

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

/// What the remedy asks for, and that it helps.
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
    for (partitions, remedy, mended) in cases {
        let planned = plan_partitions(partitions, blank());
        let [refusal] = &planned.refusals[..] else {
            panic!("{partitions}: {:?}", planned.refusals);
        };
        assert!(refusal.remedy.contains(remedy), "{partitions}: {refusal}");
        let planned = plan_partitions(mended, blank());
        assert!(
            planned.refusals.is_empty(),
            "{mended}: {:?}",
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
    let whole = DiskFacts {
        held_by: vec!["mounted at /data".into()],
        ..blank()
    };
    let planned = plan_partitions(r#"{"number": 1}"#, whole);
    assert_eq!(
        planned.refusals[0].cause,
        "the disk itself is in use: mounted at /data"
    );
}

/// The refusal of a new partition 9 on such a disk.
fn refused(facts: DiskFacts) -> String {
    let planned = plan_partitions(r#"{"number": 9, "sizeMiB": 10}"#, facts);
    assert_eq!(planned.refusals.len(), 1, "{:?}", planned.refusals);
    planned.refusals[0].cause.clone()
}

#[test]
fn disks_that_are_none_or_are_taken_are_refused() {
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
                whole: ext4.clone(),
                ..blank()
            },
            "it holds ext4 on the whole disk and has no partition table",
        ),
        (
            DiskFacts {
                whole: ext4,
                table: damaged(GptHealth::PrimaryDamaged),
                ..disk()
            },
            "it holds ext4 on the whole disk, and of its GPT only the backup is left",
        ),
        (
            DiskFacts {
                whole: member,
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
fn what_the_kernel_does_not_see_is_told_to_it() {
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
    let wish = r#"{"number": 1}, {"number": 5}"#;
    assert!(plan_partitions(wish, facts(&seen)).nothing_to_do());
    let mut fewer = seen.clone();
    fewer.remove(&5);
    let planned = plan_partitions(wish, facts(&fewer));
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
    let cause = &plan_partitions(wish, busy).refusals[0].cause;
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

fn plan_filesystem(filesystem: &str) -> Planned {
    let storage = format!("{{\n\"filesystems\": [\n{filesystem}]}}");
    let mut observed = observed(disk());
    observed.devices.insert(
        "/dev/sdb".into(),
        DeviceFacts {
            exists: true,
            bytes: 1 << 30,
            superblock: SuperblockFacts::default(),
            table: None,
            held_by: vec!["active swap".into()],
            ..DeviceFacts::default()
        },
    );
    plan_storage(&storage, &observed)
}

#[test]
fn file_systems_that_match_are_reused() {
    for filesystem in [
        r#"{"device": "/dev/vda2", "format": "ext4"}"#,
        r#"{"device": "/dev/vda2", "format": "ext4", "label": "root"}"#,
        r#"{"device": "/dev/vda2", "format": "ext4", "uuid": "01234567-89AB-CDEF-0123-456789ABCDEF"}"#,
        r#"{"device": "/dev/disk/by-partlabel/b", "format": "ext4"}"#,
        r#"{"device": "/dev/disk/by-label/root", "format": "ext4"}"#,
        r#"{"device": "/dev/disk/by-partuuid/02020202-0202-0202-0202-020202020202", "format": "xfs"}"#,
        r#"{"device": "/dev/vda5", "format": "none"}"#,
    ] {
        let planned = plan_filesystem(filesystem);
        assert!(
            planned.nothing_to_do() && planned.operations.len() == 1,
            "{filesystem}: {:#?}",
            planned.refusals
        );
    }
}

#[test]
fn mkfs_gets_the_options_of_the_config_first() {
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let cases = [
        ("ext4", "mkfs.ext4", format!("-x 1 -F -U {uuid} -L l")),
        (
            "btrfs",
            "mkfs.btrfs",
            format!("-x 1 --force -U {uuid} -L l"),
        ),
        ("xfs", "mkfs.xfs", format!("-x 1 -f -m uuid={uuid} -L l")),
        ("swap", "mkswap", format!("-x 1 -f -U {uuid} -L l")),
        ("vfat", "mkfs.fat", "-x 1 -I -i a1b2c3d4 -n l".to_owned()),
    ];
    for (format, program, arguments) in cases {
        let uuid = if format == "vfat" {
            "A1B2-C3D4"
        } else {
            "01234567-89AB-CDEF-0123-456789ABCDEF"
        };
        let planned = plan_filesystem(&format!(
            r#"{{"device": "/dev/vda5", "format": "{format}", "label": "l", "uuid": "{uuid}", "options": ["-x", "1"]}}"#
        ));
        let [op] = planned.operations.as_slice() else {
            panic!("{format}: {:#?}", planned.refusals);
        };
        let OpKind::MakeFilesystem(make) = &op.kind else {
            panic!("{op:?}");
        };
        assert_eq!(make.program, program);
        assert_eq!(make.arguments.join(" "), arguments);
        let device = DeviceRef::Partition {
            disk: DISK.into(),
            number: 5,
        };
        assert_eq!(make.device, device);
    }
}

#[test]
fn file_systems_are_refused_with_reason_and_place() {
    let cases = [
        (
            r#"{"device": "/dev/vda2", "format": "xfs"}"#,
            r#"it holds ext4 "root", which must not be erased"#,
        ),
        (
            r#"{"device": "/dev/vda2", "format": "ext4", "label": "var"}"#,
            r#"must not be erased; its label is "root", not "var""#,
        ),
        (
            r#"{"device": "/dev/vda2", "format": "ext4", "uuid": "ffffffff-89ab-cdef-0123-456789abcdef"}"#,
            r#"its UUID is "01234567-89ab-cdef-0123-456789abcdef", not "ffffffff"#,
        ),
        (
            r#"{"device": "/dev/vda2", "format": "none"}"#,
            "which must not be erased",
        ),
        (
            r#"{"device": "/dev/vda3", "format": "ext4"}"#,
            "/dev/vda3 will not exist: /dev/vda has partitions 1, 2, 5",
        ),
        (
            r#"{"device": "/dev/vdc1", "format": "ext4"}"#,
            "there is no such device; known disks: /dev/vda",
        ),
        (
            r#"{"device": "/dev/sdb", "format": "ext4", "wipeFilesystem": true}"#,
            "it is in use: active swap",
        ),
    ];
    for (filesystem, cause) in cases {
        let planned = plan_filesystem(filesystem);
        let [refusal] = planned.refusals.as_slice() else {
            panic!("{filesystem}: {:#?}", planned.refusals);
        };
        assert!(refusal.cause.contains(cause), "{filesystem}: {refusal}");
        let origin = refusal.origin.as_ref().expect("an origin");
        assert_eq!(origin.line, 4, "{filesystem}: {refusal}");
    }
}

#[test]
fn a_missing_program_is_refused_with_its_package() {
    let storage = r#"{"filesystems": [{"device": "/dev/vda5", "format": "xfs"}]}"#;
    let mut observed = observed(disk());
    observed.tools.remove("mkfs.xfs");
    let planned = plan_storage(storage, &observed);
    let refusal = &planned.refusals[0];
    assert_eq!(refusal.cause, "the program mkfs.xfs is not installed");
    assert_eq!(refusal.remedy, "install package xfsprogs");
}

#[test]
fn a_new_partition_shows_what_lies_beneath_it() {
    let storage = format!(
        r#"{{"disks": [{{"device": "{DISK}", "wipeTable": true, "partitions": [{{"number": 3, "startMiB": 1, "sizeMiB": 9}}]}}],
"filesystems": [{{"device": "/dev/vda3", "format": "ext4"}}]}}"#
    );
    let planned = plan_storage(&storage, &observed(disk()));
    assert!(
        planned.refusals[0].cause.contains(r#"it holds xfs "data""#),
        "{}",
        planned.refusals[0]
    );
    let mut facts = disk();
    facts.beneath.insert(MIB, SuperblockFacts::default());
    let planned = plan_storage(&storage, &observed(facts));
    assert!(planned.refusals.is_empty(), "{:#?}", planned.refusals);
}

#[test]
fn an_unfinished_file_system_is_made_again() {
    let mut facts = disk();
    if let Some(found) = facts.partitions.get_mut(&1) {
        found.incomplete = true;
    }
    let storage = r#"{"filesystems": [{"device": "/dev/vda1", "format": "xfs", "label": "data"}]}"#;
    let planned = plan_storage(storage, &observed(facts));
    assert!(planned.refusals.is_empty(), "{:#?}", planned.refusals);
    assert!(matches!(
        planned.operations[0].kind,
        OpKind::MakeFilesystem(_)
    ));
}
