//! Refuses what is larger than the space there is. Only what is certain counts: contents that are part of the config, on
//! file systems that are there already and keep every byte of a file.

use super::op::{Base, Content, FileAct};
use super::touched::is_idle;
use super::{Draft, Effect, ErrorCode, Failure, OpKind, Operation};
use crate::config::data_url;
use crate::facts::NodeKind;
use crate::facts::root::{Room, RootFacts};
use crate::paths::ancestors;
use crate::text::human_size;
use std::collections::BTreeMap;

/// What is put on a file system.
#[derive(Debug, Default)]
struct Load {
    bytes: u64,
    nodes: u64,
}

/// Refuses the first operation that a file system has no room for. Where something is removed, nobody knows how much
/// there will be.
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
        let (path, bytes) = made(operation)?;
        let device = device(facts, path)?;
        let room = facts.room.get(&device)?;
        let load = loads.entry(device).or_default();
        load.bytes = load.bytes.saturating_add(bytes);
        load.nodes += u64::from(operation.effect == Effect::Create);
        no_room(operation, room, load, copied(facts, operation, room))
    });
    if let Some(refusal) = refusal {
        draft.refuse(refusal);
    }
}

/// The path of a node that is made or grows, and how many bytes it takes at least.
fn made(operation: &Operation) -> Option<(&str, u64)> {
    match &operation.kind {
        OpKind::File(act) => Some((&act.path, bytes(act))),
        OpKind::Directory(act) => Some((&act.path, 0)),
        OpKind::Symlink(act) => Some((&act.path, 0)),
        _ => None,
    }
}

/// How many bytes the copy of a file takes that text is appended to. It takes the place of the file, so it needs the room
/// for a moment only.
fn copied(facts: &RootFacts, operation: &Operation, room: &Room) -> u64 {
    match &operation.kind {
        OpKind::File(act) if act.base == Base::Present && !act.parts.is_empty() => {
            let node = facts.nodes.get(&*act.path).filter(|_| !room.shares_copies);
            node.map_or(0, |node| node.allocated_bytes)
        }
        _ => 0,
    }
}

fn bytes(act: &FileAct) -> u64 {
    let of_part = |part: &Content| match part {
        Content::Text { bytes, .. } => *bytes,
        Content::Fetched { fetch, .. } if !fetch.is_compressed() => {
            data_url::length(fetch.url()).map_or(0, |length| length as u64)
        }
        _ => 0,
    };
    act.parts.iter().map(of_part).sum()
}

/// The file system that a node is put on, if it is there already.
fn device(facts: &RootFacts, path: &str) -> Option<u64> {
    let mut above = ancestors(path).chain(["/"]);
    let directory = above.find_map(|above| facts.nodes.get(above))?;
    let is_new = directory.inode == (0, 0) || !matches!(directory.kind, NodeKind::Directory { .. });
    (!is_new).then_some(directory.inode.0)
}

fn no_room(operation: &Operation, room: &Room, load: &Load, copied: u64) -> Option<Failure> {
    let cause = if load.bytes > room.bytes {
        format!(
            "with this file the config writes {} to a file system that has only {} left",
            human_size(load.bytes),
            human_size(room.bytes)
        )
    } else if load.bytes.saturating_add(copied) > room.bytes {
        format!(
            "to append to it, a copy of {} is made first, and its file system has only {} left",
            human_size(copied),
            human_size(room.bytes - load.bytes)
        )
    } else if room.nodes.is_some_and(|nodes| load.nodes > nodes) {
        format!(
            "its file system has room for {} more files and directories; with this one the config creates {}",
            room.nodes.unwrap_or_default(),
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
