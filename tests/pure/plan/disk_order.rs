//! The order of operations on disks: what waits for what, and the single wait for udev after everything.

use kindling::config;
use kindling::disk::gpt::{Table, TableFacts};
use kindling::facts::disks::ImageFacts;
use kindling::facts::{DiskFacts, Observed, SuperblockFacts};
use kindling::plan::op::{OpKind, Settle};
use kindling::plan::{self, Mounts, Operation, Options, Plan, Scope, StagePart, TargetState};
use std::collections::BTreeMap;

const MIB: u64 = 2048;

fn blank(node: &str) -> DiskFacts {
    DiskFacts {
        node: node.into(),
        sector_bytes: 512,
        sectors: 1024 * MIB,
        ..DiskFacts::default()
    }
}

fn plan(storage: &str, disks: Vec<DiskFacts>) -> Plan {
    let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}}, \"storage\": {storage}}}");
    let parsed = config::parse("order.ign", text.as_bytes());
    let document = parsed.outcome.expect("a valid config");
    let disks = disks.into_iter().map(|facts| (facts.node.clone(), facts));
    let tools = ["mdadm", "cryptsetup", "mkfs.ext4", "mkfs.xfs"];
    let observed = Observed {
        disks: disks.collect(),
        tools: tools.into_iter().map(String::from).collect(),
        ..Observed::default()
    };
    let options = Options {
        scope: Scope::Stage(StagePart::Disks),
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot: None,
    };
    let plan = plan::build(&document, &observed, &options).expect("it can be planned");
    check_schema(&plan);
    plan
}

/// Two disks with two file systems each.
fn four_file_systems() -> String {
    let disk = |name: &str| {
        format!(
            r#"{{"device": "{name}", "partitions": [{{"number": 1, "sizeMiB": 100}}, {{"number": 2}}]}}"#
        )
    };
    let filesystem = |device: &str| format!(r#"{{"device": "{device}", "format": "ext4"}}"#);
    format!(
        r#"{{"disks": [{}, {}], "filesystems": [{}, {}, {}, {}]}}"#,
        disk("/dev/sda"),
        disk("/dev/sdb"),
        filesystem("/dev/sda1"),
        filesystem("/dev/sda2"),
        filesystem("/dev/sdb1"),
        filesystem("/dev/sdb2")
    )
}

fn made<'p>(plan: &'p Plan, device: &str) -> &'p Operation {
    let found = plan.operations.iter().find(
        |op| matches!(&op.kind, OpKind::MakeFilesystem(act) if act.device.to_string() == device),
    );
    found.unwrap_or_else(|| panic!("nothing is made on {device}: {plan:#?}"))
}

/// True if `later` starts only when `earlier` is done.
fn waits(plan: &Plan, later: &Operation, earlier: &Operation) -> bool {
    let direct = later.after.iter().map(|id| &plan.operations[id.0 as usize]);
    direct
        .into_iter()
        .any(|before| before.id == earlier.id || waits(plan, before, earlier))
}

fn settles(plan: &Plan) -> Vec<(&Operation, &Settle)> {
    let operations = plan.operations.iter();
    let settles = operations.filter_map(|op| match &op.kind {
        OpKind::Settle(act) => Some((op, act)),
        _ => None,
    });
    settles.collect()
}

#[test]
fn a_rotating_disk_has_one_writer_at_a_time() {
    let rotating = DiskFacts {
        rotates: true,
        ..blank("/dev/sda")
    };
    let plan = plan(&four_file_systems(), vec![rotating, blank("/dev/sdb")]);
    let waits = |later: &str, earlier: &str| waits(&plan, made(&plan, later), made(&plan, earlier));
    assert!(waits("/dev/sda2", "/dev/sda1"));
    assert!(!waits("/dev/sdb2", "/dev/sdb1"));
    assert!(!waits("/dev/sdb1", "/dev/sda1"));
    assert!(!waits("/dev/sdb1", "/dev/sda2"));
}

#[test]
fn an_array_over_rotating_disks_has_their_heads() {
    let storage = r#"{
        "disks": [
            {"device": "/dev/sda", "partitions": [{"number": 1, "sizeMiB": 100}, {"number": 2, "sizeMiB": 100}]},
            {"device": "/dev/sdb", "partitions": [{"number": 1, "sizeMiB": 100}]}],
        "raid": [{"name": "data", "level": "raid1", "devices": ["/dev/sda1", "/dev/sdb1"]}],
        "filesystems": [{"device": "/dev/sda2", "format": "ext4"}, {"device": "/dev/md/data", "format": "ext4"}]}"#;
    let rotating = |node: &str| DiskFacts {
        rotates: true,
        ..blank(node)
    };
    let plan = plan(storage, vec![rotating("/dev/sda"), rotating("/dev/sdb")]);
    let (array, partition) = (made(&plan, "/dev/md/data"), made(&plan, "/dev/sda2"));
    assert!(waits(&plan, array, partition) || waits(&plan, partition, array));
}

/// Checks the plan against its documented format, which includes the claims.
fn check_schema(plan: &Plan) {
    let schema_file: serde_json::Value =
        serde_json::from_str(include_str!("../../../schemas/plan.json")).expect("JSON");
    let operations = serde_json::json!({
        "$defs": schema_file["$defs"],
        "items": schema_file["properties"]["operations"]["items"],
    });
    let schema = jsonschema::validator_for(&operations).expect("a schema");
    let value = serde_json::to_value(&plan.operations).expect("it serialises");
    let errors: Vec<String> = schema
        .iter_errors(&value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn keys_are_derived_one_by_one() {
    let storage = r#"{"luks": [
        {"name": "a", "device": "/dev/sda", "keyFile": {"source": "data:,a"}},
        {"name": "b", "device": "/dev/sdb", "keyFile": {"source": "data:,b"}}]}"#;
    let plan = plan(storage, vec![blank("/dev/sda"), blank("/dev/sdb")]);
    let made: Vec<&Operation> = plan
        .operations
        .iter()
        .filter(|op| matches!(op.kind, OpKind::CreateLuks(_)))
        .collect();
    let [first, second] = made[..] else {
        panic!("two volumes: {plan:#?}");
    };
    assert!(waits(&plan, second, first) || waits(&plan, first, second));
}

#[test]
fn udev_is_awaited_once_after_everything() {
    let plan = plan(
        &four_file_systems(),
        vec![blank("/dev/sda"), blank("/dev/sdb")],
    );
    let [(settle, act)] = settles(&plan)[..] else {
        panic!("one wait: {plan:#?}");
    };
    let names: Vec<String> = act.devices.iter().map(ToString::to_string).collect();
    let all = [
        "/dev/sda",
        "/dev/sdb",
        "/dev/sda1",
        "/dev/sda2",
        "/dev/sdb1",
        "/dev/sdb2",
    ];
    assert_eq!(names, all);
    for operation in plan.operations.iter().filter(|op| op.id != settle.id) {
        assert!(waits(&plan, settle, operation), "{operation:#?}");
    }
}

#[test]
fn a_plan_without_changes_does_not_wait_for_udev() {
    let storage = r#"{"disks": [{"device": "/dev/sda", "partitions": []}]}"#;
    let plan = plan(storage, vec![blank("/dev/sda")]);
    assert!(settles(&plan).is_empty(), "{plan:#?}");
}

#[test]
fn images_do_not_wait_for_udev() {
    let disk = |node: &str| DiskFacts {
        image: Some(ImageFacts {
            path: format!("{}.img", &node[1..]).into(),
            present_bytes: Some(1 << 30),
            requested_bytes: 1 << 30,
        }),
        ..blank(node)
    };
    let plan = plan(
        &four_file_systems(),
        vec![disk("/dev/sda"), disk("/dev/sdb")],
    );
    assert!(settles(&plan).is_empty(), "{plan:#?}");
}

#[test]
fn old_members_under_new_partitions_are_exposed() {
    let storage = r#"{"disks": [{"device": "/dev/sda", "wipeTable": true, "partitions": [{"number": 1, "sizeMiB": 100}]}]}"#;
    let exposes = |kind: &str| {
        let superblock = SuperblockFacts {
            kind: Some(kind.into()),
            ..SuperblockFacts::default()
        };
        let disk = DiskFacts {
            table: TableFacts::Gpt {
                table: Table::empty(512, 1024 * MIB).expect("large enough"),
                health: Default::default(),
            },
            leftovers: BTreeMap::from([(MIB, superblock)]),
            ..blank("/dev/sda")
        };
        let plan = plan(storage, vec![disk]);
        let written = plan.operations.iter().find_map(|op| match &op.kind {
            OpKind::WriteTable(write) => Some(write.exposes_members),
            _ => None,
        });
        written.expect("a table is written")
    };
    assert!(exposes("linux_raid_member"));
    assert!(exposes("LVM2_member"));
    assert!(!exposes("ext4"));
}
