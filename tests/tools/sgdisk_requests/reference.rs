//! The reference of a round: what Ignition makes sgdisk do for a disk of its config.

use super::Slots;
use super::disk::{Medium, Slot};
use kindling::config::model::Disk;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// A partition of the config, in sectors.
#[derive(Debug, Clone)]
pub struct RequestedPartition {
    pub number: u32,
    pub start: Option<u64>,
    pub size: Option<u64>,
    pub label: Option<String>,
    pub kind: String,
    pub guid: String,
    pub wipe: bool,
    pub should_exist: bool,
    pub resize: bool,
}

/// The entries of a disk, explicit numbers first.
pub fn requested_partitions(disk: &Disk, sector_bytes: u32) -> Vec<RequestedPartition> {
    let sectors = |mib: i64| mib as u64 * ((1 << 20) / u64::from(sector_bytes));
    let mut requested: Vec<RequestedPartition> = disk
        .partitions
        .iter()
        .map(|p| RequestedPartition {
            number: p.number as u32,
            start: p.start_mib.map(sectors),
            size: p.size_mib.map(sectors),
            label: p.label.clone(),
            kind: p.type_guid.clone().unwrap_or_default(),
            guid: p.guid.clone().unwrap_or_default(),
            wipe: p.wipe_partition_entry == Some(true),
            should_exist: p.should_exist != Some(false),
            resize: p.resize == Some(true),
        })
        .collect();
    requested.sort_by_key(|partition| partition.number == 0);
    requested
}

/// How a run of sgdisk ended.
#[derive(Debug)]
pub enum Outcome {
    /// With this table on the disk.
    Made(Slots),
    /// With an error before the table was written.
    Refused(#[allow(dead_code, reason = "shown when a round fails")] String),
    /// With an error after the table was written: sgdisk placed a partition elsewhere. Start and size as resolved.
    Moved(BTreeMap<u32, (u64, u64)>),
}

/// The sgdisk program, prevented from sleeping a second for each table it saves.
pub struct Sgdisk {
    _directory: tempfile::TempDir,
    no_sleep: PathBuf,
}

impl Sgdisk {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let source = directory.path().join("awake.c");
        let no_sleep = directory.path().join("awake.so");
        let text = "unsigned sleep(unsigned s) { (void)s; return 0; }\nvoid sync(void) {}\nint fsync(int f) { (void)f; return 0; }\n";
        std::fs::write(&source, text).expect("a source file");
        let created = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&no_sleep, &source])
            .status()
            .expect("cc is installed (package gcc)");
        assert!(created.success(), "cc creates a library");
        Self {
            _directory: directory,
            no_sleep,
        }
    }

    /// Standard output, or all output if it failed.
    fn run(
        &self,
        options: &[String],
        medium: &Medium,
        log: &mut Vec<String>,
    ) -> Result<String, String> {
        log.push(format!("sgdisk {}", options.join(" ")));
        let output = Command::new("sgdisk")
            .args(options)
            .arg(&medium.path)
            .env("LD_PRELOAD", &self.no_sleep)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("sgdisk is installed (package gdisk)");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(out),
            false => Err(format!("{out}{}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Carries out a config as Ignition does.
    pub fn ignition(
        &self,
        requested: &[RequestedPartition],
        wipe: bool,
        medium: &Medium,
        log: &mut Vec<String>,
    ) -> Outcome {
        let zap = ["--zap-all".to_owned()];
        if wipe
            && self.run(&zap, medium, log).is_err()
            && let Err(why) = self.run(&zap, medium, log)
        {
            return Outcome::Refused(why);
        }
        let present = medium.slots();
        let resolved = match self.resolve(requested, &present, medium, log) {
            Ok(resolved) => resolved,
            Err(why) => return Outcome::Refused(why),
        };
        let decided = match decide(&resolved, &present) {
            Ok(decided) => decided,
            Err(why) => return Outcome::Refused(why),
        };
        let options = options_of(&decided);
        if !options.is_empty()
            && let Err(why) = self.run(&options, medium, log)
        {
            return Outcome::Refused(why);
        }
        let created = medium.slots();
        let places: BTreeMap<u32, (u64, u64)> = decided
            .iter()
            .filter_map(|act| act.create.as_ref())
            .map(|partition| {
                (
                    partition.number,
                    (partition.start.unwrap_or(0), partition.size.unwrap_or(0)),
                )
            })
            .collect();
        let at_place = |(number, place): (&u32, &(u64, u64))| {
            created.get(number).map(|slot| (slot.start, slot.sectors)) == Some(*place)
        };
        match places.iter().all(at_place) {
            true => Outcome::Made(created),
            false => Outcome::Moved(places),
        }
    }

    /// Numbers, starts and sizes; those that the config leaves open are taken from a run with `--pretend`.
    fn resolve(
        &self,
        requested: &[RequestedPartition],
        present: &Slots,
        medium: &Medium,
        log: &mut Vec<String>,
    ) -> Result<Vec<RequestedPartition>, String> {
        let mut options: Vec<String> = requested
            .iter()
            .filter(|partition| present.contains_key(&partition.number))
            .map(|partition| format!("--delete={}", partition.number))
            .collect();
        for partition in requested.iter().filter(|partition| partition.should_exist) {
            let kept = present.get(&partition.number).filter(|_| !partition.wipe);
            let start = partition.start.or(kept.map(|slot| slot.start));
            let size = partition.size.or(kept.map(|slot| slot.sectors));
            options.push(new_option(partition.number, start, size));
            options.extend(type_and_guid(partition));
        }
        let mut resolved = assign_numbers(requested, present);
        let is_open = |partition: &RequestedPartition| {
            partition.should_exist
                && (matches!(partition.start, None | Some(0))
                    || matches!(partition.size, None | Some(0)))
        };
        let open = resolved.iter().filter(|partition| is_open(partition));
        options.extend(open.map(|partition| format!("--info={}", partition.number)));
        if options.is_empty() {
            return Ok(resolved);
        }
        options.insert(0, "--pretend".into());
        let output = self.run(&options, medium, log)?;
        let mut lines = output.lines();
        for partition in resolved.iter_mut().filter(|partition| is_open(partition)) {
            let first = sector(&mut lines, "First sector: ")?;
            let last = sector(&mut lines, "Last sector: ")?;
            partition.start = Some(first);
            partition.size = Some(last + 1 - first);
        }
        match sector(&mut lines, "First sector: ") {
            Ok(_) => Err("sgdisk reports more partitions than requested".into()),
            Err(_) => Ok(resolved),
        }
    }
}

/// The number on the next line that begins with `start`.
fn sector<'a>(lines: &mut impl Iterator<Item = &'a str>, start: &str) -> Result<u64, String> {
    lines
        .find_map(|line| line.strip_prefix(start))
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .ok_or_else(|| format!("sgdisk does not report {start}"))
}

/// Assigns free numbers, counted up from 1, to partitions without one.
pub fn assign_numbers(
    requested: &[RequestedPartition],
    present: &Slots,
) -> Vec<RequestedPartition> {
    let mut used: BTreeMap<u32, bool> = present.keys().map(|number| (*number, true)).collect();
    for partition in requested.iter().filter(|partition| partition.number > 0) {
        used.insert(partition.number, partition.should_exist);
    }
    let mut free = (1..).filter(|number| !used.get(number).copied().unwrap_or(false));
    let mut resolved = requested.to_vec();
    for partition in resolved
        .iter_mut()
        .filter(|partition| partition.should_exist && partition.number == 0)
    {
        partition.number = free.next().expect("numbers do not end");
    }
    resolved
}

/// What happens to one slot.
struct Act {
    delete: Option<u32>,
    create: Option<RequestedPartition>,
}

fn decide(resolved: &[RequestedPartition], present: &Slots) -> Result<Vec<Act>, String> {
    let mut acts = Vec::new();
    for partition in resolved {
        let is_taken = resolved
            .iter()
            .any(|other| other.should_exist && other.number == partition.number);
        if !partition.should_exist && is_taken {
            continue;
        }
        let act = match (present.get(&partition.number), partition.should_exist) {
            (None, false) => None,
            (None, true) => Some((false, Some(partition.clone()))),
            (Some(_), false) if partition.wipe => Some((true, None)),
            (Some(_), false) => {
                return Err(format!(
                    "partition {} exists and may not be wiped",
                    partition.number
                ));
            }
            (Some(slot), true) => match (
                matches(partition, slot),
                partition.size == Some(slot.sectors),
            ) {
                (true, true) => None,
                (true, false) if partition.resize && !partition.wipe => {
                    Some((true, Some(resized(partition, slot))))
                }
                _ if partition.wipe => Some((true, Some(partition.clone()))),
                _ => return Err(format!("partition {} does not match", partition.number)),
            },
        };
        if let Some((delete, create)) = act {
            let delete = delete.then_some(partition.number);
            acts.push(Act { delete, create });
        }
    }
    Ok(acts)
}

/// Compares everything but the size.
fn matches(partition: &RequestedPartition, slot: &Slot) -> bool {
    let text = |given: &str, own: &str| given.is_empty() || given.eq_ignore_ascii_case(own);
    partition.start.is_none_or(|start| start == slot.start)
        && text(&partition.guid, &slot.guid)
        && text(&partition.kind, &slot.kind)
        && partition
            .label
            .as_ref()
            .is_none_or(|label| *label == slot.label)
}

fn resized(partition: &RequestedPartition, slot: &Slot) -> RequestedPartition {
    RequestedPartition {
        start: Some(slot.start),
        label: Some(slot.label.clone()),
        kind: slot.kind.clone(),
        guid: slot.guid.clone(),
        ..partition.clone()
    }
}

fn options_of(acts: &[Act]) -> Vec<String> {
    let deletes = acts.iter().filter_map(|act| act.delete);
    let mut options: Vec<String> = deletes.map(|number| format!("--delete={number}")).collect();
    for partition in acts.iter().filter_map(|act| act.create.as_ref()) {
        options.push(new_option(
            partition.number,
            partition.start,
            partition.size,
        ));
        if let Some(label) = &partition.label {
            options.push(format!("--change-name={}:{label}", partition.number));
        }
        options.extend(type_and_guid(partition));
    }
    options
}

fn new_option(number: u32, start: Option<u64>, size: Option<u64>) -> String {
    format!(
        "--new={number}:{}:+{}",
        start.unwrap_or(0),
        size.unwrap_or(0)
    )
}

fn type_and_guid(partition: &RequestedPartition) -> Vec<String> {
    [
        ("typecode", &partition.kind),
        ("partition-guid", &partition.guid),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| format!("--{name}={}:{value}", partition.number))
    .collect()
}
