//! Runs the plan of a stage: tells the log and the console, and records everything.

use super::args::Stage;
use super::stage_failure::StageFailure;
use crate::execute::VolumeKeys;
use crate::execute::scheduler::{OperationOutcome, OperationRecord, Width};
use crate::log::Log;
use crate::narration::console::ConsoleProgress;
use crate::narration::log_lines::{Fetches, Narrator};
use crate::plan::digest::digest;
use crate::plan::{Operation, Plan};
use crate::report::OperationReport;
use crate::report::record;
use crate::report::remedy::Audience;
use crate::rounds::{Execution, MAX_JOBS, RunTarget};
use std::sync::atomic::AtomicBool;

/// What a stage runs with.
pub(crate) struct RunContext<'a> {
    pub stage: Stage,
    pub log: &'a Log,
    /// The console.
    pub progress: &'a ConsoleProgress,
    /// The target.
    pub machine: &'a RunTarget,
    /// Keys of volumes: those that were found before, and those of the run. Secret.
    pub keys: &'a VolumeKeys,
}

/// What a run did.
pub(crate) struct RunResult {
    pub plan_digest: String,
    pub operations: Vec<OperationReport>,
    /// How it ended.
    pub result: Result<(), StageFailure>,
    /// Ids of operations that made a directory that was not there before.
    pub made: Vec<u32>,
}

/// Executes a plan.
pub(crate) fn run(plan: &Plan, with: &RunContext<'_>) -> RunResult {
    for warning in &plan.warnings {
        with.log.warning(warning.line());
    }
    with.progress.plan(plan);
    let stop = AtomicBool::new(false);
    let execution = Execution {
        width: Width::of_machine(MAX_JOBS),
        stop: &stop,
        observer: &Narrator {
            log: with.log,
            prefix: with.stage.name(),
            root: with.machine.root.path(),
            also: with.progress,
        },
        events: &Fetches {
            log: with.log,
            stop: &stop,
            progress: Some(with.progress),
        },
        keys: with.keys,
    };
    let records = execution.run(plan, with.machine);
    RunResult {
        plan_digest: digest(plan),
        operations: record::reports(plan, &records, Audience::Boot),
        made: made(&records),
        result: result(plan, &records),
    }
}

fn made(records: &[OperationRecord]) -> Vec<u32> {
    let made = records
        .iter()
        .filter(|record| matches!(&record.outcome, OperationOutcome::Done(done) if done.made));
    made.map(|record| record.id.0).collect()
}

/// The first failure in plan order stands for all.
fn result(plan: &Plan, records: &[OperationRecord]) -> Result<(), StageFailure> {
    let operations = plan.operations.iter().zip(records);
    let mut failures = operations.filter_map(|(operation, record)| match &record.outcome {
        OperationOutcome::Failed(error) if !record::is_cancelled(error) => {
            Some(failure(operation, error))
        }
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
    StageFailure::at(operation.kind.describe(), error, operation.origin.clone())
}
