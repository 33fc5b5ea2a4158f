//! Which slot, start and size each requested partition gets. All deletions and creations are simulated, as
//! `sgdisk --pretend` does.

use super::PartitionProblem;
use crate::config::model::Partition;
use crate::disk::extent::Extent;
use crate::disk::gpt::{Entry, GuidChoice, Table};
use crate::disk::layout::{Layout, PartitionRequest, PlacementError};
use crate::text::human_size;
use std::collections::BTreeMap;

/// A requested partition with all values decided.
#[derive(Debug, Clone)]
pub(super) struct ResolvedPartition<'a> {
    /// What the config says.
    pub config: &'a Partition,
    /// Its index in the config's list.
    pub index: usize,
    /// Slot.
    pub number: u32,
    /// Place; `None` for one that should not exist.
    pub extent: Option<Extent>,
}

/// A requested partition in sectors, before the simulation.
struct PartitionSpec<'a> {
    config: &'a Partition,
    index: usize,
    /// 0 = next free slot.
    number: u32,
    start: Option<u64>,
    sectors: Option<u64>,
    /// True if a present partition already is what an entry without a number requests.
    is_adopted: bool,
}

impl PartitionSpec<'_> {
    fn should_exist(&self) -> bool {
        self.config.should_exist != Some(false)
    }
    fn may_wipe(&self) -> bool {
        self.config.wipe_partition_entry == Some(true)
    }
}

/// Remedy for a disk without free space.
const FREE_SPACE_REMEDY: &str = "give another partition less space, delete one with shouldExist false and \
                         wipePartitionEntry, or use a larger disk";

/// Resolves all entries of one disk against its present table: explicit numbers first, then entries that take the next
/// free slot, both in the order of the config.
pub(super) fn resolve<'a>(
    partitions: &'a [Partition],
    table: &Table,
) -> Result<Vec<ResolvedPartition<'a>>, Vec<PartitionProblem>> {
    let mut specs = in_sectors(partitions, table)?;
    adopt(&mut specs, table);
    // Adopted ones come first, so that nothing new is placed on them.
    specs.sort_by_key(|w| (!w.is_adopted, w.number == 0));
    let numbers = assign_numbers(&specs, table)?;
    let mut layout = Layout::of(table);
    for spec in &specs {
        layout.delete(spec.number);
    }
    let mut resolved = Vec::new();
    for (spec, number) in specs.iter().zip(numbers) {
        let extent = match spec.should_exist() {
            true => Some(
                place(spec, number, table, &mut layout)
                    .map_err(|why| vec![no_place(spec, number, table, &layout, &resolved, &why)])?,
            ),
            false => None,
        };
        resolved.push(ResolvedPartition {
            config: spec.config,
            index: spec.index,
            number,
            extent,
        });
    }
    Ok(resolved)
}

/// What the same config makes of a table without its own partitions, as an earlier run found it. Where values are left
/// open, a config may choose other ones next to its own partitions, and every run would change something.
pub(super) fn resolve_without_own<'a>(
    partitions: &'a [Partition],
    table: &Table,
) -> Result<Vec<ResolvedPartition<'a>>, Vec<PartitionProblem>> {
    let mut specs = in_sectors(partitions, table)?;
    adopt(&mut specs, table);
    let mut bare = table.clone();
    for spec in specs.iter().filter(|spec| spec.should_exist()) {
        bare.entries.remove(&spec.number);
    }
    resolve(partitions, &bare)
}

fn in_sectors<'a>(
    partitions: &'a [Partition],
    table: &Table,
) -> Result<Vec<PartitionSpec<'a>>, Vec<PartitionProblem>> {
    let (good, bad): (Vec<_>, Vec<_>) = partitions
        .iter()
        .enumerate()
        .map(|(index, config)| convert(index, config, table))
        .partition(Result::is_ok);
    match bad.is_empty() {
        true => Ok(good.into_iter().flatten().collect()),
        false => Err(bad.into_iter().filter_map(Result::err).collect()),
    }
}

fn convert<'a>(
    index: usize,
    config: &'a Partition,
    table: &Table,
) -> Result<PartitionSpec<'a>, PartitionProblem> {
    let problem = |cause: String, remedy: &str| PartitionProblem {
        index,
        number: config.number,
        cause,
        remedy: remedy.into(),
    };
    let number = u32::try_from(config.number)
        .ok()
        .filter(|number| *number <= table.slots || config.should_exist == Some(false))
        .ok_or_else(|| {
            let cause = format!("the table has slots 1 to {}", table.slots);
            problem(cause, "choose a number in that range")
        })?;
    let sectors = |name: &str, mib: Option<i64>| {
        mib.map(|mib| {
            u64::try_from(mib)
                .ok()
                .and_then(|mib| mib.checked_mul(sectors_per_mib(table)))
                .ok_or_else(|| {
                    let cause = format!("{name} {mib} is not a possible number of MiB");
                    problem(cause, "give a number from 0 up to the size of the disk")
                })
        })
        .transpose()
    };
    Ok(PartitionSpec {
        config,
        index,
        number,
        start: sectors("startMiB", config.start_mib)?,
        sectors: sectors("sizeMiB", config.size_mib)?,
        is_adopted: false,
    })
}

/// An entry without a number is identified by its label: a partition that an earlier run created for it is reused, so
/// that running again changes nothing. sgdisk would create a second one.
fn adopt(specs: &mut [PartitionSpec], table: &Table) {
    let mut taken: Vec<u32> = specs.iter().map(|w| w.number).collect();
    let unnumbered = specs.iter_mut().filter(|w| w.number == 0);
    for spec in unnumbered.filter(|w| w.should_exist()) {
        let own = table
            .entries
            .iter()
            .find(|(number, entry)| !taken.contains(number) && is_made_for(spec, entry));
        if let Some((number, entry)) = own {
            taken.push(*number);
            spec.number = *number;
            spec.start = Some(entry.start);
            spec.sectors = Some(entry.sectors);
            spec.is_adopted = true;
        }
    }
}

/// True if the partition has all values that the entry gives.
fn is_made_for(spec: &PartitionSpec, entry: &Entry) -> bool {
    let is = |given: Option<u64>, present: u64| {
        matches!(given, None | Some(0)) || given == Some(present)
    };
    let is_guid = |given: &Option<String>, present: &str| {
        let given = given.as_deref().filter(|text| !text.is_empty());
        given.is_none_or(|text| text.eq_ignore_ascii_case(present))
    };
    let guid = match entry.guid {
        GuidChoice::Given(guid) => guid.to_string(),
        GuidChoice::Random => String::new(),
    };
    spec.config.label.as_ref() == Some(&entry.label)
        && is(spec.start, entry.start)
        && is(spec.sectors, entry.sectors)
        && is_guid(&spec.config.type_guid, &entry.type_guid.to_string())
        && is_guid(&spec.config.guid, &guid)
}

fn sectors_per_mib(table: &Table) -> u64 {
    1024 * 1024 / u64::from(table.sector_bytes.max(512))
}

/// Slots in the order of `specs`. A slot freed by an entry that should not exist may be reused.
fn assign_numbers(
    specs: &[PartitionSpec],
    table: &Table,
) -> Result<Vec<u32>, Vec<PartitionProblem>> {
    let mut used: BTreeMap<u32, bool> = table.entries.keys().map(|n| (*n, true)).collect();
    for spec in specs.iter().filter(|w| w.number > 0) {
        used.insert(spec.number, spec.should_exist());
    }
    let mut free = (1..=table.slots).filter(|n| !used.get(n).copied().unwrap_or(false));
    specs
        .iter()
        .map(|spec| match spec.number {
            0 if spec.should_exist() => free.next().ok_or_else(|| {
                vec![PartitionProblem {
                    index: spec.index,
                    number: 0,
                    cause: format!("all {} slots of the table are taken", table.slots),
                    remedy: "delete a partition or give the number of one to replace".into(),
                }]
            }),
            number => Ok(number),
        })
        .collect()
}

/// Places one entry in the simulation. Values that the config gives (other than 0) are kept; the simulation decides the
/// others.
fn place(
    spec: &PartitionSpec,
    number: u32,
    table: &Table,
    layout: &mut Layout,
) -> Result<Extent, PlacementError> {
    // Only an entry that names the number keeps values of the present partition.
    let kept = table
        .entries
        .get(&spec.number)
        .filter(|_| !spec.may_wipe())
        .filter(|_| spec.number > 0);
    let start = spec.start.or(kept.map(|entry| entry.start));
    let sectors = spec.sectors.or(kept.map(|entry| entry.sectors));
    let request = PartitionRequest {
        start: start.filter(|start| *start > 0),
        sectors: sectors.filter(|sectors| *sectors > 0),
        align: spec.start.is_some() && !spec.is_adopted,
    };
    let simulated = layout.create(number, request)?;
    Ok(match (request.start, spec.start, spec.sectors) {
        (_, Some(start @ 1..), Some(sectors @ 1..)) => Extent { start, sectors },
        _ => simulated,
    })
}

fn no_place(
    spec: &PartitionSpec,
    number: u32,
    table: &Table,
    layout: &Layout,
    earlier: &[ResolvedPartition],
    why: &PlacementError,
) -> PartitionProblem {
    let (cause, mut remedy) = explain(why, table, layout);
    let has_start = spec.start.is_some_and(|start| start > 0);
    if let Some(space_taker) = space_taker(why, has_start, table, earlier) {
        remedy = format!(
            "give {} a sizeMiB: without one it takes all the space there is",
            name_of(space_taker)
        );
    }
    PartitionProblem {
        index: spec.index,
        number: i64::from(number),
        cause,
        remedy,
    }
}

/// The partition without a size that took the space for another one.
fn space_taker<'r, 'c>(
    why: &PlacementError,
    has_start: bool,
    table: &Table,
    earlier: &'r [ResolvedPartition<'c>],
) -> Option<&'r ResolvedPartition<'c>> {
    let takes_all = |other: &&ResolvedPartition| {
        let config = other.config;
        let keeps =
            config.wipe_partition_entry != Some(true) && table.entries.contains_key(&other.number);
        other.extent.is_some()
            && match config.size_mib {
                Some(0) => true,
                Some(_) => false,
                None => !keeps,
            }
    };
    let mut takers = earlier.iter().filter(takes_all);
    match why {
        PlacementError::Occupied { by, .. } => takers.find(|other| other.number == *by),
        PlacementError::Full => takers.next(),
        PlacementError::TooLarge { .. } if !has_start => takers.next(),
        _ => None,
    }
}

/// `partition 4 ("root")`
fn name_of(partition: &ResolvedPartition) -> String {
    let label = partition.config.label.as_deref().unwrap_or_default();
    match label {
        "" => format!("partition {}", partition.number),
        label => format!("partition {} ({label:?})", partition.number),
    }
}

/// Cause and remedy: what is in the way, how much space is free, how much is missing.
pub(super) fn explain(why: &PlacementError, table: &Table, layout: &Layout) -> (String, String) {
    let size = |sectors: u64| human_size(sectors.saturating_mul(u64::from(table.sector_bytes)));
    let largest = layout.largest_block().map_or_else(
        || "there is no free space".to_owned(),
        |block| {
            format!(
                "the largest free block has {} from sector {}",
                size(block.sectors),
                block.start
            )
        },
    );
    let sectors_per_mib = sectors_per_mib(table);
    let advice = match why {
        _ if layout.largest_block().is_none() => FREE_SPACE_REMEDY.to_owned(),
        PlacementError::TooLarge { free, .. } if *free < sectors_per_mib => {
            FREE_SPACE_REMEDY.to_owned()
        }
        PlacementError::TooLarge { free, .. } => {
            format!("set sizeMiB to at most {}", free / sectors_per_mib)
        }
        _ => "change startMiB, or leave it out to use that block".to_owned(),
    };
    let cause = match why {
        PlacementError::Full => "the disk is full".to_owned(),
        PlacementError::OutsideDisk { start, first, last } => {
            format!("sector {start} is outside the usable range {first} to {last}")
        }
        PlacementError::Occupied { start, by } => {
            format!("sector {start} belongs to partition {by}")
        }
        PlacementError::TooLarge {
            start,
            requested,
            free,
            next,
        } => {
            let up_to = next.map_or_else(
                || "the end of the disk".to_owned(),
                |number| format!("partition {number}"),
            );
            format!(
                "it needs {}, but from sector {start} up to {up_to} only {} are free: {} are missing",
                size(*requested),
                size(*free),
                size(requested - free)
            )
        }
        PlacementError::SlotTaken => "the slot is taken by another partition".to_owned(),
    };
    (cause, format!("{largest}; {advice}"))
}
