//! Records of a run as entries of a report.

use super::remedy::{Audience, remedy};
use super::{OperationReport, Outcome as Told, code};
use crate::execute::scheduler::{OperationOutcome, OperationRecord};
use crate::fetch::FetchError;
use crate::plan::{Effect, Operation, Plan};
use std::time::Duration;

/// One entry per operation, in plan order.
pub(crate) fn reports(
    plan: &Plan,
    records: &[OperationRecord],
    place: Audience,
) -> Vec<OperationReport> {
    let operations = plan.operations.iter().zip(records);
    operations
        .map(|(operation, record)| operation_report(operation, record, place))
        .collect()
}

/// Entries of the operations that failed or were not started, in plan order.
pub(crate) fn troubles(
    plan: &Plan,
    records: &[OperationRecord],
    place: Audience,
) -> Vec<OperationReport> {
    let operations = plan.operations.iter().zip(records);
    operations
        .filter(|(_, record)| !matches!(record.outcome, OperationOutcome::Done(_)))
        .map(|(operation, record)| operation_report(operation, record, place))
        .collect()
}

/// Adds entries of a plan that ran behind another: their numbers go on from those.
pub(crate) fn append(entries: &mut Vec<OperationReport>, more: Vec<OperationReport>) {
    let first = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    entries.extend(more.into_iter().map(|entry| {
        OperationReport {
            id: entry.id.saturating_add(first),
            after: entry
                .after
                .iter()
                .map(|id| id.saturating_add(first))
                .collect(),
            ..entry
        }
    }));
}

fn operation_report(
    operation: &Operation,
    record: &OperationRecord,
    place: Audience,
) -> OperationReport {
    let (outcome, bytes) = match &record.outcome {
        OperationOutcome::Done(_) if operation.effect == Effect::Skip => (Told::Skipped, None),
        OperationOutcome::Done(_) if operation.effect == Effect::Keep => (Told::AlreadyRight, None),
        OperationOutcome::Done(done) => (Told::Done, done.bytes),
        OperationOutcome::Failed(error) if is_cancelled(error) => (Told::NotStarted, None),
        OperationOutcome::Failed(error) => (
            Told::Failed {
                error: format!("{error:#}"),
                remedy: remedy(error, place),
                code: code::of(error),
            },
            None,
        ),
        OperationOutcome::NotStarted => (Told::NotStarted, None),
    };
    OperationReport {
        id: operation.id.0,
        phase: operation.phase,
        act: operation.kind.describe(),
        origin: operation.origin.clone(),
        start_us: micros(record.started),
        duration_us: micros(record.duration),
        worker: record.worker,
        after: operation.after.iter().map(|id| id.0).collect(),
        outcome,
        bytes,
    }
}

/// A fetch that was ended for the sake of another operation did not fail by itself.
pub(crate) fn is_cancelled(error: &anyhow::Error) -> bool {
    let cancelled = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(FetchError::Cancelled { .. }))
    };
    error.chain().any(cancelled)
}

/// Microseconds, as reports count them.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
