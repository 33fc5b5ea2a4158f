//! Counts a run while it goes on: what each part of it amounted to, said once, when it ends.

use crate::plan::op::Phase;
use crate::plan::{Effect, Operation, Plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is left of one phase.
#[derive(Debug, Default)]
struct Count {
    left: usize,
    total: usize,
    bytes: u64,
    first_start: Option<Duration>,
}

/// Counts of a run by phase.
#[derive(Debug)]
pub(crate) struct Tally(BTreeMap<Phase, Count>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PhaseEnd {
    pub phase: Phase,
    /// Operations that did something.
    pub operations: usize,
    /// Bytes they wrote.
    pub bytes: u64,
    /// Time from the first one's start to now.
    pub took: Duration,
}

/// True unless there is nothing to do for an operation.
pub(crate) fn acts(operation: &Operation) -> bool {
    !matches!(operation.effect, Effect::Keep | Effect::Skip)
}

impl Tally {
    /// Nothing of `plan` is done yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut phases: BTreeMap<Phase, Count> = BTreeMap::new();
        for operation in plan.operations.iter().filter(|o| acts(o)) {
            let count = phases.entry(operation.phase).or_default();
            count.left += 1;
            count.total += 1;
        }
        Self(phases)
    }

    /// An operation is done; times count from the start of the run. Returns its phase if that was the
    /// last one of it.
    pub(crate) fn done(
        &mut self,
        operation: &Operation,
        started: Duration,
        took: Duration,
        bytes: u64,
    ) -> Option<PhaseEnd> {
        if !acts(operation) {
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
            took: (started + took).saturating_sub(first),
        })
    }
}
