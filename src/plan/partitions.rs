//! Image files and partition tables: what must be written so that every disk has the partitions that the config
//! requests.

mod check;
mod decide;
mod lost;
mod resolve;

use super::op::{
    AlreadyRight, CreateImage, Effect, OpKind, PartitionChange, Phase, Subject, WriteTable,
};
use super::{Access, Claim, ClaimedResource, Draft, ErrorCode, Failure, Warning};
use crate::config::Origin;
use crate::config::model::Disk;
use crate::disk::DeviceRef;
use crate::disk::gpt::{Entry, GptHealth, Table, TableFacts};
use crate::disk::layout::{Layout, PartitionRequest};
use crate::facts::DiskFacts;
use crate::text::human_size;
use decide::{Action, PartitionDecision};

/// Why an entry of the config cannot be satisfied.
#[derive(Debug, Clone)]
struct PartitionProblem {
    /// Index of the entry in the config's list.
    index: usize,
    /// Slot, 0 = not assigned.
    number: i64,
    cause: String,
    remedy: String,
}

/// Plans image files and the tables of all disks of the config.
pub fn plan(draft: &mut Draft) {
    plan_images(draft);
    let document = draft.document;
    for (index, disk) in document.config().storage.disks.iter().enumerate() {
        plan_disk(draft, index, disk);
    }
}

/// An earlier entry of the config for the same disk under another name: each would be planned without the other.
fn same_disk<'c>(draft: &Draft<'c>, index: usize, facts: &DiskFacts) -> Option<&'c str> {
    let identity = |facts: &DiskFacts| match &facts.image {
        Some(image) => image.path.display().to_string(),
        None => facts.node.clone(),
    };
    let own = identity(facts);
    let earlier = draft.document.config().storage.disks.iter().take(index);
    earlier.map(|disk| disk.device.as_str()).find(|name| {
        let other = draft.observed.disks.get(*name);
        !own.is_empty() && other.is_some_and(|other| identity(other) == own)
    })
}

fn plan_images(draft: &mut Draft) {
    let observed = draft.observed;
    for (name, facts) in &observed.disks {
        let Some(image) = &facts.image else { continue };
        let origin = disk_origin(draft, name);
        match image.present_bytes {
            Some(present) if present == image.requested_bytes => {}
            Some(present) if present > image.requested_bytes => draft.refuse(Failure {
                act: "shrink image".into(),
                object: image.path.display().to_string(),
                cause: format!(
                    "it has {}, the requested size is {}",
                    human_size(present),
                    human_size(image.requested_bytes)
                ),
                origin,
                remedy: "leave out the size, or remove the file".into(),
code: Some(ErrorCode::IMAGE),
}),
            Some(_) if has_only_the_backup_table(facts) => draft.refuse(Failure {
                act: "grow image".into(),
                object: image.path.display().to_string(),
                cause: "the first copy of its GPT is damaged, and the second one would no longer be at its end"
                    .into(),
                origin,
                remedy: format!(
                    "repair the table with sgdisk -e {}, or leave out the size",
                    image.path.display()
                ),
code: Some(ErrorCode::IMAGE),
}),
            present => {
                let effect = match present {
                    None => Effect::Create,
                    Some(_) => Effect::Change,
                };
                let kind = OpKind::CreateImage(CreateImage {
                    disk: name.clone(),
                    path: image.path.clone(),
                    bytes: image.requested_bytes,
                });
                let claims = vec![Claim::new(Access::Make, ClaimedResource::Table(name.as_str().into()))];
                draft.push(Phase::Partitions, effect, kind, origin, claims);
            }
        }
    }
}

/// True if the table can only be read from its copy at the end of the disk.
fn has_only_the_backup_table(facts: &DiskFacts) -> bool {
    matches!(
        &facts.table,
        TableFacts::Gpt {
            health: GptHealth::PrimaryDamaged,
            ..
        }
    )
}

fn disk_origin(draft: &Draft, name: &str) -> Option<Origin> {
    let disks = &draft.document.config().storage.disks;
    let index = disks.iter().position(|disk| disk.device == name)?;
    draft.origin(&format!("$.storage.disks.{index}.device"))
}

fn plan_disk(draft: &mut Draft, index: usize, disk: &Disk) {
    let path = format!("$.storage.disks.{index}");
    let can_map = draft.observed.tools.contains(check::DMSETUP);
    let outcome = match draft.observed.disks.get(&disk.device) {
        Some(facts) => match same_disk(draft, index, facts) {
            Some(other) => Err(vec![Conflict::disk(
                format!("it is the same disk as {other} ({})", facts.node),
                format!("give all partitions of that disk in the entry of {other}"),
            )]),
            None => decide_disk(disk, facts, can_map),
        },
        None => {
            let (cause, remedy) = super::devices::missing(draft, &disk.device);
            Err(vec![Conflict::disk(cause, remedy)])
        }
    };
    match outcome {
        Ok(outcome) => push_disk(draft, &path, disk, outcome),
        Err(conflicts) => {
            let refusals = conflicts.into_iter();
            let refusals = refusals.map(|conflict| conflict.refusal(draft, &path, disk));
            let refusals: Vec<Failure> = refusals.collect();
            draft.refuse_disk(&disk.device, refusals);
        }
    }
}

/// A problem of a whole disk or of one of its entries.
enum Conflict {
    Disk { cause: String, remedy: String },
    Entry(PartitionProblem),
}

impl Conflict {
    fn disk(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Conflict::Disk {
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }
    fn refusal(self, draft: &Draft, path: &str, disk: &Disk) -> Failure {
        match self {
            Conflict::Disk { cause, remedy } => Failure {
                act: "partition disk".into(),
                object: disk.device.clone(),
                cause,
                origin: draft
                    .origin(&format!("{path}.device"))
                    .or_else(|| draft.origin(path)),
                remedy,
                code: Some(ErrorCode::PARTITIONS),
            },
            Conflict::Entry(problem) => Failure {
                act: "set up partition".into(),
                object: name_of(&problem, disk),
                cause: problem.cause,
                origin: draft.origin(&format!("{path}.partitions.{}", problem.index)),
                remedy: problem.remedy,
                code: Some(ErrorCode::PARTITIONS),
            },
        }
    }
}

fn name_of(problem: &PartitionProblem, disk: &Disk) -> String {
    let label = disk
        .partitions
        .get(problem.index)
        .and_then(|p| p.label.as_deref())
        .filter(|label| !label.is_empty());
    let number = problem.number;
    match (number, label) {
        (0, Some(label)) => format!("{label:?} on {}", disk.device),
        (_, Some(label)) => format!("{number} ({label:?}) on {}", disk.device),
        (_, None) => format!("{number} on {}", disk.device),
    }
}

/// What happens to a disk.
struct DiskChange {
    /// The table before, empty if there is none or it is wiped.
    before: Table,
    after: Table,
    decisions: Vec<PartitionDecision>,
    /// What a wipe of the whole table destroys.
    destroyed_by_wipe: Vec<String>,
    destroyed_by_changes: Vec<String>,
    expected: Option<Table>,
    health: GptHealth,
    /// Slots whose partition the kernel does not see where the table has it. A killed run or a damaged table causes
    /// this.
    unknown_to_kernel: Vec<u32>,
}

impl DiskChange {
    fn changes_anything(&self) -> bool {
        self.decisions
            .iter()
            .any(|d| d.action.touches_present() || d.action.new_entry().is_some())
    }
    /// Rewriting the same table repairs its copies and makes the kernel read it.
    fn must_be_written(&self) -> bool {
        self.changes_anything() || !self.unknown_to_kernel.is_empty() || self.is_hidden()
    }
    /// True if a partition that the config requests exists but is not recognized, for lack of a protective MBR.
    fn is_hidden(&self) -> bool {
        let is_kept = |d: &PartitionDecision| matches!(d.action, Action::Keep(_));
        self.health == GptHealth::MbrDamaged && self.decisions.iter().any(is_kept)
    }
}

fn decide_disk(disk: &Disk, facts: &DiskFacts, can_map: bool) -> Result<DiskChange, Vec<Conflict>> {
    let wipe = disk.wipe_table == Some(true);
    let as_list = |conflict: Conflict| vec![conflict];
    check::check_is_disk(facts).map_err(as_list)?;
    if wipe {
        check::check_wipe(facts).map_err(as_list)?;
    }
    let (before, health) = check::present_table(facts, wipe).map_err(as_list)?;
    let outcome = decide_entries(disk, facts, before, health)?;
    if wipe || outcome.must_be_written() {
        check::check_write(facts, wipe, can_map).map_err(as_list)?;
        check::check_layout(&outcome.after).map_err(as_list)?;
    }
    if !outcome.unknown_to_kernel.is_empty() {
        check::check_kernel_view(facts, &outcome.before).map_err(as_list)?;
    }
    Ok(outcome)
}

fn decide_entries(
    disk: &Disk,
    facts: &DiskFacts,
    before: Table,
    health: GptHealth,
) -> Result<DiskChange, Vec<Conflict>> {
    let wipe = disk.wipe_table == Some(true);
    let entries = |problems: Vec<PartitionProblem>| -> Vec<Conflict> {
        problems.into_iter().map(Conflict::Entry).collect()
    };
    let held = &facts.partitions_held_by;
    let decide = || {
        let resolved = resolve::resolve(&disk.partitions, &before)?;
        decide::decide(&resolved, &before, held)
    };
    let decisions = match decide::nothing_to_do(&disk.partitions, &before) {
        Some(decisions) => decisions,
        None => decide().map_err(entries)?,
    };
    let after = apply(&before, &decisions).map_err(|p| vec![Conflict::Entry(p)])?;
    let kept = decisions
        .iter()
        .filter(|decision| matches!(decision.action, Action::Keep(_)))
        .map(|decision| decision.number);
    Ok(DiskChange {
        destroyed_by_wipe: match wipe {
            true => lost::by_wipe(disk, facts),
            false => Vec::new(),
        },
        destroyed_by_changes: lost::by_changes(disk, facts, &before, &decisions),
        unknown_to_kernel: kept
            .filter(|number| check::is_unknown_to_kernel(facts, &before, *number))
            .collect(),
        expected: facts.table.gpt().cloned(),
        before,
        after,
        decisions,
        health,
    })
}

/// The table after all decisions: deletions first, then creations in order.
fn apply(before: &Table, decisions: &[PartitionDecision]) -> Result<Table, PartitionProblem> {
    let mut layout = Layout::of(before);
    let mut after = before.clone();
    for decision in decisions.iter().filter(|d| d.action.touches_present()) {
        layout.delete(decision.number);
        after.entries.remove(&decision.number);
    }
    for decision in decisions {
        let Some(entry) = decision.action.new_entry() else {
            continue;
        };
        let request = PartitionRequest {
            start: Some(entry.start),
            sectors: Some(entry.sectors),
            align: false,
        };
        layout.create(decision.number, request).map_err(|why| {
            let (cause, remedy) = resolve::explain(&why, before, &layout);
            PartitionProblem {
                index: decision.index,
                number: i64::from(decision.number),
                cause,
                remedy,
            }
        })?;
        after.entries.insert(decision.number, entry.clone());
    }
    Ok(after)
}

fn push_disk(draft: &mut Draft, path: &str, disk: &Disk, outcome: DiskChange) {
    let wipe = disk.wipe_table == Some(true);
    if wipe || outcome.must_be_written() {
        push_write(draft, path, disk, outcome, wipe);
    } else {
        push_unchanged_disk(draft, path, disk, &outcome);
    }
}

fn push_unchanged_disk(draft: &mut Draft, path: &str, disk: &Disk, outcome: &DiskChange) {
    let note = match outcome.health {
        GptHealth::Sound => "",
        GptHealth::PrimaryDamaged => "; its primary copy is damaged and left alone",
        GptHealth::BackupDamaged => "; its backup copy is damaged and left alone",
        GptHealth::BackupNotAtEnd => "; its backup copy is not at the end of the disk",
        GptHealth::MbrDamaged => "; its protective MBR is damaged and left alone",
    };
    let because = match disk.partitions.is_empty() {
        true => "no partitions are requested".to_owned(),
        false => format!("every partition matches{note}"),
    };
    let subject = Subject::Table(disk.device.clone());
    let origin = draft.origin(&format!("{path}.device"));
    push_already_right(draft, subject, because, origin);
    for decision in &outcome.decisions {
        let because = match &decision.action {
            Action::Keep(compared) => compared.clone(),
            _ => "does not exist, as requested".into(),
        };
        let subject = Subject::Partition(partition(disk, decision.number));
        let origin = draft.origin(&format!("{path}.partitions.{}", decision.index));
        push_already_right(draft, subject, because, origin);
    }
}

fn push_already_right(
    draft: &mut Draft,
    subject: Subject,
    because: String,
    origin: Option<Origin>,
) {
    let kind = OpKind::AlreadyRight(AlreadyRight { subject, because });
    draft.push(Phase::Partitions, Effect::Keep, kind, origin, Vec::new());
}

fn push_write(draft: &mut Draft, path: &str, disk: &Disk, outcome: DiskChange, wipe: bool) {
    let effect = match (&outcome.expected, wipe) {
        _ if outcome.after.entries.is_empty() && wipe => Effect::Destroy,
        (None, _) => Effect::Create,
        (Some(_), _) => Effect::Change,
    };
    warn_about_tiny_partitions(draft, path, disk, &outcome);
    let changes = changes(draft, path, &outcome);
    let kind = OpKind::WriteTable(Box::new(WriteTable {
        disk: disk.device.clone(),
        table: outcome.after,
        expected: outcome.expected,
        wipe,
        exposes_members: false,
        changes,
    }));
    let origin = draft.origin(&format!("{path}.device"));
    let claims = vec![Claim::new(
        Access::Make,
        ClaimedResource::Table(disk.device.as_str().into()),
    )];
    let id = draft.push(Phase::Partitions, effect, kind, origin, claims);
    let lost = outcome.destroyed_by_wipe.into_iter();
    for line in lost.chain(outcome.destroyed_by_changes) {
        draft.record_loss(id, line);
    }
}

/// A partition without start and size takes the largest gap. If everything else is in use, that is the space in front
/// of the first partition that alignment leaves free, which is rarely intended.
fn warn_about_tiny_partitions(draft: &mut Draft, path: &str, disk: &Disk, outcome: &DiskChange) {
    const ALIGNMENT_BYTES: u64 = 1 << 20;
    for decision in &outcome.decisions {
        let (Some(entry), Some(config)) = (
            decision.action.new_entry(),
            disk.partitions.get(decision.index),
        ) else {
            continue;
        };
        let is_unspecified =
            config.size_mib.unwrap_or(0) == 0 && config.start_mib.unwrap_or(0) == 0;
        let sector_bytes = u64::from(outcome.after.sector_bytes);
        if is_unspecified && (entry.start + entry.sectors) * sector_bytes <= ALIGNMENT_BYTES {
            let size = human_size(entry.sectors * sector_bytes);
            draft.warn(Warning {
                what: format!("partition {} of {}", decision.number, disk.device),
                cause: format!(
                    "it has no size and gets {size} in front of the first partition, since nothing else is free"
                ),
                origin: draft.origin(&format!("{path}.partitions.{}", decision.index)),
                hint: "leave room for it: give the others a sizeMiB, or use a larger disk".into(),
            });
        }
    }
}

/// One row for each slot that is or will be used, sorted by number.
fn changes(draft: &Draft, path: &str, outcome: &DiskChange) -> Vec<PartitionChange> {
    let decided = outcome.decisions.iter().filter_map(|decision| {
        let (effect, what) = row(decision, outcome)?;
        Some(PartitionChange {
            number: decision.number,
            effect,
            what,
            origin: draft.origin(&format!("{path}.partitions.{}", decision.index)),
        })
    });
    let mut rows: Vec<PartitionChange> = decided.collect();
    let mentioned: Vec<u32> = rows.iter().map(|row| row.number).collect();
    let others = outcome.before.entries.keys();
    rows.extend(
        others
            .filter(|number| !mentioned.contains(number))
            .map(|number| PartitionChange {
                number: *number,
                effect: Effect::Keep,
                what: "not in the config".into(),
                origin: None,
            }),
    );
    rows.sort_by_key(|row| row.number);
    rows
}

fn row(decision: &PartitionDecision, outcome: &DiskChange) -> Option<(Effect, String)> {
    let present = outcome.before.entries.get(&decision.number);
    Some(match &decision.action {
        Action::StayAbsent => return None,
        Action::Delete => (Effect::Destroy, describe(present?, &outcome.before)),
        Action::Replace(_, words) => (Effect::Change, format!("replaced: {words}")),
        Action::Resize(_, words) => (Effect::Change, words.clone()),
        Action::Create(_) => (Effect::Create, String::new()),
        Action::Keep(compared) if outcome.unknown_to_kernel.contains(&decision.number) => (
            Effect::Change,
            format!("{compared}; the kernel does not see it yet"),
        ),
        Action::Keep(compared) if outcome.is_hidden() => (
            Effect::Change,
            format!("{compared}; the protective MBR is written again"),
        ),
        Action::Keep(compared) => (Effect::Keep, compared.clone()),
    })
}

/// `"data", 8 GiB from 1 MiB`
fn describe(entry: &Entry, table: &Table) -> String {
    let size = |sectors: u64| human_size(sectors.saturating_mul(u64::from(table.sector_bytes)));
    let label = match entry.label.as_str() {
        "" => String::new(),
        label => format!("{label:?}, "),
    };
    format!("{label}{} from {}", size(entry.sectors), size(entry.start))
}

fn partition(disk: &Disk, number: u32) -> DeviceRef {
    DeviceRef::Partition {
        disk: disk.device.clone(),
        number,
    }
}
