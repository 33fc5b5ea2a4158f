//! Puts a plan together from its parts.

use super::op::{OpId, OpKind, Operation, Plan};
use super::{Access, Claim, Draft, Effect, Options, Refusal, Resource, Target, order};
use crate::config::Document;
use crate::facts::Observed;
use std::collections::{BTreeMap, BTreeSet};

/// Plans a config for an observed machine.
///
/// # Errors
/// Every refusal, in config order; nothing is planned when there is one.
pub fn build(
    document: &Document,
    observed: &Observed,
    options: &Options,
) -> Result<Plan, Vec<Refusal>> {
    let mut draft = Draft::new(document, observed, options);
    finish(draft)
}

/// Adds what follows from all operations together: mounts, their claims, order.
fn finish(mut draft: Draft) -> Result<Plan, Vec<Refusal>> {
    let refusals = draft.refusals().to_vec();
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut operations = std::mem::take(&mut draft.operations);
    by_phase(&mut operations);
    order::derive(&mut operations).map_err(|ids| vec![cycle(&operations, &ids)])?;
    Ok(Plan { operations })
}

/// Sorts by phase, keeping the order within a phase, and numbers anew.
fn by_phase(operations: &mut [Operation]) {
    operations.sort_by_key(|operation| operation.phase);
    for (index, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(u32::try_from(index).unwrap_or(u32::MAX));
    }
}

fn cycle(operations: &[Operation], ids: &[OpId]) -> Refusal {
    let names: Vec<String> = ids
        .iter()
        .filter_map(|id| operations.get(id.0 as usize))
        .map(|o| o.kind.describe())
        .collect();
    Refusal {
        act: "cannot order".into(),
        object: names.join(", "),
        cause: "each of them has to wait for another".into(),
        origin: operations
            .get(ids.first().map_or(0, |id| id.0 as usize))
            .and_then(|o| o.origin.clone()),
        remedy: "this is a defect of kindling; please report it with the config".into(),
    }
}
