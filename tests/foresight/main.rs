//! Plans predict what happens: random configs on random trees and images.
//!
//! If `plan` accepts, `apply` succeeds and the next `plan` has nothing to do; if `plan` refuses, `apply` refuses as
//! well and the target stays unchanged, byte for byte. Nothing else may happen. A case that fails is minimized before
//! it is shown.
//!
//! `KINDLING_FORESIGHT_ROUNDS` sets the number of rounds, `KINDLING_FORESIGHT_SEED` the seed,
//! `KINDLING_FORESIGHT_ROUND` repeats a single round, `KINDLING_FORESIGHT_FAULTS` is how many kinds of fault end a run.
//! `KINDLING_FORESIGHT_BINARY` names another build of the program.
#![allow(
    clippy::print_stdout,
    reason = "a test that fails shows how far it came"
)]

#[path = "../common/mod.rs"]
mod common;
mod configs;
mod disk;
mod fixed;
mod rng;
mod round;
mod scene;
mod shrink;
mod snapshot;
mod stock;
mod tree;

use common::namespace;
use common::run::number_from;
use rng::Rng;
use round::{Case, Target, Verdict, Workspace};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of the rounds that are the same in every run.
const SEED: u64 = 0x14F0_5E51_6874;

/// Minimum share of accepted plans: a test that only sees refusals proves nothing.
const MIN_ACCEPTED_PERCENT: u32 = 25;

/// Minimum number of rounds to check the share: with ten rounds of a fresh seed, only two may be accepted by chance.
const MIN_ROUNDS_FOR_SHARE: u32 = 90;

/// A kind of rounds.
#[derive(Clone, Copy)]
struct Kind {
    test: &'static str,
    rounds: u32,
    case: fn(&mut Rng) -> Case,
}

impl Kind {
    /// So few rounds of a fresh seed that an ordinary run does not fail by chance for unrelated reasons;
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

fn tree_case(rng: &mut Rng) -> Case {
    let steps = tree::random(rng);
    Case {
        target: Target::Tree,
        steps,
        config: configs::random(rng),
    }
}

#[test]
fn trees_of_a_fixed_seed() {
    rounds(TREES, SEED);
}

#[test]
fn trees_of_a_fresh_seed() {
    rounds(TREES.few(), fresh_seed());
}

#[test]
fn images_of_a_fixed_seed() {
    rounds(IMAGES, SEED);
}

#[test]
fn images_of_a_fresh_seed() {
    rounds(IMAGES.few(), fresh_seed());
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
            let workspace = Workspace::new(directory.path());
            for (name, case) in fixed::accepted() {
                let failure = match workspace.run(&case) {
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

fn fresh_seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    now.as_nanos() as u64
}

/// Counts that the workers share.
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

    /// Counts a fault of a kind. Returns true if it is the first one.
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
    let max_faults = number_from("KINDLING_FORESIGHT_FAULTS").unwrap_or(3) as usize;
    let next = AtomicU32::new(only.unwrap_or(0));
    let end = only.map_or(count, |round| round + 1);
    println!("{}: {count} rounds of seed {seed}", kind.test);
    let tally = Tally::default();
    // Each worker has a thread and a mount namespace of its own; two tests run at a time.
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                namespace::enter();
                let directory = tempfile::tempdir().expect("a temporary directory");
                let workspace = Workspace::new(directory.path());
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= end || tally.faults.lock().expect("no panic").len() >= max_faults {
                        return;
                    }
                    run_round(kind, seed, round, &workspace, &tally);
                }
            });
        }
    });
    conclude(tally, kind);
}

/// Runs one round and counts it.
fn run_round(kind: Kind, seed: u64, round: u32, workspace: &Workspace, tally: &Tally) {
    let case = (kind.case)(&mut Rng::of_round(seed, round));
    let fault = match workspace.run(&case) {
        Ok(verdict) => return tally.count(verdict),
        Err(fault) => fault,
    };
    let name = fault.kind.clone();
    if !tally.is_new(&name) {
        return;
    }
    println!("round {round} of seed {seed} failed: {name}");
    let (_, small) = shrink::minimize(workspace, &case, fault);
    let repeat = format!(
        "KINDLING_FORESIGHT_SEED={seed} KINDLING_FORESIGHT_ROUND={round} cargo test --test foresight {}_of_a_fixed_seed -- --nocapture",
        kind.test
    );
    let story = format!(
        "round {round} of seed {seed}, made small; the whole of it: {repeat}\n{}",
        small.story
    );
    // Printed at once, so that a run that is ended from outside has shown what it found.
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
        all < MIN_ROUNDS_FOR_SHARE || (nothing + changes) * 100 >= all * MIN_ACCEPTED_PERCENT,
        "only {} of {all} plans are accepted",
        nothing + changes
    );
}
