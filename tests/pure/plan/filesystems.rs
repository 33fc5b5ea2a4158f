//! File systems: which are kept, how new ones are created, and which are refused.

use super::disk::{DISK, MIB, Planned, disk, observed, plan_storage};
use kindling::disk::DeviceRef;
use kindling::facts::{DeviceFacts, SuperblockFacts};
use kindling::plan::op::OpKind;

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
fn partitions_of_a_refused_disk_are_not_reported_as_missing() {
    let guid = "01234567-89AB-CDEF-0123-456789ABCDEF";
    let link = format!("/dev/disk/by-partuuid/{}", guid.to_lowercase());
    let partitions = format!(
        r#"{{"number": 1, "sizeMiB": 10}},
           {{"number": 2, "startMiB": 5, "sizeMiB": 1, "label": "data", "guid": "{guid}"}}"#
    );
    let devices = [
        ("/dev/vda2", 1),
        ("/dev/disk/by-partlabel/data", 1),
        (link.as_str(), 1),
        ("/dev/disk/by-partlabel/other", 2),
        ("/dev/vdb1", 2),
    ];
    for (device, refusals) in devices {
        let storage = format!(
            r#"{{"disks": [{{"device": "/dev/vda", "wipeTable": true, "partitions": [{partitions}]}}],
                "filesystems": [{{"device": "{device}", "format": "ext4"}}]}}"#
        );
        let planned = plan_storage(&storage, &observed(disk()));
        let causes: Vec<&str> = planned.refusals.iter().map(|r| r.cause.as_str()).collect();
        assert_eq!(causes.len(), refusals, "{device}: {causes:?}");
        assert!(causes[0].contains("belongs to partition 1"), "{causes:?}");
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
fn a_new_partition_exposes_old_content() {
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
    facts.leftovers.insert(MIB, SuperblockFacts::default());
    let planned = plan_storage(&storage, &observed(facts));
    assert!(planned.refusals.is_empty(), "{:#?}", planned.refusals);
}

#[test]
fn an_unfinished_file_system_is_created_again() {
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
