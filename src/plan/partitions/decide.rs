//! What happens to each slot, depending on what exists, what is requested and what may be changed.

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
    /// Matches; the text names what was compared.
    Keep(String),
    /// A new partition.
    Create(Entry),
    /// It is deleted.
    Delete,
    /// Deleted and created again; the text names the differences.
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

/// The decisions if everything that the config requests on a disk exists as an earlier run created it.
pub(super) fn nothing_to_do(
    partitions: &[Partition],
    table: &Table,
) -> Option<Vec<PartitionDecision>> {
    let may_be_wiped = |partition: &Partition| partition.wipe_partition_entry == Some(true);
    if !partitions.iter().any(may_be_wiped) {
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

/// True for an entry that should not exist if another one uses its slot.
fn is_superseded(entry: &ResolvedPartition, all: &[ResolvedPartition]) -> bool {
    entry.extent.is_none()
        && (entry.number == 0
            || all
                .iter()
                .any(|other| other.number == entry.number && other.extent.is_some()))
}

fn decide_one(requested: &ResolvedPartition, table: &Table) -> Result<Action, PartitionProblem> {
    let may_wipe = requested.config.wipe_partition_entry == Some(true);
    match (table.entries.get(&requested.number), requested.extent) {
        (None, None) => Ok(Action::StayAbsent),
        (None, Some(_)) => new_entry(requested).map(Action::Create),
        (Some(_), None) if may_wipe => Ok(Action::Delete),
        (Some(_), None) => Err(problem(
            requested,
            "it exists, but the config says it must not",
            "set wipePartitionEntry to delete it",
        )),
        (Some(present), Some(_)) => decide_present(requested, present, table, may_wipe),
    }
}

fn decide_present(
    requested: &ResolvedPartition,
    present: &Entry,
    table: &Table,
    may_wipe: bool,
) -> Result<Action, PartitionProblem> {
    let differences = differences(requested, present, table)?;
    let description = || {
        let description: Vec<&str> = differences.iter().map(|d| d.description.as_str()).collect();
        description.join(", ")
    };
    let only_size = differences.iter().all(|d| d.is_size);
    let sectors = requested.extent.map_or(present.sectors, |e| e.sectors);
    if differences.is_empty() {
        Ok(Action::Keep(compared(requested)))
    } else if !may_wipe && only_size && requested.config.resize == Some(true) {
        let resized = Entry {
            sectors,
            ..present.clone()
        };
        Ok(Action::Resize(resized, description()))
    } else if may_wipe {
        let mut entry = new_entry(requested)?;
        if is_same_content(&entry, present) {
            entry.attributes = present.attributes;
        }
        Ok(Action::Replace(entry, description()))
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
        let first = &differences[0].description;
        Err(problem(
            requested,
            format!("it exists and does not match: {first}"),
            &remedy,
        ))
    }
}

/// Attribute bits (bootable, hidden, priorities of boot loaders) belong to the content of a partition. They are kept as
/// long as its start and type are, since its content is kept as well.
fn is_same_content(entry: &Entry, present: &Entry) -> bool {
    entry.start == present.start && entry.type_guid == present.type_guid
}

struct Difference {
    description: String,
    /// Its field in the config.
    field: &'static str,
    is_size: bool,
}

/// The differences between the requested and the present partition, in the order in which the reference compares.
fn differences(
    requested: &ResolvedPartition,
    present: &Entry,
    table: &Table,
) -> Result<Vec<Difference>, PartitionProblem> {
    let mut all = Vec::new();
    let mut push = |field: &'static str, name: &str, from: String, to: String| {
        if from != to {
            all.push(Difference {
                description: format!("{name} {from} -> {to}"),
                field,
                is_size: field == "sizeMiB",
            });
        }
    };
    let extent = requested.extent.unwrap_or(crate::disk::extent::Extent {
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
    if let Some(guid) = guid(requested, "guid", &requested.config.guid)? {
        let from = match present.guid {
            GuidChoice::Given(guid) => guid.to_string(),
            GuidChoice::Random => "random".into(),
        };
        push("guid", "GUID", from, guid.to_string());
    }
    if let Some(type_guid) = guid(requested, "typeGuid", &requested.config.type_guid)? {
        push(
            "typeGuid",
            "type",
            present.type_guid.to_string(),
            type_guid.to_string(),
        );
    }
    if let Some(label) = &requested.config.label {
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

/// Two sizes for display; in sectors if rounding would make different ones look equal.
fn sizes(from: u64, to: u64, sector_bytes: u32) -> (String, String) {
    let text = |sectors: u64| human_size(sectors.saturating_mul(u64::from(sector_bytes)));
    match text(from) == text(to) && from != to {
        true => (format!("{from} sectors"), format!("{to} sectors")),
        false => (text(from), text(to)),
    }
}

/// What was compared with the present partition, e.g. `number, start, size and label match`.
fn compared(requested: &ResolvedPartition) -> String {
    let is_set = |value: &Option<String>| value.as_ref().is_some_and(|v| !v.is_empty());
    let names = [
        (true, "number"),
        (true, "start"),
        (true, "size"),
        (is_set(&requested.config.type_guid), "type"),
        (is_set(&requested.config.guid), "GUID"),
        (requested.config.label.is_some(), "label"),
    ];
    let names: Vec<&str> = names.iter().filter(|n| n.0).map(|n| n.1).collect();
    format!("{} match", names.join(", "))
}

fn new_entry(requested: &ResolvedPartition) -> Result<Entry, PartitionProblem> {
    let extent = requested
        .extent
        .ok_or_else(|| problem(requested, "it has no place", ""))?;
    let label = requested.config.label.clone().unwrap_or_default();
    if label.encode_utf16().count() > 36 {
        return Err(problem(
            requested,
            "its label is longer than 36 UTF-16 units",
            "shorten the label",
        ));
    }
    if label.contains('\0') {
        return Err(problem(
            requested,
            "its label has a NUL character, which would end it",
            "give a label without NUL characters",
        ));
    }
    Ok(Entry {
        start: extent.start,
        sectors: extent.sectors,
        type_guid: guid(requested, "typeGuid", &requested.config.type_guid)?.unwrap_or(LINUX_DATA),
        guid: guid(requested, "guid", &requested.config.guid)?
            .map_or(GuidChoice::Random, GuidChoice::Given),
        label,
        attributes: 0,
    })
}

fn guid(
    requested: &ResolvedPartition,
    name: &str,
    text: &Option<String>,
) -> Result<Option<Guid>, PartitionProblem> {
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) if text.chars().all(|c| matches!(c, '0' | '-')) => Err(problem(
            requested,
            format!("a {name} of zeros means that there is none"),
            &format!("give another {name}, or leave it out"),
        )),
        Some(text) => text.parse().map(Some).map_err(|why: String| {
            problem(
                requested,
                format!("{name}: {why}"),
                "write it as 8-4-4-4-12 hex digits",
            )
        }),
    }
}

fn refuse_if_held(
    requested: &ResolvedPartition,
    action: Action,
    held_by: &BTreeMap<u32, Vec<String>>,
) -> Result<Action, PartitionProblem> {
    match held_by.get(&requested.number) {
        Some(holders) if action.touches_present() => Err(problem(
            requested,
            format!("it would change, but is in use: {}", holders.join(", ")),
            "unmount or detach it first, or make the config match",
        )),
        _ => Ok(action),
    }
}

fn problem(
    requested: &ResolvedPartition,
    cause: impl Into<String>,
    remedy: &str,
) -> PartitionProblem {
    PartitionProblem {
        index: requested.index,
        number: i64::from(requested.number),
        cause: cause.into(),
        remedy: remedy.into(),
    }
}
