//! What happens to each slot, by what exists, what is wanted and what may be changed.

use super::PartitionProblem;
use super::resolve::{ResolvedPartition, resolve_without_own};
use crate::config::model::Partition;
use crate::disk::gpt::{Entry, Guid, GuidChoice, LINUX_DATA, Table};
use crate::text::human_size;
use std::collections::BTreeMap;

/// What happens to one slot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    StayAbsent,
    /// Matches; the words name what was compared.
    Keep(String),
    /// A new partition.
    Create(Entry),
    /// Goes away.
    Delete,
    /// Deleted and made again; the words name the differences.
    Replace(Entry, String),
    /// Same start, another length.
    Resize(Entry, String),
}

impl Action {
    /// True if the slot's present partition is touched.
    pub(super) fn touches_present(&self) -> bool {
        matches!(
            self,
            Action::Delete | Action::Replace(..) | Action::Resize(..)
        )
    }
    /// The entry the slot gets.
    pub(super) fn new_entry(&self) -> Option<&Entry> {
        match self {
            Action::Create(entry) | Action::Replace(entry, _) | Action::Resize(entry, _) => {
                Some(entry)
            }
            _ => None,
        }
    }
}

/// A decision for one entry of the config.
#[derive(Debug, Clone)]
pub(super) struct PartitionDecision {
    /// Its index in the config's list.
    pub index: usize,
    /// Slot.
    pub number: u32,
    /// What happens.
    pub action: Action,
}

/// The decisions, if all that the config asks of a disk is there as an earlier run made it.
pub(super) fn nothing_to_do(
    partitions: &[Partition],
    table: &Table,
) -> Option<Vec<PartitionDecision>> {
    let open = |partition: &Partition| partition.wipe_partition_entry == Some(true);
    if !partitions.iter().any(open) {
        return None;
    }
    let resolved = resolve_without_own(partitions, table).ok()?;
    let decisions = decide(&resolved, table, &BTreeMap::new()).ok()?;
    let is_idle = |decision: &PartitionDecision| {
        matches!(decision.action, Action::Keep(_) | Action::StayAbsent)
    };
    decisions.iter().all(is_idle).then_some(decisions)
}

/// Decides every entry; all problems are reported at once.
pub(super) fn decide(
    resolved: &[ResolvedPartition],
    table: &Table,
    held_by: &BTreeMap<u32, Vec<String>>,
) -> Result<Vec<PartitionDecision>, Vec<PartitionProblem>> {
    let mut decisions = Vec::new();
    let mut problems = Vec::new();
    for entry in resolved.iter().filter(|e| !is_superseded(e, resolved)) {
        match decide_one(entry, table).and_then(|action| refuse_if_held(entry, action, held_by)) {
            Ok(action) => decisions.push(PartitionDecision {
                index: entry.index,
                number: entry.number,
                action,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(decisions),
        false => Err(problems),
    }
}

/// An entry that shall not exist gives way to one that took its slot.
fn is_superseded(entry: &ResolvedPartition, all: &[ResolvedPartition]) -> bool {
    entry.extent.is_none()
        && (entry.number == 0
            || all
                .iter()
                .any(|other| other.number == entry.number && other.extent.is_some()))
}

fn decide_one(want: &ResolvedPartition, table: &Table) -> Result<Action, PartitionProblem> {
    let may_wipe = want.config.wipe_partition_entry == Some(true);
    match (table.entries.get(&want.number), want.extent) {
        (None, None) => Ok(Action::StayAbsent),
        (None, Some(_)) => new_entry(want).map(Action::Create),
        (Some(_), None) if may_wipe => Ok(Action::Delete),
        (Some(_), None) => Err(problem(
            want,
            "it exists, but the config says it must not",
            "set wipePartitionEntry to delete it",
        )),
        (Some(present), Some(_)) => decide_present(want, present, table, may_wipe),
    }
}

fn decide_present(
    want: &ResolvedPartition,
    present: &Entry,
    table: &Table,
    may_wipe: bool,
) -> Result<Action, PartitionProblem> {
    let differences = differences(want, present, table)?;
    let words = || {
        let words: Vec<&str> = differences.iter().map(|d| d.words.as_str()).collect();
        words.join(", ")
    };
    let only_size = differences.iter().all(|d| d.is_size);
    let sectors = want.extent.map_or(present.sectors, |e| e.sectors);
    if differences.is_empty() {
        Ok(Action::Keep(compared(want)))
    } else if !may_wipe && only_size && want.config.resize == Some(true) {
        let resized = Entry {
            sectors,
            ..present.clone()
        };
        Ok(Action::Resize(resized, words()))
    } else if may_wipe {
        let mut entry = new_entry(want)?;
        if is_same_content(&entry, present) {
            entry.attributes = present.attributes;
        }
        Ok(Action::Replace(entry, words()))
    } else {
        let fields: Vec<&str> = differences.iter().map(|d| d.field).collect();
        let keep = format!(
            "leave out {} to keep the partition that is there",
            fields.join(" and ")
        );
        let remedy = if only_size {
            format!(
                "{keep}, set resize to change its size, or set wipePartitionEntry to replace it"
            )
        } else {
            format!("{keep}, or set wipePartitionEntry to replace it")
        };
        let first = &differences[0].words;
        Err(problem(
            want,
            format!("it exists and does not match: {first}"),
            &remedy,
        ))
    }
}

/// Attribute bits (bootable, hidden, what a boot loader tries first) belong to what a partition holds.
/// They stay as long as its start and type do, since then its content does too.
fn is_same_content(entry: &Entry, present: &Entry) -> bool {
    entry.start == present.start && entry.type_guid == present.type_guid
}

struct Difference {
    words: String,
    /// Its field in the config.
    field: &'static str,
    is_size: bool,
}

/// What differs between wish and present partition, in the order the reference compares.
fn differences(
    want: &ResolvedPartition,
    present: &Entry,
    table: &Table,
) -> Result<Vec<Difference>, PartitionProblem> {
    let mut all = Vec::new();
    let mut push = |field: &'static str, name: &str, from: String, to: String| {
        if from != to {
            all.push(Difference {
                words: format!("{name} {from} -> {to}"),
                field,
                is_size: field == "sizeMiB",
            });
        }
    };
    let extent = want.extent.unwrap_or(crate::disk::extent::Extent {
        start: present.start,
        sectors: present.sectors,
    });
    let sector = |n: u64| format!("sector {n}");
    push(
        "startMiB",
        "start",
        sector(present.start),
        sector(extent.start),
    );
    if let Some(guid) = guid(want, "guid", &want.config.guid)? {
        let from = match present.guid {
            GuidChoice::Given(guid) => guid.to_string(),
            GuidChoice::Random => "random".into(),
        };
        push("guid", "GUID", from, guid.to_string());
    }
    if let Some(type_guid) = guid(want, "typeGuid", &want.config.type_guid)? {
        push(
            "typeGuid",
            "type",
            present.type_guid.to_string(),
            type_guid.to_string(),
        );
    }
    if let Some(label) = &want.config.label {
        push(
            "label",
            "label",
            format!("{:?}", present.label),
            format!("{label:?}"),
        );
    }
    let (from, to) = sizes(present.sectors, extent.sectors, table.sector_bytes);
    push("sizeMiB", "size", from, to);
    Ok(all)
}

/// Two sizes for people, in sectors when rounding would make different ones look equal.
fn sizes(from: u64, to: u64, sector_bytes: u32) -> (String, String) {
    let text = |sectors: u64| human_size(sectors.saturating_mul(u64::from(sector_bytes)));
    match text(from) == text(to) && from != to {
        true => (format!("{from} sectors"), format!("{to} sectors")),
        false => (text(from), text(to)),
    }
}

/// What was compared with the present partition, e.g. `number, start, size and label match`.
fn compared(want: &ResolvedPartition) -> String {
    let is_set = |value: &Option<String>| value.as_ref().is_some_and(|v| !v.is_empty());
    let names = [
        (true, "number"),
        (true, "start"),
        (true, "size"),
        (is_set(&want.config.type_guid), "type"),
        (is_set(&want.config.guid), "GUID"),
        (want.config.label.is_some(), "label"),
    ];
    let names: Vec<&str> = names.iter().filter(|n| n.0).map(|n| n.1).collect();
    format!("{} match", names.join(", "))
}

fn new_entry(want: &ResolvedPartition) -> Result<Entry, PartitionProblem> {
    let extent = want
        .extent
        .ok_or_else(|| problem(want, "it has no place", ""))?;
    let label = want.config.label.clone().unwrap_or_default();
    if label.encode_utf16().count() > 36 {
        return Err(problem(
            want,
            "its label is longer than 36 UTF-16 units",
            "shorten the label",
        ));
    }
    if label.contains('\0') {
        return Err(problem(
            want,
            "its label has a NUL character, which would end it",
            "give a label without NUL characters",
        ));
    }
    Ok(Entry {
        start: extent.start,
        sectors: extent.sectors,
        type_guid: guid(want, "typeGuid", &want.config.type_guid)?.unwrap_or(LINUX_DATA),
        guid: guid(want, "guid", &want.config.guid)?.map_or(GuidChoice::Random, GuidChoice::Given),
        label,
        attributes: 0,
    })
}

fn guid(
    want: &ResolvedPartition,
    name: &str,
    text: &Option<String>,
) -> Result<Option<Guid>, PartitionProblem> {
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) if text.chars().all(|c| matches!(c, '0' | '-')) => Err(problem(
            want,
            format!("a {name} of zeros means that there is none"),
            &format!("give another {name}, or leave it out"),
        )),
        Some(text) => text.parse().map(Some).map_err(|why: String| {
            problem(
                want,
                format!("{name}: {why}"),
                "write it as 8-4-4-4-12 hex digits",
            )
        }),
    }
}

fn refuse_if_held(
    want: &ResolvedPartition,
    action: Action,
    held_by: &BTreeMap<u32, Vec<String>>,
) -> Result<Action, PartitionProblem> {
    match held_by.get(&want.number) {
        Some(holders) if action.touches_present() => Err(problem(
            want,
            format!("it would change, but is in use: {}", holders.join(", ")),
            "unmount or detach it first, or make the config match",
        )),
        _ => Ok(action),
    }
}

fn problem(want: &ResolvedPartition, cause: impl Into<String>, remedy: &str) -> PartitionProblem {
    PartitionProblem {
        index: want.index,
        number: i64::from(want.number),
        cause: cause.into(),
        remedy: remedy.into(),
    }
}
