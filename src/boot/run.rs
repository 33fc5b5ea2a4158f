//! Runs the plan of a stage: tells the log and the console, and records everything.

use super::args::Stage;
use super::console::Progress;
use super::operation_log::{Fetches, Narrator};
use super::stage_failure::StageFailure;
use crate::execute::record::{self, Place};
use crate::execute::scheduler::{self, Outcome, Record, Width};
use crate::execute::{Context, KeyStore, Keys};
use crate::fetch::Fetcher;
use crate::host::{Devices, TargetRoot};
use crate::log::Log;
use crate::plan::digest::digest;
use crate::plan::{Operation, Plan};
use crate::report::OperationReport;
use std::sync::atomic::AtomicBool;

/// More transfers or mkfs processes at once than this help no machine we know.
const MAX_WORKERS: usize = 16;

/// What a stage runs with.
pub struct RunContext<'a> {
    /// The stage.
    pub stage: Stage,
    /// The log.
    pub log: &'a Log,
    /// The target root.
    pub root: &'a TargetRoot,
    /// For contents and keys.
    pub fetcher: &'a Fetcher,
    /// The console.
    pub progress: &'a Progress,
}

/// What a run did.
pub struct RunResult {
    /// Digest of the plan.
    pub plan_digest: String,
    /// Every operation.
    pub operations: Vec<OperationReport>,
    /// Keys of volumes. Secret.
    pub keys: KeyStore,
    /// How it ended.
    pub result: Result<(), StageFailure>,
    /// Ids of operations that made a directory that was not there before.
    pub made: Vec<u32>,
}

/// Executes a plan, with keys that were found before.
pub fn run(plan: &Plan, keys: Keys, with: &RunContext<'_>) -> RunResult {
    for warning in &plan.warnings {
        with.log.warning(warning.line());
    }
    with.progress.plan(plan);
    let stop = AtomicBool::new(false);
    let devices = Devices::default();
    let fetches = Fetches {
        log: with.log,
        stop: &stop,
        progress: Some(with.progress),
    };
    let context = Context {
        root: with.root,
        devices: &devices,
        fetcher: with.fetcher,
        events: &fetches,
        keys: &keys,
        copies: crate::execute::Copies::default(),
    };
    let narrator = Narrator {
        log: with.log,
        stage: with.stage,
        root: with.root.path(),
        also: with.progress,
    };
    let width = Width::of_machine(MAX_WORKERS);
    let records = scheduler::run(plan, width, &stop, &narrator, &|operation| {
        crate::execute::execute(&operation.kind, &context)
    });
    RunResult {
        plan_digest: digest(plan),
        operations: record::reports(plan, &records, Place::Boot),
        keys: keys.into_inner(),
        made: made(&records),
        result: result(plan, &records),
    }
}

fn made(records: &[Record]) -> Vec<u32> {
    let made = records
        .iter()
        .filter(|record| matches!(&record.outcome, Outcome::Done(done) if done.made));
    made.map(|record| record.id.0).collect()
}

/// The first failure in plan order stands for all.
fn result(plan: &Plan, records: &[Record]) -> Result<(), StageFailure> {
    let operations = plan.operations.iter().zip(records);
    let mut failures = operations.filter_map(|(operation, record)| match &record.outcome {
        Outcome::Failed(error) if !record::is_cancelled(error) => Some(failure(operation, error)),
        _ => None,
    });
    match failures.next() {
        None => Ok(()),
        Some(first) => Err(StageFailure {
            more: failures.count(),
            ..first
        }),
    }
}

fn failure(operation: &Operation, error: &anyhow::Error) -> StageFailure {
    StageFailure {
        origin: operation.origin.clone().map(Box::new),
        ..StageFailure::of(operation.kind.describe(), error)
    }
}
