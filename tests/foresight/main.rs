//! A plan does not lie: random configs on random trees and images.
//!
//! If `plan` accepts, `apply` succeeds and the next `plan` has nothing to do; if `plan` refuses, `apply` refuses as well and
//! the target stays as it was, byte for byte. Nothing else may happen. A case that fails is made small before it is shown.
//!
//! `KINDLING_FORESIGHT_ROUNDS` asks for another number of rounds, `KINDLING_FORESIGHT_SEED` for other ones,
//! `KINDLING_FORESIGHT_ROUND` repeats one of them, `KINDLING_FORESIGHT_FAULTS` is how many kinds of fault end a run.
//! `KINDLING_FORESIGHT_BINARY` names another build of the program.
#![allow(
    clippy::print_stdout,
    reason = "a test that fails shows how far it came"
)]

mod chance;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod fixed;
mod judge;
mod scene;
mod shrink;
mod snapshot;
mod stock;
mod tree;
mod wishes;

use chance::Chance;
use common::namespace;
use judge::{Case, Target, Verdict, Workshop};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of the rounds that are the same in every run.
const SEED: u64 = 0x14F0_5E51_6874;

/// Of so many in 100 cases, a plan has to be accepted; a test that only sees refusals shows nothing.
const ACCEPTED_PERCENT: u32 = 25;

/// From so many rounds on, the share is judged: of ten of a fresh seed, two may well be all that are accepted.
const MIN_ROUNDS_FOR_SHARE: u32 = 90;

/// One kind of rounds.
#[derive(Clone, Copy)]
struct Kind {
    test: &'static str,
    rounds: u32,
    case: fn(&mut Chance) -> Case,
}

impl Kind {
    /// So few rounds of a fresh seed that a plain run does not fail by chance for what it did not change;
    /// `make test-foresight` runs many.
    fn few(self) -> Self {
        Self {
            rounds: self.rounds / 9,
            ..self
        }
    }
}

const TREES: Kind = Kind {
    test: "trees",
    rounds: 450,
    case: tree_case,
};
const IMAGES: Kind = Kind {
    test: "images",
    rounds: 90,
    case: disk::random,
};

fn tree_case(chance: &mut Chance) -> Case {
    let steps = tree::random(chance);
    Case {
        target: Target::Tree,
        steps,
        config: wishes::random(chance),
    }
}

#[test]
fn trees_of_a_fixed_seed() {
    rounds(TREES, SEED);
}

#[test]
fn trees_of_a_fresh_seed() {
    rounds(TREES.few(), fresh());
}

#[test]
fn images_of_a_fixed_seed() {
    rounds(IMAGES, SEED);
}

#[test]
fn images_of_a_fresh_seed() {
    rounds(IMAGES.few(), fresh());
}

/// What must be accepted, whatever else is refused.
#[test]
fn ordinary_configs_are_accepted() {
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stock::prepare();
            namespace::enter();
            let directory = tempfile::tempdir().expect("a temporary directory");
            let workshop = Workshop::new(directory.path());
            for (name, case) in fixed::accepted() {
                let failure = match workshop.judge(&case) {
                    Ok(Verdict::Changes) => continue,
                    Ok(verdict) => format!("{verdict:?}, {}", case.config),
                    Err(fault) => fault.story,
                };
                failures
                    .lock()
                    .expect("no panic")
                    .push(format!("{name}: {failure}"));
            }
        });
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn fresh() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    now.as_nanos() as u64
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// What the workers share.
#[derive(Default)]
struct Tally {
    nothing: AtomicU32,
    changes: AtomicU32,
    refused: AtomicU32,
    faults: Mutex<BTreeMap<String, u32>>,
}

impl Tally {
    fn count(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Nothing => &self.nothing,
            Verdict::Changes => &self.changes,
            Verdict::Refused => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a fault of a kind; true if it is the first one.
    fn is_new(&self, kind: &str) -> bool {
        let mut faults = self.faults.lock().expect("no panic");
        let entry = faults.entry(kind.to_owned()).or_default();
        *entry += 1;
        *entry == 1
    }
}

fn rounds(kind: Kind, seed: u64) {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test mounts file systems and needs root; run `make test` as root"
    );
    stock::prepare();
    let seed = number_from("KINDLING_FORESIGHT_SEED").unwrap_or(seed);
    let only = number_from("KINDLING_FORESIGHT_ROUND").map(|round| round as u32);
    let count =
        number_from("KINDLING_FORESIGHT_ROUNDS").map_or(kind.rounds, |rounds| rounds as u32);
    let most = number_from("KINDLING_FORESIGHT_FAULTS").unwrap_or(3) as usize;
    let next = AtomicU32::new(only.unwrap_or(0));
    let end = only.map_or(count, |round| round + 1);
    println!("{}: {count} rounds of seed {seed}", kind.test);
    let tally = Tally::default();
    // Each in a thread and a mount namespace of its own; two tests run at a time.
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                namespace::enter();
                let directory = tempfile::tempdir().expect("a temporary directory");
                let workshop = Workshop::new(directory.path());
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= end || tally.faults.lock().expect("no panic").len() >= most {
                        return;
                    }
                    one(kind, seed, round, &workshop, &tally);
                }
            });
        }
    });
    conclude(tally, kind);
}

/// One round, counted.
fn one(kind: Kind, seed: u64, round: u32, workshop: &Workshop, tally: &Tally) {
    let case = (kind.case)(&mut Chance::of_round(seed, round));
    let fault = match workshop.judge(&case) {
        Ok(verdict) => return tally.count(verdict),
        Err(fault) => fault,
    };
    let name = fault.kind.clone();
    if !tally.is_new(&name) {
        return;
    }
    println!("round {round} of seed {seed} failed: {name}");
    let (_, small) = shrink::smallest(workshop, &case, fault);
    let repeat = format!(
        "KINDLING_FORESIGHT_SEED={seed} KINDLING_FORESIGHT_ROUND={round} cargo test --test foresight {}_of_a_fixed_seed -- --nocapture",
        kind.test
    );
    let story = format!(
        "round {round} of seed {seed}, made small; the whole of it: {repeat}\n{}",
        small.story
    );
    // A run that is ended from outside has shown what it found.
    println!("===== {name}\n{story}");
}

fn conclude(tally: Tally, kind: Kind) {
    let faults = tally.faults.into_inner().expect("no panic");
    let failed: u32 = faults.values().sum();
    let (nothing, changes, refused) = (
        tally.nothing.into_inner(),
        tally.changes.into_inner(),
        tally.refused.into_inner(),
    );
    let all = nothing + changes + refused + failed;
    println!(
        "{}: {all} rounds: {changes} with changes, {nothing} with nothing to do, {refused} refused, {failed} faults",
        kind.test
    );
    let names: Vec<String> = faults
        .iter()
        .map(|(name, count)| format!("{count} times: {name}"))
        .collect();
    assert!(
        faults.is_empty(),
        "{} kinds of fault, shown above\n{}",
        faults.len(),
        names.join("\n")
    );
    assert!(
        all < MIN_ROUNDS_FOR_SHARE || (nothing + changes) * 100 >= all * ACCEPTED_PERCENT,
        "only {} of {all} plans are accepted",
        nothing + changes
    );
}
