//! What is opened or assembled before the rest can be planned definitely: existing volumes and arrays, and nothing else
//! if that is possible.

use kindling::config;
use kindling::disk::DeviceRef;
use kindling::disk::gpt::{Entry, GptHealth, Guid, GuidChoice, Table, TableFacts};
use kindling::disk::superblock::LuksHeader;
use kindling::facts::{DeviceFacts, DiskFacts, MappingFacts, Observed, SuperblockFacts};
use kindling::plan::op::OpKind;
use kindling::plan::prerequisites::{first_part, opened_by};
use kindling::plan::{self, Failure, Mounts, Options, Plan, Scope, StagePart, TargetState};
use std::collections::{BTreeMap, BTreeSet};

const MIB: u64 = 2048;
const UUID: &str = "11111111-2222-3333-4444-555555555555";

fn volume() -> SuperblockFacts {
    SuperblockFacts {
        kind: Some("crypto_LUKS".into()),
        uuid: Some(UUID.into()),
        luks: Some(LuksHeader {
            version: 2,
            ..LuksHeader::default()
        }),
        ..SuperblockFacts::default()
    }
}

/// `/dev/sda` with a volume on its only partition, `/dev/sdb` with one on the whole disk, `/dev/sdc` blank.
fn observed() -> Observed {
    let mut table = Table::empty(512, 1024 * MIB).expect("large enough");
    let entry = Entry {
        start: MIB,
        sectors: 100 * MIB,
        type_guid: "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
            .parse()
            .expect("a GUID"),
        guid: GuidChoice::Given(Guid([3; 16])),
        label: "secret".into(),
        attributes: 0,
    };
    table.entries.insert(1, entry);
    let disk = |node: &str| DiskFacts {
        node: node.into(),
        sector_bytes: 512,
        sectors: 1024 * MIB,
        ..DiskFacts::default()
    };
    let a = DiskFacts {
        table: TableFacts::Gpt {
            table,
            health: GptHealth::Sound,
        },
        partitions: BTreeMap::from([(1, volume())]),
        kernel_view: Some(BTreeMap::from([(1, (MIB, 100 * MIB))])),
        ..disk("/dev/sda")
    };
    let b = DeviceFacts {
        exists: true,
        bytes: 1 << 30,
        superblock: volume(),
        node: "/dev/sdb".into(),
        ..DeviceFacts::default()
    };
    Observed {
        disks: BTreeMap::from([
            ("/dev/sda".into(), a),
            ("/dev/sdc".into(), disk("/dev/sdc")),
        ]),
        devices: BTreeMap::from([("/dev/sdb".into(), b)]),
        tools: ["cryptsetup", "mkfs.ext4"].map(String::from).into(),
        ..Observed::default()
    }
}

fn build(storage: &str, observed: &Observed) -> Result<Plan, Vec<Failure>> {
    let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}}, \"storage\": {storage}}}");
    let parsed = config::parse("ahead.ign", text.as_bytes());
    let document = parsed.outcome.expect("a valid config");
    let options = Options {
        scope: Scope::Stage(StagePart::Disks),
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot: None,
    };
    plan::build(&document, observed, &options)
}

fn plan(storage: &str) -> Plan {
    build(storage, &observed()).expect("it can be planned")
}

/// What runs first, one word each, the wait for udev last.
fn words(part: &Plan) -> Vec<String> {
    let word = |kind: &OpKind| match kind {
        OpKind::WriteTable(act) => format!("table {}", act.disk),
        OpKind::CreateLuks(act) => format!("{:?} {}", act.way, act.name),
        OpKind::Settle(_) => "settle".into(),
        other => panic!("not in the first part: {}", other.describe()),
    };
    part.operations.iter().map(|op| word(&op.kind)).collect()
}

fn first_steps(plan: &Plan) -> Vec<String> {
    first_part(plan, &BTreeSet::new()).map_or_else(Vec::new, |part| words(&part))
}

const ON_B: &str = r#"{"name": "b", "device": "/dev/sdb", "keyFile": {"source": "data:,k"}}"#;
const ON_A1: &str = r#"{"name": "a", "device": "/dev/sda1", "keyFile": {"source": "data:,k"}}"#;
const NEW: &str = r#"{"name": "new", "device": "/dev/sdc", "keyFile": {"source": "data:,k"}}"#;

fn filesystem(volume: &str) -> String {
    format!(r#"{{"device": "/dev/mapper/{volume}", "format": "ext4"}}"#)
}

#[test]
fn a_volume_is_opened_when_something_is_requested_on_it() {
    let alone = format!(r#"{{"luks": [{ON_B}]}}"#);
    assert_eq!(first_steps(&plan(&alone)), Vec::<String>::new());
    let with = format!(
        r#"{{"luks": [{ON_B}], "filesystems": [{}]}}"#,
        filesystem("b")
    );
    assert_eq!(first_steps(&plan(&with)), ["Open b", "settle"]);
}

#[test]
fn a_new_volume_counts_as_blank() {
    let text = format!(
        r#"{{"disks": [{{"device": "/dev/sdc"}}], "luks": [{NEW}], "filesystems": [{}]}}"#,
        filesystem("new")
    );
    assert_eq!(first_steps(&plan(&text)), Vec::<String>::new());
}

#[test]
fn operations_that_only_share_memory_do_not_come_first() {
    let text = format!(
        r#"{{"disks": [{{"device": "/dev/sdc"}}], "luks": [{NEW}, {ON_B}], "filesystems": [{}, {}]}}"#,
        filesystem("new"),
        filesystem("b")
    );
    assert_eq!(first_steps(&plan(&text)), ["Open b", "settle"]);
}

#[test]
fn a_table_waits_if_the_partition_stays_and_comes_first_if_not() {
    let text = |partition: &str| {
        format!(
            r#"{{"disks": [{{"device": "/dev/sda", "partitions": [{partition}, {{"number": 2, "label": "new"}}]}}],
               "luks": [{ON_A1}], "filesystems": [{}]}}"#,
            filesystem("a")
        )
    };
    let stays = r#"{"number": 1, "label": "secret"}"#;
    assert_eq!(first_steps(&plan(&text(stays))), ["Open a", "settle"]);
    let grows = r#"{"number": 1, "label": "secret", "sizeMiB": 200, "resize": true}"#;
    let want = ["table /dev/sda", "Open a", "settle"];
    let part = first_part(&plan(&text(grows)), &BTreeSet::new()).expect("a part");
    assert_eq!(words(&part), want);
    for pair in part.operations.windows(2) {
        assert!(pair[1].after.contains(&pair[0].id), "{part:#?}");
    }
}

#[test]
fn volumes_that_need_no_table_come_first() {
    let text = format!(
        r#"{{"disks": [{{"device": "/dev/sda", "partitions": [{{"number": 1, "label": "secret", "sizeMiB": 200, "resize": true}}]}}],
           "luks": [{ON_A1}, {ON_B}], "filesystems": [{}, {}]}}"#,
        filesystem("a"),
        filesystem("b")
    );
    let plan = plan(&text);
    let part = first_part(&plan, &BTreeSet::new()).expect("a part");
    assert_eq!(words(&part), ["Open b", "settle"]);
    let opened: BTreeSet<DeviceRef> = opened_by(&part).collect();
    let next = first_part(&plan, &opened).expect("the other one");
    assert_eq!(words(&next), ["table /dev/sda", "Open a", "settle"]);
}

/// The volume of `/dev/sdb` is open by now, with this on it.
fn opened(found: SuperblockFacts) -> Observed {
    let name = "b".to_owned();
    let mut observed = observed();
    let facts = DeviceFacts {
        exists: true,
        bytes: 1 << 30,
        superblock: found,
        node: "/dev/dm-0".into(),
        mapping: Some(MappingFacts {
            uuid: format!("CRYPT-LUKS2-{}-b", UUID.replace('-', "")),
            lower_nodes: vec!["/dev/sdb".into()],
        }),
        ..DeviceFacts::default()
    };
    observed.devices.insert("/dev/mapper/b".into(), facts);
    observed.opened.insert(DeviceRef::Luks { name });
    observed
}

#[test]
fn an_open_volume_is_planned_by_its_content() {
    let text = format!(
        r#"{{"luks": [{ON_B}], "filesystems": [{}]}}"#,
        filesystem("b")
    );
    let kind = |kind: &str| SuperblockFacts {
        kind: Some(kind.into()),
        ..SuperblockFacts::default()
    };
    let kept = build(&text, &opened(kind("ext4"))).expect("a plan");
    let is_right = |kind: &OpKind| matches!(kind, OpKind::AlreadyRight(_));
    assert!(
        kept.operations.iter().all(|op| is_right(&op.kind)),
        "{kept:#?}"
    );
    assert!(first_part(&kept, &BTreeSet::new()).is_none());

    let made = build(&text, &opened(SuperblockFacts::default())).expect("a plan");
    let makes = |kind: &OpKind| matches!(kind, OpKind::MakeFilesystem(_));
    assert!(
        made.operations.iter().any(|op| makes(&op.kind)),
        "{made:#?}"
    );
    assert!(first_part(&made, &BTreeSet::new()).is_none());

    let refused = build(&text, &opened(kind("xfs"))).expect_err("an xfs is there");
    let text = refused[0].to_string();
    assert!(text.contains("must not be erased"), "{text}");
}

#[test]
fn a_volume_inside_another_one_comes_after_it_wherever_it_is_listed() {
    let inner = r#"{"name": "inner", "device": "/dev/mapper/b", "keyFile": {"source": "data:,k"}}"#;
    let text = format!(
        r#"{{"luks": [{inner}, {ON_B}], "filesystems": [{}]}}"#,
        filesystem("inner")
    );
    let plan = plan(&text);
    let names = plan.operations.iter().filter_map(|op| match &op.kind {
        OpKind::CreateLuks(act) => Some(act.name.as_str()),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), ["b", "inner"]);
    assert_eq!(first_steps(&plan), ["Open b", "settle"]);
}

#[test]
fn a_program_is_required_only_if_something_has_to_be_created() {
    let text = format!(
        r#"{{"luks": [{ON_B}], "filesystems": [{}]}}"#,
        filesystem("b")
    );
    let without = |observed: Observed| Observed {
        tools: ["cryptsetup".to_owned()].into(),
        ..observed
    };
    build(&text, &without(observed())).expect("it may be there");
    let ext4 = SuperblockFacts {
        kind: Some("ext4".into()),
        ..SuperblockFacts::default()
    };
    build(&text, &without(opened(ext4))).expect("it is there");
    let blank = without(opened(SuperblockFacts::default()));
    let refused = build(&text, &blank).expect_err("nothing makes it");
    assert!(refused[0].to_string().contains("mkfs.ext4"), "{refused:?}");
}
