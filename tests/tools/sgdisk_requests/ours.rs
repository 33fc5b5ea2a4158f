//! Our side of a round: the planner on a disk with the table.

use super::Slots;
use super::disk::{Medium, Slot};
use kindling::config;
use kindling::disk::gpt::{GuidChoice, Table};
use kindling::facts::{DiskFacts, Observed};
use kindling::plan::op::OpKind;
use kindling::plan::{Draft, Mounts, Options, Scope, TargetState, partitions};

/// The table after the plan, or why there is no plan.
pub fn plan(config: &str, medium: &Medium) -> Result<Slots, String> {
    let document = config::parse("round.ign", config.as_bytes())
        .outcome
        .map_err(|e| e.to_string())?;
    let device = document.config().storage.disks[0].device.clone();
    let facts = DiskFacts {
        node: device.clone(),
        sector_bytes: medium.sector_bytes,
        sectors: medium.sectors,
        table: medium.facts(),
        ..DiskFacts::default()
    };
    let mut observed = Observed::default();
    let before = facts.table.gpt().cloned();
    observed.disks.insert(device, facts);
    let options = Options {
        scope: Scope::Everything,
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot: None,
    };
    let mut draft = Draft::new(&document, &observed, &options);
    partitions::plan(&mut draft);
    if let Some(refusal) = draft.refusals().first() {
        return Err(refusal.to_string());
    }
    let written = draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::WriteTable(write) => Some(write.table.clone()),
        _ => None,
    });
    Ok(written
        .or(before)
        .map_or_else(Slots::new, |table| slots(&table)))
}

fn slots(table: &Table) -> Slots {
    let slot = |entry: &kindling::disk::gpt::Entry| Slot {
        start: entry.start,
        sectors: entry.sectors,
        kind: entry.type_guid.to_string(),
        guid: match entry.guid {
            GuidChoice::Given(guid) => guid.to_string(),
            GuidChoice::Random => String::new(),
        },
        label: entry.label.clone(),
        attributes: entry.attributes,
    };
    table
        .entries
        .iter()
        .map(|(number, entry)| (*number, slot(entry)))
        .collect()
}
