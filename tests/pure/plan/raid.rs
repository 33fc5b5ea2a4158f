//! Decisions about arrays: kept, assembled, created, refused.

use kindling::config;
use kindling::disk::superblock::raid::{Level, MemberRole, MetadataVersion, RaidMember};
use kindling::facts::arrays::ArrayFacts;
use kindling::facts::{DeviceFacts, Observed, SuperblockFacts};
use kindling::plan::op::{AssembleArray, CreateArray, Expected, OpKind};
use kindling::plan::{
    Draft, Effect, Failure, Mounts, Operation, Options, Scope, TargetState, filesystems, raid,
};

const UUID: &str = "11111111-2222-3333-4444-555555555555";
const DEVICES: [&str; 4] = ["/dev/vdb", "/dev/vdc", "/dev/vdd", "/dev/vde"];

fn superblock(kind: &str) -> SuperblockFacts {
    SuperblockFacts {
        kind: Some(kind.into()),
        ..SuperblockFacts::default()
    }
}

fn member(level: Level, devices: u32, role: u32) -> RaidMember {
    RaidMember {
        metadata: MetadataVersion::V1_2,
        name: Some("box:data".into()),
        level,
        layout: 2,
        chunk_bytes: 512 << 10,
        devices,
        used_bytes: 64 << 20,
        data_offset: 1 << 20,
        role: MemberRole::Active(role),
        is_rebuilding: false,
        events: 20,
        is_clean: true,
        is_special: false,
        working: (0..devices).collect(),
    }
}

/// Four devices; the first `devices` of them are an array that is stopped, with an ext4 on it.
fn stopped(level: Level, devices: u32) -> Observed {
    let mut observed = Observed {
        tools: filesystems::programs()
            .chain(["mdadm"])
            .map(String::from)
            .collect(),
        ..Observed::default()
    };
    for (role, name) in (0..).zip(DEVICES) {
        let facts = DeviceFacts {
            exists: true,
            bytes: 65 << 20,
            ..DeviceFacts::default()
        };
        observed.devices.insert(name.into(), facts);
        observed.raid.nodes.insert(name.into(), name.into());
        if role < devices {
            put(&mut observed, name, member(level, devices, role));
        }
    }
    observed
        .raid
        .contents
        .insert(UUID.into(), superblock("ext4"));
    observed
}

fn put(observed: &mut Observed, name: &str, raid: RaidMember) {
    let facts = observed.devices.get_mut(name).expect("a device");
    facts.superblock = SuperblockFacts {
        label: raid.name.clone(),
        uuid: Some(UUID.into()),
        raid: Some(Box::new(raid)),
        ..superblock("linux_raid_member")
    };
}

fn change(observed: &mut Observed, name: &str, change: impl Fn(&mut RaidMember)) {
    let facts = observed.devices.get_mut(name).expect("a device");
    change(facts.superblock.raid.as_mut().expect("a member"));
}

/// The array runs, or only holds its members, as `node`.
fn kernel_array(observed: &mut Observed, node: &str, is_running: bool, members: &[&str]) {
    for member in members {
        let facts = observed.devices.get_mut(*member).expect("a device");
        facts.held_by.push(format!("in use by {node}"));
    }
    observed.raid.arrays.push(ArrayFacts {
        node: node.into(),
        is_running,
        members: members.iter().map(|m| (*m).to_owned()).collect(),
        ..ArrayFacts::default()
    });
}

fn named(observed: &mut Observed, node: &str) {
    observed
        .raid
        .nodes
        .insert("/dev/md/data".into(), node.into());
    let facts = DeviceFacts {
        exists: true,
        superblock: superblock("ext4"),
        ..DeviceFacts::default()
    };
    observed.devices.insert("/dev/md/data".into(), facts);
}

fn plan(
    level: &str,
    devices: usize,
    more: &str,
    observed: &Observed,
) -> (Vec<Operation>, Vec<Failure>) {
    let names: Vec<String> = DEVICES[..devices]
        .iter()
        .map(|d| format!("{d:?}"))
        .collect();
    plan_of(level, &names.join(", "), more, observed)
}

fn plan_of(
    level: &str,
    devices: &str,
    more: &str,
    observed: &Observed,
) -> (Vec<Operation>, Vec<Failure>) {
    let text = format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{
"raid": [{{"name": "data", "level": "{level}", "devices": [{devices}]{more}}}],
"filesystems": [{{"device": "/dev/md/data", "format": "ext4"}}]}}}}"#
    );
    let document = config::parse("raid.ign", text.as_bytes())
        .outcome
        .expect("valid");
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot: None,
    };
    let mut draft = Draft::new(&document, observed, &options);
    raid::plan(&mut draft);
    filesystems::plan(&mut draft);
    (draft.operations().to_vec(), draft.refusals().to_vec())
}

fn assembled(planned: (Vec<Operation>, Vec<Failure>)) -> AssembleArray {
    let (operations, refusals) = planned;
    let [array, filesystem] = operations.as_slice() else {
        panic!("{operations:#?} {refusals:#?}");
    };
    assert_eq!(
        filesystem.effect,
        Effect::Keep,
        "what is on the array is kept"
    );
    assert!(array.destroys.is_empty() && array.effect == Effect::Change);
    match &array.kind {
        OpKind::AssembleArray(act) => act.clone(),
        other => panic!("{other:?}"),
    }
}

fn created(planned: (Vec<Operation>, Vec<Failure>)) -> (CreateArray, Vec<String>) {
    let (operations, refusals) = planned;
    let Some(first) = operations.first() else {
        panic!("{refusals:#?}");
    };
    match &first.kind {
        OpKind::CreateArray(act) => (act.clone(), first.destroys.clone()),
        other => panic!("{other:?}"),
    }
}

fn refused(planned: (Vec<Operation>, Vec<Failure>)) -> String {
    let (_, refusals) = planned;
    let first = refusals.first().expect("a refusal");
    assert!(first.origin.is_some(), "{first}");
    first.to_string()
}

#[test]
fn a_stopped_array_is_assembled_and_what_is_on_it_kept() {
    for (name, level, devices) in [
        ("raid1", Level::Raid1, 2),
        ("mirror", Level::Raid1, 2),
        ("0", Level::Raid0, 2),
        ("linear", Level::Linear, 3),
        ("4", Level::Raid4, 3),
        ("raid5", Level::Raid5, 3),
        ("6", Level::Raid6, 4),
        ("raid10", Level::Raid10, 4),
    ] {
        let observed = stopped(level, devices);
        let act = assembled(plan(name, devices as usize, "", &observed));
        assert_eq!((act.uuid.as_str(), act.missing), (UUID, 0));
        assert_eq!(act.members.len(), devices as usize, "{name}");
        assert_eq!(act.level, level.to_string());
    }
}

#[test]
fn a_running_array_is_kept() {
    let mut observed = stopped(Level::Raid1, 2);
    kernel_array(&mut observed, "/dev/md127", true, &DEVICES[..2]);
    named(&mut observed, "/dev/md127");
    // The last writes of a running array need not be visible on its members.
    change(&mut observed, "/dev/vdb", |m| m.events = 0);
    change(&mut observed, "/dev/vdc", |m| m.events = 0);
    let (operations, refusals) = plan("raid1", 2, "", &observed);
    assert!(refusals.is_empty() && operations.iter().all(|op| op.effect == Effect::Keep));
}

#[test]
fn an_idle_array_under_another_name_is_stopped() {
    let mut observed = stopped(Level::Raid1, 2);
    kernel_array(&mut observed, "/dev/md127", true, &DEVICES[..2]);
    let act = assembled(plan("raid1", 2, "", &observed));
    assert_eq!(act.stop, ["/dev/md127"]);
    observed.raid.arrays[0]
        .held_by
        .push("mounted at /mnt".into());
    let text = refused(plan("raid1", 2, "", &observed));
    assert!(
        text.contains("runs as /dev/md127, which is in use: mounted at /mnt"),
        "{text}"
    );
}

#[test]
fn a_half_assembled_array_is_stopped() {
    let mut observed = stopped(Level::Raid1, 2);
    kernel_array(&mut observed, "/dev/md127", false, &DEVICES[..1]);
    let act = assembled(plan("raid1", 2, "", &observed));
    assert_eq!(act.stop, ["/dev/md127"]);
    let (act, _) = created(plan("raid0", 2, "", &observed));
    assert_eq!(act.stop, ["/dev/md127"]);
}

#[test]
fn missing_members() {
    let blank = |observed: &mut Observed, name: &str| {
        observed.devices.get_mut(name).expect("a device").superblock = SuperblockFacts::default();
    };
    let mut observed = stopped(Level::Raid5, 3);
    blank(&mut observed, "/dev/vdc");
    let act = assembled(plan("raid5", 3, "", &observed));
    assert_eq!((act.members.len(), act.missing), (2, 1));

    change(&mut observed, "/dev/vdb", |m| m.is_clean = false);
    change(&mut observed, "/dev/vdd", |m| m.is_clean = false);
    let text = refused(plan("raid5", 3, "", &observed));
    assert!(text.contains("it was not stopped cleanly"), "{text}");

    blank(&mut observed, "/dev/vdb");
    let text = refused(plan("raid5", 3, "", &observed));
    assert!(
        text.contains("2 of its members are missing or out of date"),
        "{text}"
    );

    let mut observed = stopped(Level::Raid0, 2);
    blank(&mut observed, "/dev/vdc");
    let (_, destroys) = created(plan("raid0", 2, "", &observed));
    assert_eq!(destroys, [r#"/dev/vdb: linux_raid_member "box:data""#]);
}

#[test]
fn an_array_that_never_ran_is_created() {
    let mut observed = stopped(Level::Raid5, 3);
    for name in &DEVICES[..3] {
        change(&mut observed, name, |m| m.events = 0);
    }
    let (act, _) = created(plan("raid5", 3, "", &observed));
    assert_eq!(
        act.expected,
        vec![Expected::Kind("linux_raid_member".into()); 3]
    );
}

#[test]
fn anything_else_is_overwritten_and_listed() {
    let other_name = |m: &mut RaidMember| m.name = Some("box:other".into());
    let other_level = |m: &mut RaidMember| m.level = Level::Raid10;
    let other_size = |m: &mut RaidMember| m.devices = 3;
    let changes: [&dyn Fn(&mut RaidMember); 3] = [&other_name, &other_level, &other_size];
    for with in changes {
        let mut observed = stopped(Level::Raid1, 2);
        change(&mut observed, "/dev/vdb", with);
        change(&mut observed, "/dev/vdc", with);
        let (act, destroys) = created(plan("raid1", 2, "", &observed));
        assert_eq!((act.members.len(), destroys.len()), (2, 2));
    }
    let mut observed = stopped(Level::Raid1, 0);
    observed
        .devices
        .get_mut("/dev/vdb")
        .expect("a device")
        .superblock = superblock("xfs");
    let (act, destroys) = created(plan("raid1", 2, "", &observed));
    assert_eq!(destroys, ["/dev/vdb: xfs"]);
    assert_eq!(
        act.expected,
        [Expected::Kind("xfs".into()), Expected::Blank]
    );
}

#[test]
fn spares_are_members_too() {
    let mut observed = stopped(Level::Raid1, 2);
    let mut spare = member(Level::Raid1, 2, 0);
    spare.role = MemberRole::Spare;
    put(&mut observed, "/dev/vdd", spare);
    let act = assembled(plan("raid1", 3, r#", "spares": 1"#, &observed));
    assert_eq!((act.members.len(), act.missing), (3, 0));
    // Without the spare it would be a mirror of three.
    let (act, _) = created(plan("raid1", 3, "", &observed));
    assert_eq!(act.spares, 0);
}

#[test]
fn an_array_that_cannot_be_inspected_is_left_alone() {
    let mut observed = stopped(Level::Raid1, 2);
    observed.raid.contents.clear();
    let text = refused(plan("raid1", 2, "", &observed));
    assert!(
        text.contains("cannot be inspected until it is running"),
        "{text}"
    );
}

#[test]
fn content_on_a_stopped_array_is_protected() {
    let mut observed = stopped(Level::Raid1, 2);
    observed
        .raid
        .contents
        .insert(UUID.into(), superblock("xfs"));
    let text = refused(plan("raid1", 2, "", &observed));
    assert!(
        text.contains("it holds xfs, which must not be erased"),
        "{text}"
    );
}

#[test]
fn members_in_use_are_refused_by_name() {
    let mut observed = stopped(Level::Raid1, 0);
    let facts = observed.devices.get_mut("/dev/vdc").expect("a device");
    facts.held_by.push("mounted at /srv".into());
    let text = refused(plan("raid1", 2, "", &observed));
    assert!(
        text.contains("of /dev/vdc: it is in use: mounted at /srv"),
        "{text}"
    );

    let mut observed = stopped(Level::Raid1, 2);
    kernel_array(&mut observed, "/dev/md5", true, &DEVICES[..2]);
    let text = refused(plan("raid0", 2, "", &observed));
    assert!(text.contains("it is in use: in use by /dev/md5"), "{text}");
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let mut observed = stopped(Level::Raid1, 0);
    kernel_array(&mut observed, "/dev/md127", true, &DEVICES[2..]);
    named(&mut observed, "/dev/md127");
    let text = refused(plan("raid1", 2, "", &observed));
    assert!(
        text.contains("/dev/md/data already exists: /dev/md127, an array of /dev/vdd, /dev/vde"),
        "{text}"
    );
}

#[test]
fn impossible_arrays_are_refused() {
    let observed = stopped(Level::Raid1, 0);
    for (level, devices, more, cause) in [
        (
            "raid6",
            3,
            "",
            "raid6 needs at least 4 devices besides spares, and there are 3",
        ),
        ("5", 1, "", "raid5 needs at least 2 devices"),
        (
            "raid1",
            2,
            r#", "spares": 2"#,
            "2 members leave none besides the spares",
        ),
        (
            "raid1",
            2,
            r#", "spares": -1"#,
            "leave none besides the spares",
        ),
    ] {
        let text = refused(plan(level, devices, more, &observed));
        assert!(text.contains(cause), "{text}");
    }
    let mut without = observed.clone();
    without.tools.remove("mdadm");
    let text = refused(plan("raid1", 2, "", &without));
    assert!(
        text.contains("the program mdadm is not installed"),
        "{text}"
    );
}

#[test]
fn names_that_look_like_options_are_refused() {
    for storage in [
        r#"{"raid": [{"name": "-x", "level": "raid1", "devices": ["/dev/vdb", "/dev/vdc"]}]}"#,
        r#"{"luks": [{"name": "--help", "device": "/dev/vdb"}]}"#,
    ] {
        let planned = super::disk::plan_storage(storage, &stopped(Level::Raid1, 2));
        let [refusal] = planned.refusals.as_slice() else {
            panic!("{storage}: {:?}", planned.refusals);
        };
        let cause = &refusal.cause;
        assert!(cause.starts_with("its name begins with a dash"), "{cause}");
    }
}
