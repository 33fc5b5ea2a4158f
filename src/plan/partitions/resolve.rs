//! Which slot, start and size each wanted partition gets: one rehearsal of all deletions and
//! creations on paper, as `sgdisk --pretend` would do it.

use super::PartitionProblem;
use crate::config::model::Partition;
use crate::disk::extent::Extent;
use crate::disk::gpt::{Entry, GuidChoice, Table};
use crate::disk::layout::{Layout, NoPlace, PartitionRequest};
use crate::text::human_size;
use std::collections::BTreeMap;

/// A wanted partition whose open values are decided.
#[derive(Debug, Clone)]
pub(super) struct ResolvedPartition<'a> {
    /// What the config says.
    pub config: &'a Partition,
    /// Its index in the config's list.
    pub index: usize,
    /// Slot.
    pub number: u32,
    /// Place; `None` for one that shall not exist.
    pub extent: Option<Extent>,
}

/// A wanted partition in sectors, before the rehearsal.
struct PartitionSpec<'a> {
    config: &'a Partition,
    index: usize,
    /// 0 = next free slot.
    number: u32,
    start: Option<u64>,
    sectors: Option<u64>,
    /// A present partition that already is what an entry without number asks for.
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

/// What helps on a disk without space.
const MAKE_ROOM: &str = "give another partition less space, delete one with shouldExist false and \
                         wipePartitionEntry, or use a larger disk";

/// Resolves all entries of one disk against its present table: explicit numbers first, then those
/// that take the next free slot, both in config order.
pub(super) fn resolve<'a>(
    partitions: &'a [Partition],
    table: &Table,
) -> Result<Vec<ResolvedPartition<'a>>, Vec<PartitionProblem>> {
    let mut wanted = in_sectors(partitions, table)?;
    adopt(&mut wanted, table);
    // Adopted ones come first: nothing new may be placed on them.
    wanted.sort_by_key(|w| (!w.is_adopted, w.number == 0));
    let numbers = assign_numbers(&wanted, table)?;
    let mut layout = Layout::of(table);
    for want in &wanted {
        layout.delete(want.number);
    }
    let mut resolved = Vec::new();
    for (want, number) in wanted.iter().zip(numbers) {
        let extent = match want.should_exist() {
            true => Some(
                place(want, number, table, &mut layout)
                    .map_err(|why| vec![no_place(want, number, table, &layout, &resolved, &why)])?,
            ),
            false => None,
        };
        resolved.push(ResolvedPartition {
            config: want.config,
            index: want.index,
            number,
            extent,
        });
    }
    Ok(resolved)
}

/// What the same config makes of a table that lacks its own partitions, as an earlier run will have found it. Where
/// values are left open, it may choose other ones beside its own partitions, and would never come to rest.
pub(super) fn resolve_without_own<'a>(
    partitions: &'a [Partition],
    table: &Table,
) -> Result<Vec<ResolvedPartition<'a>>, Vec<PartitionProblem>> {
    let mut wanted = in_sectors(partitions, table)?;
    adopt(&mut wanted, table);
    let mut bare = table.clone();
    for want in wanted.iter().filter(|want| want.should_exist()) {
        bare.entries.remove(&want.number);
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

/// An entry without number is known by its label: a partition that an earlier run made for it is its
/// own, so that running again changes nothing. sgdisk would make a second one.
fn adopt(wanted: &mut [PartitionSpec], table: &Table) {
    let mut taken: Vec<u32> = wanted.iter().map(|w| w.number).collect();
    let nameless = wanted.iter_mut().filter(|w| w.number == 0);
    for want in nameless.filter(|w| w.should_exist()) {
        let own = table
            .entries
            .iter()
            .find(|(number, entry)| !taken.contains(number) && is_made_for(want, entry));
        if let Some((number, entry)) = own {
            taken.push(*number);
            want.number = *number;
            want.start = Some(entry.start);
            want.sectors = Some(entry.sectors);
            want.is_adopted = true;
        }
    }
}

/// Every value the entry gives is the partition's.
fn is_made_for(want: &PartitionSpec, entry: &Entry) -> bool {
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
    want.config.label.as_ref() == Some(&entry.label)
        && is(want.start, entry.start)
        && is(want.sectors, entry.sectors)
        && is_guid(&want.config.type_guid, &entry.type_guid.to_string())
        && is_guid(&want.config.guid, &guid)
}

fn sectors_per_mib(table: &Table) -> u64 {
    1024 * 1024 / u64::from(table.sector_bytes.max(512))
}

/// Slots in the order of `wanted`. A slot freed by an entry that shall not exist may be taken again.
fn assign_numbers(
    wanted: &[PartitionSpec],
    table: &Table,
) -> Result<Vec<u32>, Vec<PartitionProblem>> {
    let mut used: BTreeMap<u32, bool> = table.entries.keys().map(|n| (*n, true)).collect();
    for want in wanted.iter().filter(|w| w.number > 0) {
        used.insert(want.number, want.should_exist());
    }
    let mut free = (1..=table.slots).filter(|n| !used.get(n).copied().unwrap_or(false));
    wanted
        .iter()
        .map(|want| match want.number {
            0 if want.should_exist() => free.next().ok_or_else(|| {
                vec![PartitionProblem {
                    index: want.index,
                    number: 0,
                    cause: format!("all {} slots of the table are taken", table.slots),
                    remedy: "delete a partition or give the number of one to replace".into(),
                }]
            }),
            number => Ok(number),
        })
        .collect()
}

/// Places one entry in the rehearsal. Values the config gives (other than 0) stand as they are; for
/// the others the result of the rehearsal counts.
fn place(
    want: &PartitionSpec,
    number: u32,
    table: &Table,
    layout: &mut Layout,
) -> Result<Extent, NoPlace> {
    // Only an entry that names the number keeps values of the present partition.
    let kept = table
        .entries
        .get(&want.number)
        .filter(|_| !want.may_wipe())
        .filter(|_| want.number > 0);
    let start = want.start.or(kept.map(|entry| entry.start));
    let sectors = want.sectors.or(kept.map(|entry| entry.sectors));
    let request = PartitionRequest {
        start: start.filter(|start| *start > 0),
        sectors: sectors.filter(|sectors| *sectors > 0),
        align: want.start.is_some() && !want.is_adopted,
    };
    let rehearsed = layout.create(number, request)?;
    Ok(match (request.start, want.start, want.sectors) {
        (_, Some(start @ 1..), Some(sectors @ 1..)) => Extent { start, sectors },
        _ => rehearsed,
    })
}

fn no_place(
    want: &PartitionSpec,
    number: u32,
    table: &Table,
    layout: &Layout,
    earlier: &[ResolvedPartition],
    why: &NoPlace,
) -> PartitionProblem {
    let (cause, mut remedy) = explain(why, table, layout);
    let has_start = want.start.is_some_and(|start| start > 0);
    if let Some(taker) = taker(why, has_start, table, earlier) {
        remedy = format!(
            "give {} a sizeMiB: without one it takes all the space there is",
            name_of(taker)
        );
    }
    PartitionProblem {
        index: want.index,
        number: i64::from(number),
        cause,
        remedy,
    }
}

/// The partition without a size that took the space another one was to have.
fn taker<'r, 'c>(
    why: &NoPlace,
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
        NoPlace::Occupied { by, .. } => takers.find(|other| other.number == *by),
        NoPlace::Full => takers.next(),
        NoPlace::TooLarge { .. } if !has_start => takers.next(),
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

/// In words: what is in the way, how much is free, how much is missing.
pub(super) fn explain(why: &NoPlace, table: &Table, layout: &Layout) -> (String, String) {
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
        _ if layout.largest_block().is_none() => MAKE_ROOM.to_owned(),
        NoPlace::TooLarge { free, .. } if *free < sectors_per_mib => MAKE_ROOM.to_owned(),
        NoPlace::TooLarge { free, .. } => {
            format!("set sizeMiB to at most {}", free / sectors_per_mib)
        }
        _ => "change startMiB, or leave it out to use that block".to_owned(),
    };
    let cause = match why {
        NoPlace::Full => "the disk is full".to_owned(),
        NoPlace::OutsideDisk { start, first, last } => {
            format!("sector {start} is outside the usable range {first} to {last}")
        }
        NoPlace::Occupied { start, by } => format!("sector {start} belongs to partition {by}"),
        NoPlace::TooLarge {
            start,
            wanted,
            free,
            before,
        } => {
            let up_to = before.map_or_else(
                || "the end of the disk".to_owned(),
                |number| format!("partition {number}"),
            );
            format!(
                "it needs {}, but from sector {start} up to {up_to} only {} are free: {} are missing",
                size(*wanted),
                size(*free),
                size(wanted - free)
            )
        }
        NoPlace::SlotTaken => "the slot is taken by another partition".to_owned(),
    };
    (cause, format!("{largest}; {advice}"))
}
