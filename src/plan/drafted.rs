//! What the operations that are drafted so far make of disks and arrays.

use super::Draft;
use super::op::{AssembleArray, OpKind};
use crate::disk::gpt::Table;
use crate::facts::SuperblockFacts;

/// The table a disk will have when the plan so far is done; `None` if it will have none.
pub(super) fn resulting_table<'d>(draft: &'d Draft, disk: &str) -> Option<&'d Table> {
    let written = draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::WriteTable(write) if write.disk == disk => Some(write),
        _ => None,
    });
    match written {
        Some(write) if write.leaves_no_table() => None,
        Some(write) => Some(&write.table),
        None => draft.observed.disks.get(disk)?.table.gpt(),
    }
}

/// True if this plan assembles the array, so that nobody can look into it before.
pub(super) fn is_assembled_by(draft: &Draft, name: &str) -> bool {
    assembling(draft, name).is_some()
}

/// What is on an array that this plan assembles.
pub(super) fn content_of_assembled(draft: &Draft, name: &str) -> Option<SuperblockFacts> {
    let act = assembling(draft, name)?;
    draft.observed.raid.contents.get(&act.uuid).cloned()
}

fn assembling<'d>(draft: &'d Draft, name: &str) -> Option<&'d AssembleArray> {
    draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::AssembleArray(act) if act.name == name => Some(act),
        _ => None,
    })
}
