//! Random tables and random configs: the table our planner computes is the one that sgdisk leaves on
//! an image file when it is called as Ignition calls it, or both refuse.
//!
//! Where we differ on purpose, and what each difference is held to:
//! - An entry without number that describes a partition exactly is that partition ([`adopt`]); sgdisk
//!   would make a second one at every run. The result must be that of the entry with the number.
//! - A partition that keeps its start and its type keeps its attribute bits when it is resized or replaced; sgdisk clears them.
//! - A given start with an open size: sgdisk takes the end of the largest free block and fails when
//!   the start is in another one. The result must be that of sgdisk with the size written out.
//! - A start that sgdisk moves when it commits, so that Ignition's check fails behind a table that is
//!   already written: we place it where it was resolved, or refuse.
//!
//! `KINDLING_SGDISK_SEED` asks for other rounds, `KINDLING_SGDISK_ROUND` repeats one of them.
#![allow(
    clippy::print_stdout,
    reason = "a test that fails shows how far it came"
)]

mod disk;
mod ours;
mod random;
mod reference;

use disk::{Medium, Slot};
use random::Numbers;
use reference::{Outcome, Sgdisk, Want};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const SEED: u64 = 0x5EED_0F56_17D1_5C00;

/// A table by slot.
type Slots = BTreeMap<u32, Slot>;

/// How often what was seen; a test that only sees refusals shows nothing.
#[derive(Debug, Default)]
struct Tally {
    equal: AtomicU32,
    changed: AtomicU32,
    refused: AtomicU32,
    adopted: AtomicU32,
    resized: AtomicU32,
    better: AtomicU32,
    moved: AtomicU32,
}

impl Tally {
    fn count(counter: &AtomicU32) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    fn at_least(&self, name: &str, counter: &AtomicU32, share: u32, rounds: u32) {
        let seen = counter.load(Ordering::Relaxed);
        let is_one = std::env::var_os("KINDLING_SGDISK_ROUND").is_some();
        assert!(
            is_one || seen * share >= rounds,
            "{name}: only {seen} of {rounds} rounds: {self:?}"
        );
    }
}

#[test]
fn sectors_of_512_bytes() {
    files(3000);
}

/// About a minute on two processors that have nothing else to do.
#[test]
#[ignore = "the same as sectors_of_512_bytes, longer"]
fn ten_thousand_rounds() {
    files(10_000);
}

fn files(count: u32) {
    let tally = rounds(count, Medium::file);
    judge(&tally, count);
    for (name, counter) in [
        ("adopted", &tally.adopted),
        ("resized", &tally.resized),
        ("better", &tally.better),
    ] {
        tally.at_least(name, counter, 200, count);
    }
}

/// sgdisk takes the sectors of a file to have 512 bytes; so these are loop devices.
#[test]
fn sectors_of_4096_bytes() {
    judge(&rounds(400, Medium::loop_device), 400);
}

fn judge(tally: &Tally, count: u32) {
    println!("{count} rounds: {tally:?}");
    for (name, counter) in [
        ("equal", &tally.equal),
        ("changed", &tally.changed),
        ("refused", &tally.refused),
    ] {
        tally.at_least(name, counter, 8, count);
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

fn rounds(count: u32, medium: fn() -> Medium) -> Tally {
    let sgdisk = Sgdisk::new();
    let tally = Tally::default();
    let seed = number_from("KINDLING_SGDISK_SEED").unwrap_or(SEED);
    let only = number_from("KINDLING_SGDISK_ROUND").map(|round| round as u32);
    let next = AtomicU32::new(only.unwrap_or(0));
    let end = only.map_or(count, |round| round + 1);
    let failures = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut medium = medium();
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= end || failures.lock().expect("no panic").len() >= 3 {
                        return;
                    }
                    let numbers = Numbers::of_round(seed, round);
                    if let Err(failure) = one(numbers, &mut medium, &sgdisk, &tally) {
                        let mut all = failures.lock().expect("no panic");
                        all.push(format!("round {round} of seed {seed}: {failure}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    tally
}

/// One round; the error tells everything about it.
fn one(
    mut numbers: Numbers,
    medium: &mut Medium,
    sgdisk: &Sgdisk,
    tally: &Tally,
) -> Result<(), String> {
    let table = random::table(&mut numbers, medium);
    medium.reset(table.as_ref());
    let before = medium.slots();
    let (config, disk) = random::config(&mut numbers, &before, medium);

    let ours = ours::plan(&config, medium);
    let mut wanted = reference::wanted(&disk, medium.sector_bytes);
    let wiped = disk.wipe_table == Some(true);
    let present = if wiped { Slots::new() } else { before.clone() };
    if adopt(&mut wanted, &present) {
        Tally::count(&tally.adopted);
    }
    let mut log = Vec::new();
    let theirs = sgdisk.ignition(&wanted, wiped, medium, &mut log);

    let verdict = match (&ours, &theirs) {
        (Ok(ours), Outcome::Made(theirs)) => same(ours, theirs, &before, tally).map(|()| {
            Tally::count(if *ours == before {
                &tally.equal
            } else {
                &tally.changed
            });
        }),
        (Err(_), Outcome::Refused(_)) => {
            Tally::count(&tally.refused);
            Ok(())
        }
        (Err(_), Outcome::Moved(_)) => {
            Tally::count(&tally.moved);
            Ok(())
        }
        (Ok(ours), Outcome::Moved(resolved)) => {
            Tally::count(&tally.moved);
            places(ours, resolved)
        }
        (Ok(ours), Outcome::Refused(_)) => {
            Tally::count(&tally.better);
            medium.reset(table.as_ref());
            written_out(
                ours, &before, &present, &wanted, wiped, medium, sgdisk, &mut log, tally,
            )
        }
        (Err(why), Outcome::Made(_)) => Err(format!("we alone refuse: {why}")),
    };
    verdict.map_err(|why| {
        format!(
            "{why}\nsectors of {} bytes, {} of them\ntable: {before:#?}\nconfig: {config}\nsgdisk:\n{}\nours: {ours:#?}\ntheirs: {theirs:#?}",
            medium.sector_bytes,
            medium.sectors,
            log.join("\n")
        )
    })
}

/// Names the partitions that entries without number stand for. True if there is one.
fn adopt(wanted: &mut [Want], present: &Slots) -> bool {
    let mut taken: Vec<u32> = wanted.iter().map(|want| want.number).collect();
    let mut adopted = Vec::new();
    for want in wanted
        .iter_mut()
        .filter(|want| want.number == 0 && want.should_exist)
    {
        let is =
            |given: Option<u64>, own: u64| matches!(given, None | Some(0)) || given == Some(own);
        let text = |given: &str, own: &str| given.is_empty() || given.eq_ignore_ascii_case(own);
        let own = present.iter().find(|(number, slot)| {
            !taken.contains(number)
                && want.label.as_ref() == Some(&slot.label)
                && is(want.start, slot.start)
                && is(want.size, slot.sectors)
                && text(&want.kind, &slot.kind)
                && text(&want.guid, &slot.guid)
        });
        if let Some((number, slot)) = own {
            taken.push(*number);
            want.number = *number;
            want.start = Some(slot.start);
            want.size = Some(slot.sectors);
            adopted.push(*number);
        }
    }
    // What is there already stands before anything is placed.
    wanted.sort_by_key(|want| !adopted.contains(&want.number));
    !adopted.is_empty()
}

/// Two tables, but for GUIDs that chance chose and the attribute bits of what keeps its start and its type.
fn same(ours: &Slots, theirs: &Slots, before: &Slots, tally: &Tally) -> Result<(), String> {
    let numbers = |slots: &Slots| slots.keys().copied().collect::<Vec<u32>>();
    if numbers(ours) != numbers(theirs) {
        return Err(format!(
            "slots {:?}, sgdisk {:?}",
            numbers(ours),
            numbers(theirs)
        ));
    }
    for (number, own) in ours {
        let other = &theirs[number];
        let is_random = own.guid.is_empty();
        if is_random && before.values().any(|slot| slot.guid == other.guid) {
            return Err(format!(
                "partition {number}: a new GUID, sgdisk keeps {}",
                other.guid
            ));
        }
        let is_resized = before.get(number).is_some_and(|old| {
            (old.start, &old.guid, &old.label) == (own.start, &own.guid, &own.label)
                && old.sectors != own.sectors
        });
        if is_resized {
            Tally::count(&tally.resized);
        }
        let mut expected = other.clone();
        if is_random {
            expected.guid.clear();
        }
        let keeps_bits = before.get(number).is_some_and(|old| {
            (old.start, &old.kind, old.attributes) == (own.start, &own.kind, own.attributes)
        });
        if keeps_bits {
            expected.attributes = own.attributes;
        }
        if *own != expected {
            return Err(format!("partition {number}: {own:?}, sgdisk {other:?}"));
        }
    }
    Ok(())
}

/// Every resolved partition lies where it was resolved.
fn places(ours: &Slots, resolved: &BTreeMap<u32, (u64, u64)>) -> Result<(), String> {
    for (number, place) in resolved {
        let own = ours.get(number).map(|slot| (slot.start, slot.sectors));
        if own != Some(*place) {
            return Err(format!("partition {number} at {own:?}, resolved {place:?}"));
        }
    }
    Ok(())
}

/// Where sgdisk fails only because an open size is not the largest block's: it must make of our sizes what we do.
#[allow(clippy::too_many_arguments, reason = "all of a round")]
fn written_out(
    ours: &Slots,
    before: &Slots,
    present: &Slots,
    wanted: &[Want],
    wiped: bool,
    medium: &Medium,
    sgdisk: &Sgdisk,
    log: &mut Vec<String>,
    tally: &Tally,
) -> Result<(), String> {
    let is_open = |value: Option<u64>| matches!(value, None | Some(0));
    let mut full = wanted.to_vec();
    let mut any = false;
    let resolved = reference::numbered(wanted, present);
    for (want, resolved) in full
        .iter_mut()
        .zip(resolved)
        .filter(|(want, _)| want.should_exist)
    {
        let Some(slot) = ours.get(&resolved.number) else {
            return Err(format!(
                "we have no partition {}, and sgdisk refuses",
                resolved.number
            ));
        };
        if is_open(want.size) {
            any = true;
            want.start = Some(slot.start);
            want.size = Some(slot.sectors);
        }
    }
    if !any {
        return Err("sgdisk alone refuses".into());
    }
    log.push("with sizes written out:".into());
    match sgdisk.ignition(&full, wiped, medium, log) {
        Outcome::Made(theirs) => same(ours, &theirs, before, tally),
        other => Err(format!(
            "sgdisk refuses with sizes written out, too: {other:?}"
        )),
    }
}
