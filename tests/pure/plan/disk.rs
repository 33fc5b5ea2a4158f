//! An observed disk, and the results of planning a storage section for it.

use kindling::config::{self, Document};
use kindling::disk::gpt::{Entry, Guid, GuidChoice, LINUX_DATA, Table, TableFacts};
use kindling::facts::{DiskFacts, Observed, SuperblockFacts};
use kindling::plan::op::{OpKind, WriteTable};
use kindling::plan::{
    Draft, Effect, Failure, Mounts, Options, Scope, TargetState, filesystems, luks, mounts,
    partitions, raid,
};
use std::collections::BTreeMap;

pub const MIB: u64 = 2048;
pub const DISK: &str = "/dev/vda";

pub fn entry(start_mib: u64, size_mib: u64, label: &str) -> Entry {
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
pub fn disk() -> DiskFacts {
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

pub fn blank() -> DiskFacts {
    DiskFacts {
        sector_bytes: 512,
        sectors: 1024 * MIB,
        ..DiskFacts::default()
    }
}

pub struct Planned {
    pub operations: Vec<kindling::plan::Operation>,
    pub refusals: Vec<Failure>,
}

impl Planned {
    pub fn write(&self) -> &WriteTable {
        let found = self.operations.iter().find_map(|op| match &op.kind {
            OpKind::WriteTable(write) => Some(write),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no table is written: {:#?}", self.refusals))
    }
    pub fn destroys(&self) -> Vec<&str> {
        let lines = self.operations.iter().flat_map(|op| &op.destroys);
        lines.map(String::as_str).collect()
    }
    /// Number, start and size in MiB of the table to write.
    pub fn layout(&self) -> Vec<(u32, u64, u64)> {
        let entries = self.write().table.entries.iter();
        entries
            .map(|(number, e)| (*number, e.start / MIB, e.sectors / MIB))
            .collect()
    }
    pub fn nothing_to_do(&self) -> bool {
        self.refusals.is_empty() && self.operations.iter().all(|op| op.effect == Effect::Keep)
    }
}

pub fn plan_storage(storage: &str, observed: &Observed) -> Planned {
    let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}},\n\"storage\": {storage}}}");
    let parsed = config::parse("disks.ign", text.as_bytes());
    let document = parsed
        .outcome
        .unwrap_or_else(|error| panic!("{storage}: {error}: {:?}", parsed.findings));
    plan_document(&document, observed)
}

/// Plans what a document says of disks.
pub fn plan_document(document: &Document, observed: &Observed) -> Planned {
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot: None,
    };
    let mut draft = Draft::new(document, observed, &options);
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

pub fn observed(facts: DiskFacts) -> Observed {
    let tools = filesystems::programs().chain(["mdadm", "cryptsetup"]);
    Observed {
        disks: BTreeMap::from([(DISK.into(), facts)]),
        tools: tools.map(String::from).collect(),
        ..Observed::default()
    }
}

/// Plans with the checks that follow once all devices have their uses.
pub fn plan_whole_storage(storage: &str) -> Planned {
    let text = format!("{{\"ignition\": {{\"version\": \"3.4.0\"}},\n\"storage\": {storage}}}");
    let document = config::parse("disks.ign", text.as_bytes()).outcome;
    let document = document.expect("a valid config");
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
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

pub fn plan_partitions(partitions: &str, facts: DiskFacts) -> Planned {
    let storage =
        format!("{{\"disks\": [{{\"device\": \"{DISK}\",\n\"partitions\": [\n{partitions}]}}]}}");
    plan_storage(&storage, &observed(facts))
}

/// The refusal of a new partition 9 on such a disk.
pub fn refused(facts: DiskFacts) -> String {
    let planned = plan_partitions(r#"{"number": 9, "sizeMiB": 10}"#, facts);
    assert_eq!(planned.refusals.len(), 1, "{:?}", planned.refusals);
    planned.refusals[0].cause.clone()
}
