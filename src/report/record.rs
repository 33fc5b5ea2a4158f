//! Records of a run as entries of a report.

use super::remedy::{Audience, remedy};
use super::{OperationReport, Outcome as Told, code};
use crate::execute::scheduler::{OperationOutcome, OperationRecord};
use crate::fetch::FetchError;
use crate::plan::{Effect, Operation, Plan};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};
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
pub(crate) fn failed_or_not_started(
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
    let first = entries.len();
    entries.extend(more.into_iter().map(|entry| renumbered(first, entry)));
}

/// The same entry with numbers that begin behind `first` others.
fn renumbered(first: usize, entry: OperationReport) -> OperationReport {
    let first = u32::try_from(first).unwrap_or(u32::MAX);
    let later = |id: &u32| id.saturating_add(first);
    OperationReport {
        id: later(&entry.id),
        after: entry.after.iter().map(later).collect(),
        ..entry
    }
}

/// Entries of a whole run, which are written as a list of [`OperationReport`]. Those of the last plan are made one by one
/// while they are written: all of a large plan together take as much memory as the plan itself.
#[derive(Debug)]
pub(crate) struct RunEntries<'a> {
    /// Of the parts that ran ahead.
    pub earlier: &'a [OperationReport],
    /// The plan that ran last.
    pub plan: &'a Plan,
    /// What became of its operations.
    pub records: &'a [OperationRecord],
    /// Who reads the report.
    pub audience: Audience,
}

impl Serialize for RunEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.earlier.len() + self.records.len();
        let mut list = serializer.serialize_seq(Some(count))?;
        for entry in self.earlier {
            list.serialize_element(entry)?;
        }
        for (operation, record) in self.plan.operations.iter().zip(self.records) {
            let entry = operation_report(operation, record, self.audience);
            list.serialize_element(&renumbered(self.earlier.len(), entry))?;
        }
        list.end()
    }
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
