//! Random tables and random configs: the table that our planner computes is the one that sgdisk leaves on an image file
//! when it is called as Ignition calls it, or both reject the config.
//!
//! We differ on purpose in these cases, which have these requirements:
//! - An entry without number that describes a partition exactly is that partition ([`adopt`]); sgdisk
//!   would create another one in every run. The result must be that of the entry with the number.
//! - A partition that keeps its start and its type keeps its attribute bits when it is resized or replaced; sgdisk clears them.
//! - A given start with an open size: sgdisk uses the end of the largest free block and fails if
//!   the start is in another one. The result must be that of sgdisk with an explicit size.
//! - A start that sgdisk moves when it commits, so that Ignition's check fails after the table has
//!   been written: we place it where it was resolved, or reject the config.
//!
//! `KINDLING_SGDISK_SEED` selects other rounds, `KINDLING_SGDISK_ROUND` repeats one of them.
#![allow(
    clippy::print_stdout,
    reason = "a test that fails shows how far it came"
)]

mod disk;
mod ours;
mod random;
mod reference;

use crate::common::run::number_from;
use disk::{Medium, Slot};
use random::Numbers;
use reference::{Outcome, RequestedPartition, Sgdisk};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const SEED: u64 = 0x5EED_0F56_17D1_5C00;

/// A table by slot.
type Slots = BTreeMap<u32, Slot>;

/// How often each case occurred; a test with only refusals would prove nothing.
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

/// Takes about a minute on two idle processors.
#[test]
#[ignore = "the same as sectors_of_512_bytes, longer"]
fn ten_thousand_rounds() {
    files(10_000);
}

fn files(count: u32) {
    let tally = rounds(count, Medium::file);
    check_tally(&tally, count);
    for (name, counter) in [
        ("adopted", &tally.adopted),
        ("resized", &tally.resized),
        ("better", &tally.better),
    ] {
        tally.at_least(name, counter, 200, count);
    }
}

/// sgdisk assumes sectors of 512 bytes for files, so these are loop devices.
#[test]
fn sectors_of_4096_bytes() {
    check_tally(&rounds(400, Medium::loop_device), 400);
}

fn check_tally(tally: &Tally, count: u32) {
    println!("{count} rounds: {tally:?}");
    for (name, counter) in [
        ("equal", &tally.equal),
        ("changed", &tally.changed),
        ("refused", &tally.refused),
    ] {
        tally.at_least(name, counter, 8, count);
    }
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
                    if let Err(failure) = run_round(numbers, &mut medium, &sgdisk, &tally) {
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

/// Runs one round; the error describes all of it.
fn run_round(
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
    let mut requested = reference::requested_partitions(&disk, medium.sector_bytes);
    let wiped = disk.wipe_table == Some(true);
    let present = if wiped { Slots::new() } else { before.clone() };
    if adopt(&mut requested, &present) {
        Tally::count(&tally.adopted);
    }
    let mut log = Vec::new();
    let theirs = sgdisk.ignition(&requested, wiped, medium, &mut log);

    let result = match (&ours, &theirs) {
        (Ok(ours), Outcome::Made(theirs)) => {
            compare_tables(ours, theirs, &before, tally).map(|()| {
                Tally::count(if *ours == before {
                    &tally.equal
                } else {
                    &tally.changed
                });
            })
        }
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
            check_places(ours, resolved)
        }
        (Ok(ours), Outcome::Refused(_)) => {
            Tally::count(&tally.better);
            medium.reset(table.as_ref());
            check_with_explicit_sizes(
                ours, &before, &present, &requested, wiped, medium, sgdisk, &mut log, tally,
            )
        }
        (Err(reason), Outcome::Made(_)) => Err(format!("we alone refuse: {reason}")),
    };
    result.map_err(|reason| {
        format!(
            "{reason}\nsectors of {} bytes, {} of them\ntable: {before:#?}\nconfig: {config}\nsgdisk:\n{}\nours: {ours:#?}\ntheirs: {theirs:#?}",
            medium.sector_bytes,
            medium.sectors,
            log.join("\n")
        )
    })
}

/// Assigns existing partitions to entries without number that describe them. True if there is one.
fn adopt(requested: &mut [RequestedPartition], present: &Slots) -> bool {
    let mut taken: Vec<u32> = requested.iter().map(|partition| partition.number).collect();
    let mut adopted = Vec::new();
    for partition in requested
        .iter_mut()
        .filter(|partition| partition.number == 0 && partition.should_exist)
    {
        let is =
            |given: Option<u64>, own: u64| matches!(given, None | Some(0)) || given == Some(own);
        let text = |given: &str, own: &str| given.is_empty() || given.eq_ignore_ascii_case(own);
        let own = present.iter().find(|(number, slot)| {
            !taken.contains(number)
                && partition.label.as_ref() == Some(&slot.label)
                && is(partition.start, slot.start)
                && is(partition.size, slot.sectors)
                && text(&partition.kind, &slot.kind)
                && text(&partition.guid, &slot.guid)
        });
        if let Some((number, slot)) = own {
            taken.push(*number);
            partition.number = *number;
            partition.start = Some(slot.start);
            partition.size = Some(slot.sectors);
            adopted.push(*number);
        }
    }
    // Existing partitions come before any that are to be placed.
    requested.sort_by_key(|partition| !adopted.contains(&partition.number));
    !adopted.is_empty()
}

/// Compares two tables, except for random GUIDs and the attribute bits of partitions that keep their start and type.
fn compare_tables(
    ours: &Slots,
    theirs: &Slots,
    before: &Slots,
    tally: &Tally,
) -> Result<(), String> {
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

/// Checks that every resolved partition is where it was resolved.
fn check_places(ours: &Slots, resolved: &BTreeMap<u32, (u64, u64)>) -> Result<(), String> {
    for (number, place) in resolved {
        let own = ours.get(number).map(|slot| (slot.start, slot.sectors));
        if own != Some(*place) {
            return Err(format!("partition {number} at {own:?}, resolved {place:?}"));
        }
    }
    Ok(())
}

/// If sgdisk fails only because an open size is not that of the largest block, it must give our result with our sizes.
#[allow(clippy::too_many_arguments, reason = "all of a round")]
fn check_with_explicit_sizes(
    ours: &Slots,
    before: &Slots,
    present: &Slots,
    requested: &[RequestedPartition],
    wiped: bool,
    medium: &Medium,
    sgdisk: &Sgdisk,
    log: &mut Vec<String>,
    tally: &Tally,
) -> Result<(), String> {
    let is_open = |value: Option<u64>| matches!(value, None | Some(0));
    let mut full = requested.to_vec();
    let mut any = false;
    let resolved = reference::assign_numbers(requested, present);
    for (partition, resolved) in full
        .iter_mut()
        .zip(resolved)
        .filter(|(partition, _)| partition.should_exist)
    {
        let Some(slot) = ours.get(&resolved.number) else {
            return Err(format!(
                "we have no partition {}, and sgdisk refuses",
                resolved.number
            ));
        };
        if is_open(partition.size) {
            any = true;
            partition.start = Some(slot.start);
            partition.size = Some(slot.sectors);
        }
    }
    if !any {
        return Err("sgdisk alone refuses".into());
    }
    log.push("with sizes written out:".into());
    match sgdisk.ignition(&full, wiped, medium, log) {
        Outcome::Made(theirs) => compare_tables(ours, &theirs, before, tally),
        other => Err(format!(
            "sgdisk refuses with sizes written out, too: {other:?}"
        )),
    }
}
