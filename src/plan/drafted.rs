//! Disks and arrays as they will be after the operations drafted so far.

use super::Draft;
use super::op::{AssembleArray, OpKind};
use crate::disk::gpt::Table;
use crate::facts::SuperblockFacts;

/// The table that a disk will have after the operations so far; `None` if it will have none.
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

/// True if this plan assembles the array, so that it cannot be read before.
pub(super) fn is_assembled_by(draft: &Draft, name: &str) -> bool {
    assembly_of(draft, name).is_some()
}

/// What is on an array that this plan assembles.
pub(super) fn content_of_assembled(draft: &Draft, name: &str) -> Option<SuperblockFacts> {
    let act = assembly_of(draft, name)?;
    draft.observed.raid.contents.get(&act.uuid).cloned()
}

fn assembly_of<'d>(draft: &'d Draft, name: &str) -> Option<&'d AssembleArray> {
    draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::AssembleArray(act) if act.name == name => Some(act),
        _ => None,
    })
}
