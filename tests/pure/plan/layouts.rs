//! Random layouts of partitions, arrays, encrypted volumes, file systems, mounts and files: whatever the config
//! requests, its operations can be ordered, and each comes after what it depends on.

use fastrand::Rng;
use kindling::config;
use kindling::disk::DeviceRef;
use kindling::disk::gpt::{Entry, GuidChoice, LINUX_DATA, Table, TableFacts};
use kindling::facts::disks::DiskFacts;
use kindling::facts::{Observed, SuperblockFacts};
use kindling::plan::op::{OpId, OpKind};
use kindling::plan::{
    self, Access, ClaimedResource, Mounts, Operation, Options, Plan, Scope, StagePart, TargetState,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MIB: u64 = 2048;
const ROUNDS: u64 = 5_000;
const FIXED_SEED: u64 = 14;
const TOOLS: &[&str] = &[
    "clevis",
    "clevis-encrypt-tang",
    "clevis-encrypt-tpm2",
    "clevis-luks-bind",
    "clevis-luks-unlock",
    "cryptsetup",
    "curl",
    "jose",
    "mdadm",
    "mkfs.btrfs",
    "mkfs.ext4",
    "mkfs.fat",
    "mkfs.xfs",
    "mkswap",
    "tpm2_create",
];

/// A config and the machine it is for.
struct Layout {
    random: Rng,
    /// Devices without a use, by a name of the config.
    free: Vec<String>,
    storage: serde_json::Map<String, Value>,
    observed: Observed,
}

impl Layout {
    fn new(random: Rng) -> Self {
        let observed = Observed {
            tools: TOOLS.iter().map(|tool| (*tool).to_owned()).collect(),
            has_tpm: true,
            ..Observed::default()
        };
        let mut layout = Self {
            random,
            free: Vec::new(),
            storage: serde_json::Map::new(),
            observed,
        };
        layout.disks();
        // Members of arrays may be arrays and volumes, and the other way round.
        for _ in 0..layout.random.usize(0..4) {
            match layout.random.bool() {
                true => layout.array(),
                false => layout.volume(),
            }
        }
        layout.filesystems();
        layout.files();
        for section in ["raid", "luks", "filesystems", "files"] {
            if let Some(Value::Array(entries)) = layout.storage.get_mut(section) {
                layout.random.shuffle(entries);
            }
        }
        layout
    }

    fn add(&mut self, section: &str, entry: Value) {
        let entries = self
            .storage
            .entry(section)
            .or_insert_with(|| Value::Array(Vec::new()));
        entries.as_array_mut().expect("a list").push(entry);
    }

    fn disks(&mut self) {
        for letter in ["a", "b", "c"].iter().take(self.random.usize(1..4)) {
            let disk = format!("/dev/sd{letter}");
            let mut facts = DiskFacts {
                node: disk.clone(),
                sector_bytes: 512,
                sectors: 8192 * MIB,
                rotates: self.random.bool(),
                ..DiskFacts::default()
            };
            let mut partitions = Vec::new();
            let mut table = Table::empty(512, facts.sectors).expect("large enough");
            for number in 1..=self.random.u32(1..5) {
                let label = format!("{letter}{number}");
                let start_mib = 1 + (u64::from(number) - 1) * 1024;
                partitions.push(json!({
                    "number": number,
                    "label": label,
                    "startMiB": start_mib,
                    "sizeMiB": 1024,
                }));
                if self.random.u8(0..3) == 0 {
                    let entry = Entry {
                        start: start_mib * MIB,
                        sectors: 1024 * MIB,
                        type_guid: LINUX_DATA,
                        guid: GuidChoice::Random,
                        label: label.clone(),
                        attributes: 0,
                    };
                    table.entries.insert(number, entry);
                    facts.partitions.insert(number, self.superblock());
                }
                self.free.push(match self.random.bool() {
                    true => format!("/dev/disk/by-partlabel/{label}"),
                    false => format!("{disk}{number}"),
                });
            }
            if !table.entries.is_empty() {
                facts.table = TableFacts::Gpt {
                    table,
                    health: Default::default(),
                };
            }
            let wipe = self.random.u8(0..5) == 0;
            self.add(
                "disks",
                json!({"device": disk, "wipeTable": wipe, "partitions": partitions}),
            );
            self.observed.disks.insert(disk, facts);
        }
    }

    fn superblock(&mut self) -> SuperblockFacts {
        let kinds = [None, None, Some("ext4"), Some("xfs"), Some("crypto_LUKS")];
        SuperblockFacts {
            kind: self
                .random
                .choice(kinds)
                .flatten()
                .map(|kind| kind.to_owned()),
            ..SuperblockFacts::default()
        }
    }

    /// A device; occasionally one that already has a use.
    fn take(&mut self) -> Option<String> {
        if self.free.is_empty() {
            return None;
        }
        let index = self.random.usize(0..self.free.len());
        match self.random.u8(0..40) {
            0 => Some(self.free[index].clone()),
            _ => Some(self.free.swap_remove(index)),
        }
    }

    fn array(&mut self) {
        let name = format!("md{}", self.random.u16(..));
        let count = self.random.usize(1..4);
        let mut devices: Vec<String> = (0..count).filter_map(|_| self.take()).collect();
        if self.random.u8(0..40) == 0 {
            devices.push(format!("/dev/md/{name}"));
        }
        devices.sort();
        devices.dedup();
        if !devices.is_empty() {
            let level = self.random.choice(["raid1", "raid0", "linear"]);
            self.add(
                "raid",
                json!({"name": name, "level": level, "devices": devices}),
            );
            self.free.push(format!("/dev/md/{name}"));
        }
    }

    fn volume(&mut self) {
        let Some(device) = self.take() else { return };
        let name = format!("volume{}", self.random.u16(..));
        let mut luks = json!({"name": name, "device": device, "wipeVolume": self.random.bool()});
        match self.random.u8(0..4) {
            0 => luks["keyFile"] = json!({"source": "data:,secret"}),
            1 => luks["clevis"] = json!({"tpm2": true}),
            2 => {
                luks["clevis"] =
                    json!({"tang": [{"url": "http://tang.test", "thumbprint": "abcdefgh"}]})
            }
            _ => {}
        }
        self.add("luks", luks);
        self.free.push(format!("/dev/mapper/{name}"));
    }

    fn filesystems(&mut self) {
        let mut points = vec![
            "/",
            "/var",
            "/home",
            "/etc/luks",
            "/srv/a/b",
            "/var/lib/x",
            "/boot",
        ];
        for _ in 0..self.random.usize(1..6) {
            let Some(device) = self.take() else { return };
            let format = self
                .random
                .choice(["ext4", "xfs", "btrfs", "vfat", "swap", "none"]);
            let mut filesystem = json!({
                "device": device,
                "format": format,
                "wipeFilesystem": self.random.u8(0..3) > 0,
            });
            if !matches!(format, Some("swap" | "none")) && self.random.u8(0..4) > 0 {
                let index = match self.random.bool() {
                    true => 0,
                    false => self.random.usize(0..points.len()),
                };
                filesystem["path"] = json!(points.swap_remove(index));
            }
            self.add("filesystems", filesystem);
        }
    }

    fn files(&mut self) {
        let paths = ["/etc/a", "/var/lib/b", "/home/core/c", "/srv/a/b/d", "/e"];
        for path in paths.iter().take(self.random.usize(0..6)) {
            self.add(
                "files",
                json!({"path": path, "contents": {"source": "data:,x"}}),
            );
        }
    }

    fn options(&mut self) -> Options {
        let scopes = [
            Scope::Everything,
            Scope::Everything,
            Scope::Stage(StagePart::Disks),
        ];
        Options {
            scope: self.random.choice(scopes).unwrap_or(Scope::Everything),
            mounts: match self.random.bool() {
                true => Mounts::All,
                false => Mounts::Needed,
            },
            ignore_unsupported: false,
            target: TargetState::Present,
            first_boot: None,
        }
    }
}

/// What each operation waits for, directly or not.
struct Waits<'p> {
    plan: &'p Plan,
    before: Vec<BTreeSet<u32>>,
}

impl<'p> Waits<'p> {
    fn of(plan: &'p Plan) -> Self {
        let mut waits = Self {
            plan,
            before: vec![BTreeSet::new(); plan.operations.len()],
        };
        let mut done = BTreeSet::new();
        for operation in &plan.operations {
            waits.fill(operation.id, &mut done);
        }
        waits
    }

    fn fill(&mut self, id: OpId, done: &mut BTreeSet<u32>) {
        if !done.insert(id.0) {
            return;
        }
        let mut all = BTreeSet::new();
        for before in &self.plan.operations[id.0 as usize].after {
            self.fill(*before, done);
            all.insert(before.0);
            all.extend(&self.before[before.0 as usize]);
        }
        self.before[id.0 as usize] = all;
    }

    fn waits(&self, later: &Operation, earlier: &Operation) -> bool {
        self.before[later.id.0 as usize].contains(&earlier.id.0)
    }

    /// Returns an error if the pair is in the wrong order.
    fn check(&self, later: &Operation, earlier: &Operation) -> Result<(), String> {
        match later.id == earlier.id || self.waits(later, earlier) {
            true => Ok(()),
            false => Err(format!(
                "{:?} does not wait for {:?}",
                later.kind.describe(),
                earlier.kind.describe()
            )),
        }
    }
}

fn claims(operation: &Operation, access: Access) -> impl Iterator<Item = &ClaimedResource> {
    let claims = operation.claims.iter();
    claims
        .filter(move |claim| claim.access == access)
        .map(|claim| &claim.resource)
}

fn devices(operation: &Operation, access: Access) -> impl Iterator<Item = &DeviceRef> {
    claims(operation, access).filter_map(|resource| match resource {
        ClaimedResource::Device(device) => Some(&**device),
        _ => None,
    })
}

/// Everything that has to be true of the order of a plan.
fn check_order(plan: &Plan) -> Result<(), String> {
    let waits = Waits::of(plan);
    for later in &plan.operations {
        let depends_on: Vec<&DeviceRef> = devices(later, Access::Change)
            .chain(devices(later, Access::Use))
            .collect();
        for earlier in &plan.operations {
            let made: Vec<&DeviceRef> = devices(earlier, Access::Make).collect();
            if depends_on.iter().any(|device| made.contains(device)) {
                waits.check(later, earlier)?;
            }
            let ordered = match (&later.kind, &earlier.kind) {
                (_, OpKind::WriteTable(write)) => {
                    !matches!(later.kind, OpKind::WriteTable(_))
                        && depends_on
                            .iter()
                            .any(|device| device.disk() == Some(write.disk.as_str()))
                }
                (OpKind::Mount(mount), OpKind::MakeFilesystem(make)) => mount.device == make.device,
                (OpKind::HandOver(act), OpKind::File(file)) => {
                    act.keys.is_some() && file.path.ends_with(&format!("/{}", act.name))
                }
                (OpKind::File(file), OpKind::Mount(mount)) => {
                    mount.point == "/" || file.path.starts_with(&format!("{}/", mount.point))
                }
                (OpKind::Unmount(at), OpKind::File(file)) => {
                    at.point == "/" || file.path.starts_with(&format!("{}/", at.point))
                }
                (OpKind::Unmount(at), OpKind::Mount(mount)) => at.point == mount.point,
                _ => false,
            };
            if ordered {
                waits.check(later, earlier)?;
            }
        }
    }
    Ok(())
}

/// Plans one layout. Returns true if it could be planned.
fn round(seed: u64) -> Result<bool, String> {
    let mut layout = Layout::new(Rng::with_seed(seed));
    let options = layout.options();
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": layout.storage});
    let parsed = config::parse("layout.ign", config.to_string().as_bytes());
    // A device that is named twice is found by validation.
    let Ok(document) = parsed.outcome else {
        return Ok(false);
    };
    match plan::build(&document, &layout.observed, &options) {
        Ok(plan) => check_order(&plan)
            .map(|()| true)
            .map_err(|why| format!("{why}: {config}")),
        Err(refusals) => match refusals
            .iter()
            .find(|r| r.remedy.contains("defect of kindling"))
        {
            Some(refusal) => Err(format!("{refusal}: {config}")),
            None => Ok(false),
        },
    }
}

fn rounds(from: u64) {
    let mut planned = 0;
    for seed in from..from + ROUNDS {
        match round(seed) {
            Ok(could) => planned += u64::from(could),
            Err(why) => panic!("seed {seed}: {why}"),
        }
    }
    assert!(
        planned > ROUNDS / 5,
        "only {planned} of {ROUNDS} layouts from seed {from} can be planned"
    );
}

#[test]
fn layouts_of_a_fixed_seed_can_be_ordered() {
    rounds(FIXED_SEED);
}

#[test]
fn layouts_of_a_fresh_seed_can_be_ordered() {
    let seed = u64::from(fastrand::u32(..));
    rounds(seed);
}

/// The refusals of a config for a machine with blank disks.
fn refusals(storage: Value) -> Vec<plan::Failure> {
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": storage});
    let parsed = config::parse("layout.ign", config.to_string().as_bytes());
    let document = parsed.outcome.expect("a valid config");
    let mut layout = Layout {
        random: Rng::with_seed(0),
        free: Vec::new(),
        storage: serde_json::Map::new(),
        observed: Observed {
            tools: TOOLS.iter().map(|tool| (*tool).to_owned()).collect(),
            ..Observed::default()
        },
    };
    for disk in ["/dev/sda", "/dev/sdb"] {
        let facts = DiskFacts {
            node: disk.into(),
            sector_bytes: 512,
            sectors: 8192 * MIB,
            ..DiskFacts::default()
        };
        layout.observed.disks.insert(disk.into(), facts);
    }
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot: None,
    };
    plan::build(&document, &layout.observed, &options)
        .err()
        .unwrap_or_default()
}

#[test]
fn a_label_that_two_partitions_have_names_neither() {
    let disk =
        |device: &str| json!({"device": device, "partitions": [{"number": 1, "label": "same"}]});
    let refused = refusals(json!({
        "disks": [disk("/dev/sda"), disk("/dev/sdb")],
        "filesystems": [{"device": "/dev/disk/by-partlabel/same", "format": "ext4"}],
    }));
    let [refusal] = &refused[..] else {
        panic!("one refusal: {refused:#?}");
    };
    assert_eq!(
        refusal.cause,
        "/dev/sda1, /dev/sdb1 will all have this label"
    );
}

#[test]
fn each_device_has_one_use_and_none_is_on_itself() {
    let array =
        |name: &str, devices: &[&str]| json!({"name": name, "level": "raid1", "devices": devices});
    let disks = json!([{"device": "/dev/sda", "partitions": [{"number": 1, "label": "one"}]}]);
    let cases = [
        (
            json!({"raid": [array("a", &["/dev/sdb"])], "filesystems": [{"device": "/dev/sdb", "format": "ext4"}]}),
            "/dev/sdb already has another use: create RAID array a",
        ),
        (
            json!({"disks": disks, "luks": [{"name": "v", "device": "/dev/sda1"}],
                "filesystems": [{"device": "/dev/disk/by-partlabel/one", "format": "ext4", "wipeFilesystem": true}]}),
            "already has another use: create LUKS volume v",
        ),
        (
            json!({"disks": disks, "filesystems": [{"device": "/dev/sda", "format": "ext4", "wipeFilesystem": true}]}),
            "it would destroy the partition table",
        ),
        (
            json!({"raid": [array("a", &["/dev/md/b"]), array("b", &["/dev/md/a"])]}),
            "it would be built on itself",
        ),
        (
            json!({"luks": [{"name": "v", "device": "/dev/md/a"}], "raid": [array("a", &["/dev/mapper/v"])]}),
            "it would be built on itself",
        ),
    ];
    for (storage, cause) in cases {
        let refusals = refusals(storage.clone());
        assert!(
            refusals.iter().any(|refusal| refusal.cause.contains(cause)),
            "{storage}: {refusals:#?}"
        );
    }
}
