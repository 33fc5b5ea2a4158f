//! Runs the plan of a stage, logs it, shows its progress, and records the results.

use super::args::Stage;
use super::stage_failure::StageFailure;
use crate::execute::VolumeKeys;
use crate::execute::scheduler::{OperationOutcome, OperationRecord, Width};
use crate::log::Log;
use crate::narration::console::ConsoleProgress;
use crate::narration::log_lines::{FetchLogger, OperationLogger};
use crate::plan::digest::digest;
use crate::plan::{Operation, Plan};
use crate::report::OperationReport;
use crate::report::record;
use crate::report::remedy::Audience;
use crate::rounds::{Execution, MAX_JOBS, RunTarget};
use std::sync::atomic::AtomicBool;

/// The context for running a plan.
pub(crate) struct RunContext<'a> {
    pub stage: Stage,
    pub log: &'a Log,
    /// Progress on the consoles.
    pub progress: &'a ConsoleProgress,
    /// The target.
    pub machine: &'a RunTarget,
    /// Keys of volumes: those found before, and those the run creates. Secret.
    pub keys: &'a VolumeKeys,
}

/// The result of running a plan.
pub(crate) struct RunResult {
    pub plan_digest: String,
    pub operations: Vec<OperationReport>,
    /// The first failure, if any.
    pub result: Result<(), StageFailure>,
    /// Ids of the operations that created a directory.
    pub created_directories: Vec<u32>,
}

/// Executes a plan.
pub(crate) fn run(plan: &Plan, context: &RunContext<'_>) -> RunResult {
    for warning in &plan.warnings {
        context.log.warning(warning.line());
    }
    context.progress.plan(plan);
    let stop = AtomicBool::new(false);
    let execution = Execution {
        width: Width::of_machine(MAX_JOBS),
        stop: &stop,
        observer: &OperationLogger {
            log: context.log,
            prefix: context.stage.name(),
            root: context.machine.root.path(),
            next: context.progress,
        },
        events: &FetchLogger {
            log: context.log,
            stop: &stop,
            progress: Some(context.progress),
        },
        keys: context.keys,
    };
    let records = execution.run(plan, context.machine);
    RunResult {
        plan_digest: digest(plan),
        operations: record::reports(plan, &records, Audience::Boot),
        created_directories: created_directories(&records),
        result: result(plan, &records),
    }
}

fn created_directories(records: &[OperationRecord]) -> Vec<u32> {
    let created = records
        .iter()
        .filter(|record| matches!(&record.outcome, OperationOutcome::Done(done) if done.made));
    created.map(|record| record.id.0).collect()
}

/// The first failure in plan order, with the number of the others.
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
