//! Refuses what is larger than the available space. Only what is certain counts: contents that are embedded in the
//! config, on file systems that exist and store files without compression.

use super::op::{Base, Content, FileAct};
use super::touched::is_idle;
use super::{Draft, Effect, ErrorCode, Failure, OpKind, Operation};
use crate::config::data_url;
use crate::facts::NodeKind;
use crate::facts::root::{FreeSpace, RootFacts};
use crate::paths::ancestors;
use crate::text::human_size;
use std::collections::BTreeMap;

/// What is written to a file system.
#[derive(Debug, Default)]
struct Load {
    bytes: u64,
    nodes: u64,
}

/// Refuses the first operation that a file system has no space for. If anything is removed, the available space is
/// unknown.
pub(super) fn refuse(draft: &mut Draft<'_>) {
    let frees = |operation: &&Operation| {
        !operation.destroys.is_empty() || matches!(operation.kind, OpKind::Remove(_))
    };
    let operations = draft.operations();
    if operations.iter().any(|operation| frees(&operation)) {
        return;
    }
    let facts = &draft.observed.root;
    let mut loads: BTreeMap<u64, Load> = BTreeMap::new();
    let mut active = operations.iter().filter(|op| !is_idle(op));
    let refusal = active.find_map(|operation| {
        let (path, bytes) = new_node(operation)?;
        let device = device(facts, path)?;
        let space = facts.free_space.get(&device)?;
        let load = loads.entry(device).or_default();
        load.bytes = load.bytes.saturating_add(bytes);
        load.nodes += u64::from(operation.effect == Effect::Create);
        no_space(operation, space, load, copied(facts, operation, space))
    });
    if let Some(refusal) = refusal {
        draft.refuse(refusal);
    }
}

/// The path of a node that is created or grows, and its minimum size in bytes.
fn new_node(operation: &Operation) -> Option<(&str, u64)> {
    match &operation.kind {
        OpKind::File(act) => Some((&act.path, bytes(act))),
        OpKind::Directory(act) => Some((&act.path, 0)),
        OpKind::Symlink(act) => Some((&act.path, 0)),
        _ => None,
    }
}

/// Size in bytes of the copy of a file that text is appended to. The copy replaces the file, so it needs the space only
/// temporarily.
fn copied(facts: &RootFacts, operation: &Operation, space: &FreeSpace) -> u64 {
    match &operation.kind {
        OpKind::File(act) if act.base == Base::Present && !act.parts.is_empty() => {
            let node = facts.nodes.get(&*act.path).filter(|_| !space.shares_copies);
            node.map_or(0, |node| node.allocated_bytes)
        }
        _ => 0,
    }
}

fn bytes(act: &FileAct) -> u64 {
    let of_part = |part: &Content| match part {
        Content::Text { bytes, .. } => *bytes,
        Content::Fetched { fetch, .. } if !fetch.is_compressed() => {
            data_url::decoded_len_unchecked(fetch.url()).map_or(0, |length| length as u64)
        }
        _ => 0,
    };
    act.parts.iter().map(of_part).sum()
}

/// The file system of a new node, if it exists already.
fn device(facts: &RootFacts, path: &str) -> Option<u64> {
    let mut above = ancestors(path).chain(["/"]);
    let directory = above.find_map(|above| facts.nodes.get(above))?;
    let is_new = directory.inode == (0, 0) || !matches!(directory.kind, NodeKind::Directory { .. });
    (!is_new).then_some(directory.inode.0)
}

fn no_space(operation: &Operation, space: &FreeSpace, load: &Load, copied: u64) -> Option<Failure> {
    let cause = if load.bytes > space.bytes {
        format!(
            "with this file the config writes {} to a file system that has only {} left",
            human_size(load.bytes),
            human_size(space.bytes)
        )
    } else if load.bytes.saturating_add(copied) > space.bytes {
        format!(
            "to append to it, a copy of {} is made first, and its file system has only {} left",
            human_size(copied),
            human_size(space.bytes - load.bytes)
        )
    } else if space.nodes.is_some_and(|nodes| load.nodes > nodes) {
        format!(
            "its file system has room for {} more files and directories; with this one the config creates {}",
            space.nodes.unwrap_or_default(),
            load.nodes
        )
    } else {
        return None;
    };
    let remedy = "make room, or use a larger file system";
    Some(Failure::of_operation(
        ErrorCode::NO_ROOM,
        operation,
        cause,
        remedy,
    ))
}
