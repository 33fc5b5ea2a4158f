//! What keeps a disk from being partitioned at all, whatever its entries say. Where data could be lost, these checks
//! are stricter than the reference.

use super::Conflict;
use crate::disk::gpt::{GptHealth, Table, TableFacts};
use crate::facts::DiskFacts;

/// The program that creates the maps for partitions of device-mapper disks.
pub(super) const DMSETUP: &str = "dmsetup";

/// Refuses what is not a disk, or has no medium.
pub(super) fn check_is_disk(facts: &DiskFacts) -> Result<(), Conflict> {
    if let Some(disk) = &facts.partition_of {
        return Err(Conflict::disk(
            format!("it is a partition of {disk}, not a disk"),
            format!("name the disk, {disk}"),
        ));
    }
    if facts.sectors == 0 {
        return Err(Conflict::disk(
            "it has no size, as a drive without a medium",
            "insert a medium, or name another disk",
        ));
    }
    Ok(())
}

/// Refuses to wipe the table of a disk that is in use. A wipe affects all partitions.
pub(super) fn check_wipe(facts: &DiskFacts) -> Result<(), Conflict> {
    let mut holders: Vec<String> = facts
        .partitions_held_by
        .iter()
        .map(|(number, by)| format!("partition {number} {}", by.join(", ")))
        .collect();
    holders.extend(facts.held_by.iter().cloned());
    match holders.is_empty() {
        true => Ok(()),
        false => Err(Conflict::disk(
            format!("wipeTable is set, but it is in use: {}", holders.join("; ")),
            "unmount or detach it first, or leave out wipeTable",
        )),
    }
}

/// The table to start from: the one present, reaching the end of the disk, or an empty one.
pub(super) fn present_table(facts: &DiskFacts, wipe: bool) -> Result<(Table, GptHealth), Conflict> {
    let empty = || {
        Table::empty(facts.sector_bytes, facts.sectors).ok_or_else(|| {
            Conflict::disk(
                format!("{} sectors are too few for a GPT", facts.sectors),
                "use a larger disk",
            )
        })
    };
    match &facts.table {
        _ if wipe => Ok((empty()?, GptHealth::Sound)),
        TableFacts::None => Ok((empty()?, GptHealth::Sound)),
        TableFacts::Gpt { table, health } => Ok((table.clone().extended_to_end(), *health)),
        TableFacts::Foreign(kind) => Err(Conflict::disk(
            format!("it has a partition table of type {kind}, not gpt"),
            "set wipeTable to replace it; all its partitions are lost",
        )),
        TableFacts::Corrupt(why) => Err(Conflict::disk(
            format!("its GPT is damaged beyond use ({why})"),
            "repair it, or set wipeTable to replace it",
        )),
    }
}

/// Refuses to write to a table that is read-only, in use or not the only content of its disk.
pub(super) fn check_write(facts: &DiskFacts, wipe: bool, can_map: bool) -> Result<(), Conflict> {
    if facts.read_only {
        return Err(Conflict::disk(
            "it is read only",
            "make it writable (blockdev --setrw), or name another disk",
        ));
    }
    if !facts.held_by.is_empty() {
        return Err(Conflict::disk(
            format!("the disk itself is in use: {}", facts.held_by.join(", ")),
            "unmount or detach it first",
        ));
    }
    if facts.map.is_some() && !can_map {
        return Err(Conflict::disk(
            format!(
                "its partitions are device-mapper maps, and the program {DMSETUP} is not installed"
            ),
            "install package dmsetup (Debian) or device-mapper (Fedora)",
        ));
    }
    match wipe {
        true => Ok(()),
        false => check_whole_disk(facts),
    }
}

/// Refuses to write a table to a disk that holds something as a whole, which that would destroy. A sound table is
/// trusted, since it is the newer of the two.
fn check_whole_disk(facts: &DiskFacts) -> Result<(), Conflict> {
    let what = facts
        .superblock
        .describe()
        .filter(|_| !facts.superblock.incomplete);
    let health = match &facts.table {
        TableFacts::Gpt { health, .. } => Some(*health),
        _ => None,
    };
    let is_member = facts.superblock.kind.as_deref() == Some("linux_raid_member");
    let cause = match (what, health) {
        (None, _) | (_, Some(GptHealth::Sound)) => return Ok(()),
        (Some(what), None) => {
            format!("it holds {what} on the whole disk and has no partition table")
        }
        (Some(what), Some(GptHealth::PrimaryDamaged)) => {
            format!("it holds {what} on the whole disk, and of its GPT only the backup is left")
        }
        (Some(what), Some(GptHealth::MbrDamaged)) => {
            format!("it holds {what} on the whole disk, and its GPT has no protective MBR")
        }
        (Some(what), Some(_)) if is_member => {
            format!("as a whole it is a {what}; the table seen on it may be that of the array")
        }
        _ => return Ok(()),
    };
    Err(Conflict::disk(
        cause,
        "set wipeTable to destroy that, or name another disk",
    ))
}

/// Refuses if the kernel sees a partition that is in use at another place than the table has it.
pub(super) fn check_kernel_view(facts: &DiskFacts, table: &Table) -> Result<(), Conflict> {
    let differing = facts
        .partitions_held_by
        .iter()
        .find(|(number, _)| is_unknown_to_kernel(facts, table, **number));
    match differing {
        Some((number, by)) => Err(Conflict::disk(
            format!(
                "the table has partition {number} elsewhere than the kernel sees it, and it is in use: {}",
                by.join(", ")
            ),
            "unmount or detach it, or reboot, so that the kernel reads the table again",
        )),
        None => Ok(()),
    }
}

/// True if the kernel does not see a partition where the table has it.
pub(super) fn is_unknown_to_kernel(facts: &DiskFacts, table: &Table, number: u32) -> bool {
    let Some(seen) = &facts.kernel_view else {
        return false;
    };
    let units = u64::from(table.sector_bytes) / 512;
    let wanted = table.entries.get(&number).map(|entry| {
        (
            entry.start.saturating_mul(units),
            entry.sectors.saturating_mul(units),
        )
    });
    seen.get(&number).copied() != wanted
}

/// Refuses a table whose entries overlap or are outside of the usable range: tools and the kernel would consider it
/// damaged.
pub(super) fn check_layout(table: &Table) -> Result<(), Conflict> {
    let remedy = "repair the table, delete such a partition, or set wipeTable";
    let mut by_start: Vec<_> = table.entries.iter().collect();
    by_start.sort_by_key(|(_, entry)| entry.start);
    let outside = by_start
        .iter()
        .find(|(_, entry)| entry.start < table.first_usable || entry.end() > table.last_usable);
    if let Some((number, entry)) = outside {
        return Err(Conflict::disk(
            format!(
                "its partition {number} (sectors {} to {}) lies outside the usable range {} to {}",
                entry.start,
                entry.end(),
                table.first_usable,
                table.last_usable
            ),
            remedy,
        ));
    }
    let overlap = by_start
        .windows(2)
        .find(|pair| pair[0].1.end() >= pair[1].1.start);
    match overlap {
        Some([(one, a), (other, b)]) => Err(Conflict::disk(
            format!(
                "its partitions {one} (sectors {} to {}) and {other} (sectors {} to {}) overlap",
                a.start,
                a.end(),
                b.start,
                b.end()
            ),
            remedy,
        )),
        _ => Ok(()),
    }
}
