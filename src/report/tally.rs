//! Counts the operations of a running plan by phase, to summarize each phase when it ends.

use crate::plan::op::Phase;
use crate::plan::{Effect, Operation, Plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// Counts of one phase.
#[derive(Debug, Default)]
struct PhaseCount {
    left: usize,
    total: usize,
    bytes: u64,
    first_start: Option<Duration>,
}

/// Counts of a run by phase.
#[derive(Debug)]
pub(crate) struct Tally(BTreeMap<Phase, PhaseCount>);

/// The summary of a phase that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PhaseEnd {
    pub phase: Phase,
    /// Number of operations that had something to do.
    pub operations: usize,
    /// Bytes they wrote.
    pub bytes: u64,
    /// Time from the start of the first one to the end of the last one.
    pub elapsed: Duration,
}

/// True unless an operation has nothing to do.
pub(crate) fn has_effect(operation: &Operation) -> bool {
    !matches!(operation.effect, Effect::Keep | Effect::Skip)
}

impl Tally {
    /// A tally for a plan that has not been started.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut phases: BTreeMap<Phase, PhaseCount> = BTreeMap::new();
        for operation in plan.operations.iter().filter(|o| has_effect(o)) {
            let count = phases.entry(operation.phase).or_default();
            count.left += 1;
            count.total += 1;
        }
        Self(phases)
    }

    /// Counts an operation that is done; `started` is the time since the start of the run. Returns the summary of its
    /// phase if it was the last one.
    pub(crate) fn record_done(
        &mut self,
        operation: &Operation,
        started: Duration,
        elapsed: Duration,
        bytes: u64,
    ) -> Option<PhaseEnd> {
        if !has_effect(operation) {
            return None;
        }
        let count = self.0.get_mut(&operation.phase)?;
        count.left = count.left.saturating_sub(1);
        count.bytes += bytes;
        let first = *count.first_start.get_or_insert(started);
        (count.left == 0).then(|| PhaseEnd {
            phase: operation.phase,
            operations: count.total,
            bytes: count.bytes,
            elapsed: (started + elapsed).saturating_sub(first),
        })
    }
}
