//! Random tables and configs, the same on every machine.

use super::Slots;
use super::disk::Medium;
use kindling::config;
use kindling::config::model::Disk;
use kindling::disk::gpt::{Entry, Guid, GuidChoice, LINUX_DATA, Table};
use serde_json::{Value, json};

/// A small random number generator.
pub struct Numbers(u64);

impl Numbers {
    pub fn of_round(seed: u64, round: u32) -> Self {
        let mut numbers = Self(seed ^ (u64::from(round) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..4 {
            numbers.next();
        }
        numbers
    }
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }
}

const LABELS: &[&str] = &[
    "root",
    "var",
    "data",
    "a b",
    "grün",
    "日本",
    "🜁",
    "x",
    "zwölf-Boxkämpfer-jagen-Viktor-quer",
];
const KINDS: &[&str] = &[
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
];

/// A table for the medium, whose size is changed if it is a file; `None` now and then.
pub fn table(numbers: &mut Numbers, medium: &mut Medium) -> Option<Table> {
    if medium.is_file() {
        medium.sectors = 2048 * (4 + numbers.below(150)) + numbers.pick(&[0, 0, 1, 7, 500]);
    }
    if numbers.one_in(8) {
        return None;
    }
    let mib = medium.sectors_per_mib();
    let mut table = Table::empty(medium.sector_bytes, medium.sectors).expect("large enough");
    table.disk_guid = GuidChoice::Given(Guid([7; 16]));
    // Mostly whole MiB, as a config can request.
    let (step, unit) = match numbers.one_in(4) {
        true => (1 << numbers.below(mib.ilog2().into()), 1),
        false => (mib, mib),
    };
    let mut start = (table.first_usable + numbers.below(3) * mib).next_multiple_of(step);
    for _ in 0..numbers.below(6) {
        let sectors = match unit {
            1 => 1 + numbers.below(20 * mib),
            unit => unit * (1 + numbers.below(20)),
        };
        if start + sectors - 1 > table.last_usable {
            break;
        }
        let number = match numbers.one_in(6) {
            true => 1 + numbers.below(128) as u32,
            false => table.entries.keys().max().map_or(1, |n| (n + 1).min(128)),
        };
        let new = entry(numbers, number, start, sectors);
        table.entries.entry(number).or_insert(new);
        start += sectors
            + numbers.pick(&[0, 0, 1, 8]) * mib
            + numbers.below(2) * u64::from(unit == 1) * numbers.below(3000);
        start = start.next_multiple_of(step);
    }
    Some(table)
}

fn entry(numbers: &mut Numbers, number: u32, start: u64, sectors: u64) -> Entry {
    Entry {
        start,
        sectors,
        type_guid: match numbers.one_in(3) {
            true => KINDS[1].parse().expect("a GUID"),
            false => LINUX_DATA,
        },
        guid: GuidChoice::Given(guid(number)),
        label: match numbers.one_in(4) {
            true => String::new(),
            false => numbers.pick(LABELS).into(),
        },
        attributes: numbers.pick(&[0, 0, 1, 4, 1 << 60, 1 << 63]),
    }
}

fn guid(number: u32) -> Guid {
    let mut bytes = [0xA5; 16];
    bytes[15] = number as u8;
    Guid(bytes)
}

/// A valid config as text, and the disk in it.
pub fn config(numbers: &mut Numbers, present: &Slots, medium: &Medium) -> (String, Disk) {
    loop {
        let limit = numbers.pick(&[1, 2, 4]);
        let partitions: Vec<Value> = (0..1 + numbers.below(limit))
            .map(|_| partition(numbers, present, medium))
            .collect();
        let disk = json!({"device": "/dev/vda", "wipeTable": numbers.one_in(15), "partitions": partitions});
        let text =
            json!({"ignition": {"version": "3.4.0"}, "storage": {"disks": [disk]}}).to_string();
        if let Ok(document) = config::parse("round.ign", text.as_bytes()).outcome {
            let disk = document.config().storage.disks[0].clone();
            return (text, disk);
        }
    }
}

fn partition(numbers: &mut Numbers, present: &Slots, medium: &Medium) -> Value {
    let existing: Vec<u32> = present.keys().copied().collect();
    let number = match numbers.below(10) {
        0..=5 if !existing.is_empty() => numbers.pick(&existing),
        6..=7 => 0,
        8 => numbers.pick(&[1, 2, 5, 127, 128, 129]),
        _ => 1 + numbers.below(8) as u32,
    };
    let mut requested = json!({"number": number});
    if numbers.percent(45) {
        requested["wipePartitionEntry"] = json!(numbers.percent(90));
    }
    if number > 0 && numbers.one_in(7) {
        requested["shouldExist"] = json!(false);
        return requested;
    }
    // An entry that is similar to a partition is a better test than one that is not.
    let similar = match number {
        0 if !existing.is_empty() => present.get(&numbers.pick(&existing)),
        number => present.get(&number),
    };
    let mib = medium.sectors_per_mib();
    let all = medium.sectors / mib;
    let own = |sectors: u64| sectors.is_multiple_of(mib).then_some(sectors / mib);
    if numbers.percent(35) {
        let start = similar
            .and_then(|slot| own(slot.start))
            .filter(|_| numbers.percent(70));
        let start = start.unwrap_or_else(|| numbers.below(all + 3));
        requested["startMiB"] = json!(if numbers.one_in(6) { 0 } else { start });
    }
    if numbers.percent(50) {
        let size = similar
            .and_then(|slot| own(slot.sectors))
            .filter(|_| numbers.percent(60));
        let size = size.unwrap_or_else(|| 1 + numbers.below(all / 3 + 3));
        requested["sizeMiB"] = json!(if numbers.one_in(6) { 0 } else { size });
    }
    if number == 0 || numbers.percent(40) {
        let label = similar
            .map(|slot| slot.label.clone())
            .filter(|_| numbers.percent(75));
        requested["label"] = json!(label.unwrap_or_else(|| numbers.pick(LABELS).into()));
    }
    if numbers.one_in(5) {
        let guid = similar
            .map(|slot| slot.guid.to_lowercase())
            .filter(|_| numbers.percent(60));
        requested["guid"] = json!(guid.unwrap_or_else(|| guid_text(numbers)));
    }
    if numbers.one_in(4) {
        let kind = similar
            .map(|slot| slot.kind.clone())
            .filter(|_| numbers.percent(60));
        requested["typeGuid"] = json!(kind.unwrap_or_else(|| numbers.pick(KINDS).into()));
    }
    if numbers.one_in(3) {
        requested["resize"] = json!(true);
    }
    requested
}

fn guid_text(numbers: &mut Numbers) -> String {
    format!("D00DFEED-0000-4000-8000-{:012X}", numbers.below(1 << 40))
}
