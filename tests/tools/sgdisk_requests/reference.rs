//! The other side of a round: what Ignition has sgdisk do for a disk of its config.

use super::Slots;
use super::disk::{Medium, Slot};
use kindling::config::model::Disk;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// A partition of the config, in sectors.
#[derive(Debug, Clone)]
pub struct Want {
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
pub fn wanted(disk: &Disk, sector_bytes: u32) -> Vec<Want> {
    let sectors = |mib: i64| mib as u64 * ((1 << 20) / u64::from(sector_bytes));
    let mut wanted: Vec<Want> = disk
        .partitions
        .iter()
        .map(|p| Want {
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
    wanted.sort_by_key(|want| want.number == 0);
    wanted
}

/// How it ended.
#[derive(Debug)]
pub enum Outcome {
    /// With this table on the disk.
    Made(Slots),
    /// With an error before the table was written.
    Refused(#[allow(dead_code, reason = "shown when a round fails")] String),
    /// With an error behind it: sgdisk put a partition elsewhere. Start and size as resolved.
    Moved(BTreeMap<u32, (u64, u64)>),
}

/// The program, kept from sleeping a second for each table it saves.
pub struct Sgdisk {
    _directory: tempfile::TempDir,
    awake: PathBuf,
}

impl Sgdisk {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let source = directory.path().join("awake.c");
        let awake = directory.path().join("awake.so");
        let text = "unsigned sleep(unsigned s) { (void)s; return 0; }\nvoid sync(void) {}\nint fsync(int f) { (void)f; return 0; }\n";
        std::fs::write(&source, text).expect("a source file");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&awake, &source])
            .status()
            .expect("cc is installed (package gcc)");
        assert!(made.success(), "cc makes a library");
        Self {
            _directory: directory,
            awake,
        }
    }

    /// Standard output, or everything it said when it failed.
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
            .env("LD_PRELOAD", &self.awake)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("sgdisk is installed (package gdisk)");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(out),
            false => Err(format!("{out}{}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Does all of it.
    pub fn ignition(
        &self,
        wanted: &[Want],
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
        let resolved = match self.resolve(wanted, &present, medium, log) {
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
        let made = medium.slots();
        let places: BTreeMap<u32, (u64, u64)> = decided
            .iter()
            .filter_map(|act| act.create.as_ref())
            .map(|want| {
                (
                    want.number,
                    (want.start.unwrap_or(0), want.size.unwrap_or(0)),
                )
            })
            .collect();
        let at_place = |(number, place): (&u32, &(u64, u64))| {
            made.get(number).map(|slot| (slot.start, slot.sectors)) == Some(*place)
        };
        match places.iter().all(at_place) {
            true => Outcome::Made(made),
            false => Outcome::Moved(places),
        }
    }

    /// Numbers, starts and sizes, asked of a pretended run where the config leaves them open.
    fn resolve(
        &self,
        wanted: &[Want],
        present: &Slots,
        medium: &Medium,
        log: &mut Vec<String>,
    ) -> Result<Vec<Want>, String> {
        let mut options: Vec<String> = wanted
            .iter()
            .filter(|want| present.contains_key(&want.number))
            .map(|want| format!("--delete={}", want.number))
            .collect();
        for want in wanted.iter().filter(|want| want.should_exist) {
            let kept = present.get(&want.number).filter(|_| !want.wipe);
            let start = want.start.or(kept.map(|slot| slot.start));
            let size = want.size.or(kept.map(|slot| slot.sectors));
            options.push(new_option(want.number, start, size));
            options.extend(type_and_guid(want));
        }
        let mut resolved = numbered(wanted, present);
        let is_open = |want: &Want| {
            want.should_exist
                && (matches!(want.start, None | Some(0)) || matches!(want.size, None | Some(0)))
        };
        let open = resolved.iter().filter(|want| is_open(want));
        options.extend(open.map(|want| format!("--info={}", want.number)));
        if options.is_empty() {
            return Ok(resolved);
        }
        options.insert(0, "--pretend".into());
        let said = self.run(&options, medium, log)?;
        let mut lines = said.lines();
        for want in resolved.iter_mut().filter(|want| is_open(want)) {
            let first = sector(&mut lines, "First sector: ")?;
            let last = sector(&mut lines, "Last sector: ")?;
            want.start = Some(first);
            want.size = Some(last + 1 - first);
        }
        match sector(&mut lines, "First sector: ") {
            Ok(_) => Err("sgdisk tells of more partitions than asked".into()),
            Err(_) => Ok(resolved),
        }
    }
}

/// The number on the next line that starts so.
fn sector<'a>(lines: &mut impl Iterator<Item = &'a str>, start: &str) -> Result<u64, String> {
    lines
        .find_map(|line| line.strip_prefix(start))
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .ok_or_else(|| format!("sgdisk says no {start}"))
}

/// Free slots for those that have none, counted up from 1.
pub fn numbered(wanted: &[Want], present: &Slots) -> Vec<Want> {
    let mut used: BTreeMap<u32, bool> = present.keys().map(|number| (*number, true)).collect();
    for want in wanted.iter().filter(|want| want.number > 0) {
        used.insert(want.number, want.should_exist);
    }
    let mut free = (1..).filter(|number| !used.get(number).copied().unwrap_or(false));
    let mut resolved = wanted.to_vec();
    for want in resolved
        .iter_mut()
        .filter(|want| want.should_exist && want.number == 0)
    {
        want.number = free.next().expect("numbers do not end");
    }
    resolved
}

/// What happens to one slot.
struct Act {
    delete: Option<u32>,
    create: Option<Want>,
}

fn decide(resolved: &[Want], present: &Slots) -> Result<Vec<Act>, String> {
    let mut acts = Vec::new();
    for want in resolved {
        let is_taken = resolved
            .iter()
            .any(|other| other.should_exist && other.number == want.number);
        if !want.should_exist && is_taken {
            continue;
        }
        let act = match (present.get(&want.number), want.should_exist) {
            (None, false) => None,
            (None, true) => Some((false, Some(want.clone()))),
            (Some(_), false) if want.wipe => Some((true, None)),
            (Some(_), false) => {
                return Err(format!(
                    "partition {} exists and may not be wiped",
                    want.number
                ));
            }
            (Some(slot), true) => match (matches(want, slot), want.size == Some(slot.sectors)) {
                (true, true) => None,
                (true, false) if want.resize && !want.wipe => {
                    Some((true, Some(resized(want, slot))))
                }
                _ if want.wipe => Some((true, Some(want.clone()))),
                _ => return Err(format!("partition {} does not match", want.number)),
            },
        };
        if let Some((delete, create)) = act {
            let delete = delete.then_some(want.number);
            acts.push(Act { delete, create });
        }
    }
    Ok(acts)
}

/// Everything but the size.
fn matches(want: &Want, slot: &Slot) -> bool {
    let text = |given: &str, own: &str| given.is_empty() || given.eq_ignore_ascii_case(own);
    want.start.is_none_or(|start| start == slot.start)
        && text(&want.guid, &slot.guid)
        && text(&want.kind, &slot.kind)
        && want.label.as_ref().is_none_or(|label| *label == slot.label)
}

fn resized(want: &Want, slot: &Slot) -> Want {
    Want {
        start: Some(slot.start),
        label: Some(slot.label.clone()),
        kind: slot.kind.clone(),
        guid: slot.guid.clone(),
        ..want.clone()
    }
}

fn options_of(acts: &[Act]) -> Vec<String> {
    let deletes = acts.iter().filter_map(|act| act.delete);
    let mut options: Vec<String> = deletes.map(|number| format!("--delete={number}")).collect();
    for want in acts.iter().filter_map(|act| act.create.as_ref()) {
        options.push(new_option(want.number, want.start, want.size));
        if let Some(label) = &want.label {
            options.push(format!("--change-name={}:{label}", want.number));
        }
        options.extend(type_and_guid(want));
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

fn type_and_guid(want: &Want) -> Vec<String> {
    [("typecode", &want.kind), ("partition-guid", &want.guid)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("--{name}={}:{value}", want.number))
        .collect()
}
