//! Converts the records of a run to entries of a report.

use super::remedy::{Audience, remedy};
use super::{OperationReport, Outcome, code};
use crate::execute::scheduler::{OperationOutcome, OperationRecord};
use crate::fetch::FetchError;
use crate::plan::{Effect, Operation, Plan};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use std::time::Duration;

/// The entries of all operations, in plan order.
pub(crate) fn reports(
    plan: &Plan,
    records: &[OperationRecord],
    audience: Audience,
) -> Vec<OperationReport> {
    let operations = plan.operations.iter().zip(records);
    operations
        .map(|(operation, record)| operation_report(operation, record, audience))
        .collect()
}

/// The entries of operations that failed or were not started, in plan order.
pub(crate) fn failed_or_not_started(
    plan: &Plan,
    records: &[OperationRecord],
    audience: Audience,
) -> Vec<OperationReport> {
    let operations = plan.operations.iter().zip(records);
    operations
        .filter(|(_, record)| !matches!(record.outcome, OperationOutcome::Done(_)))
        .map(|(operation, record)| operation_report(operation, record, audience))
        .collect()
}

/// Appends the entries of a plan that ran after others, and numbers them on from those.
pub(crate) fn append(entries: &mut Vec<OperationReport>, more: Vec<OperationReport>) {
    let first = entries.len();
    entries.extend(more.into_iter().map(|entry| renumbered(first, entry)));
}

/// The entry with its ids shifted by `first`.
fn renumbered(first: usize, entry: OperationReport) -> OperationReport {
    let first = u32::try_from(first).unwrap_or(u32::MAX);
    let later = |id: &u32| id.saturating_add(first);
    OperationReport {
        id: later(&entry.id),
        after: entry.after.iter().map(later).collect(),
        ..entry
    }
}

/// The entries of a whole run, which serialize as a list of [`OperationReport`]. Those of the last plan are created one
/// by one during serialization: all of them together would take as much memory as the plan itself.
#[derive(Debug)]
pub(crate) struct RunEntries<'a> {
    /// Entries of the parts that ran ahead.
    pub earlier: &'a [OperationReport],
    /// The plan that ran last.
    pub plan: &'a Plan,
    /// The outcomes of its operations.
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
    audience: Audience,
) -> OperationReport {
    let (outcome, bytes) = match &record.outcome {
        OperationOutcome::Done(_) if operation.effect == Effect::Skip => (Outcome::Skipped, None),
        OperationOutcome::Done(_) if operation.effect == Effect::Keep => {
            (Outcome::AlreadyRight, None)
        }
        OperationOutcome::Done(done) => (Outcome::Done, done.bytes),
        OperationOutcome::Failed(error) if is_cancelled(error) => (Outcome::NotStarted, None),
        OperationOutcome::Failed(error) => (
            Outcome::Failed {
                error: format!("{error:#}"),
                remedy: remedy(error, audience),
                code: code::of(error),
            },
            None,
        ),
        OperationOutcome::NotStarted => (Outcome::NotStarted, None),
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

/// True if the error is a fetch that was cancelled because of another operation: it did not fail by itself.
pub(crate) fn is_cancelled(error: &anyhow::Error) -> bool {
    let cancelled = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(FetchError::Cancelled { .. }))
    };
    error.chain().any(cancelled)
}

/// The duration in microseconds, as in reports.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
