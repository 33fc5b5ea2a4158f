//! Descriptions of what a new table destroys.

use super::decide::{Action, PartitionDecision};
use crate::config::model::Disk;
use crate::disk::gpt::{Entry, Table, TableFacts};
use crate::facts::DiskFacts;
use crate::text::human_size;

/// What wiping the whole table destroys.
pub(super) fn by_wipe(disk: &Disk, facts: &DiskFacts) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(what) = facts.superblock.describe() {
        lines.push(format!("{}: {what}", disk.device));
    }
    match &facts.table {
        TableFacts::None => {}
        TableFacts::Foreign(kind) => {
            lines.push(format!("partition table ({kind}) of {}", disk.device));
        }
        TableFacts::Corrupt(_) => lines.push(format!("damaged GPT of {}", disk.device)),
        TableFacts::Gpt { table, .. } => {
            lines.push(format!(
                "partition table of {} with {} partitions",
                disk.device,
                table.entries.len()
            ));
            let each = table.entries.iter();
            lines.extend(each.map(|(n, e)| describe(disk, facts, *n, e)));
        }
    }
    lines
}

/// What changes of single entries destroy.
pub(super) fn by_changes(
    disk: &Disk,
    facts: &DiskFacts,
    before: &Table,
    decisions: &[PartitionDecision],
) -> Vec<String> {
    let mut lines = Vec::new();
    for decision in decisions {
        let Some(present) = before.entries.get(&decision.number) else {
            continue;
        };
        let lost = match &decision.action {
            Action::Delete | Action::Replace(..) => true,
            Action::Resize(entry, _) => entry.sectors < present.sectors,
            _ => false,
        };
        if lost {
            lines.push(describe(disk, facts, decision.number, present));
        }
    }
    lines
}

/// `partition 3 of /dev/vda ("var"): xfs "data", 8 GiB`
fn describe(disk: &Disk, facts: &DiskFacts, number: u32, entry: &Entry) -> String {
    let content = facts
        .partitions
        .get(&number)
        .and_then(|superblock| superblock.describe())
        .unwrap_or_else(|| "no known file system".into());
    let size = human_size(entry.sectors.saturating_mul(u64::from(facts.sector_bytes)));
    let label = match entry.label.as_str() {
        "" => String::new(),
        label => format!(" ({label:?})"),
    };
    format!(
        "partition {number} of {}{label}: {content}, {size}",
        disk.device
    )
}
