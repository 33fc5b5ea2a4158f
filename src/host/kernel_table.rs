//! The kernel's own idea of the partitions of a disk, brought into line one partition at a time, so
//! that partitions in use are left alone.

use super::sys::{PartitionCall, tell_partition};
use crate::disk::gpt::Table;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Start and length in the 512-byte units of sysfs.
type Extents = BTreeMap<u32, (u64, u64)>;

/// The unit of sysfs, whatever the disk's sectors are.
const UNIT_BYTES: u64 = 512;

/// Tells the kernel what changed and checks that it took it. `table` is `None` for a disk without one.
///
/// # Errors
/// A partition that must change is in use, or the kernel's view differs in the end.
pub fn update(disk: &File, node: &Path, table: Option<&Table>) -> anyhow::Result<()> {
    let class = class_of(node)?;
    let wanted = wanted(table);
    for (call, number, extent) in calls(&present(&class)?, &wanted) {
        let (start, length) = (extent.0 * UNIT_BYTES, extent.1 * UNIT_BYTES);
        tell_partition(disk, call, number, start, length).with_context(|| {
            let verb = match call {
                PartitionCall::Add => "add",
                PartitionCall::Remove => "remove",
                PartitionCall::Resize => "resize",
            };
            format!(
                "the kernel will not {verb} partition {number} of {}",
                node.display()
            )
        })?;
    }
    let present = present(&class)?;
    if present != wanted {
        bail!(
            "the kernel sees other partitions on {} than were written: {present:?} instead of {wanted:?} \
             (number: start, length in units of 512 bytes)",
            node.display()
        );
    }
    Ok(())
}

/// What to tell: removals first, then new lengths, then additions.
fn calls(present: &Extents, wanted: &Extents) -> Vec<(PartitionCall, u32, (u64, u64))> {
    let mut removals = Vec::new();
    let mut resizes = Vec::new();
    let mut additions = Vec::new();
    for (number, old) in present {
        match wanted.get(number) {
            Some(new) if new == old => {}
            Some(new) if new.0 == old.0 => resizes.push((PartitionCall::Resize, *number, *new)),
            _ => removals.push((PartitionCall::Remove, *number, *old)),
        }
    }
    for (number, new) in wanted {
        if present.get(number).is_none_or(|old| old.0 != new.0) {
            additions.push((PartitionCall::Add, *number, *new));
        }
    }
    // A partition that shrinks makes room for one that grows.
    resizes.sort_by_key(|(_, number, new)| new.1 > present[number].1);
    removals
        .into_iter()
        .chain(resizes)
        .chain(additions)
        .collect()
}

fn wanted(table: Option<&Table>) -> Extents {
    let Some(table) = table else {
        return Extents::new();
    };
    let units = u64::from(table.sector_bytes) / UNIT_BYTES;
    let extent = |start: u64, sectors: u64| (start * units, sectors * units);
    let entries = table.entries.iter();
    entries
        .map(|(number, entry)| (*number, extent(entry.start, entry.sectors)))
        .collect()
}

fn class_of(node: &Path) -> anyhow::Result<PathBuf> {
    let name = node
        .file_name()
        .with_context(|| format!("{} has no name", node.display()))?;
    let class = Path::new("/sys/class/block").join(name);
    if class.join("dm").exists() {
        bail!(
            "{} is a device-mapper disk; partitioning these is not supported by this version",
            node.display()
        );
    }
    Ok(class)
}

fn present(class: &Path) -> anyhow::Result<Extents> {
    let mut found = Extents::new();
    let entries =
        fs::read_dir(class).with_context(|| format!("cannot read {}", class.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.join("partition").exists() {
            let number = number_in(&path.join("partition"))?;
            let number = u32::try_from(number).context("a partition number out of range")?;
            let extent = (
                number_in(&path.join("start"))?,
                number_in(&path.join("size"))?,
            );
            found.insert(number, extent);
        }
    }
    Ok(found)
}

fn number_in(path: &Path) -> anyhow::Result<u64> {
    let act = || format!("cannot read {}", path.display());
    fs::read_to_string(path)
        .with_context(act)?
        .trim()
        .parse()
        .with_context(act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let present = Extents::from([(1, (0, 8)), (2, (8, 8)), (3, (16, 8)), (4, (24, 4))]);
        let wanted = Extents::from([(1, (0, 8)), (2, (8, 16)), (4, (28, 4)), (5, (32, 1))]);
        assert_eq!(
            calls(&present, &wanted),
            [
                (PartitionCall::Remove, 3, (16, 8)),
                (PartitionCall::Remove, 4, (24, 4)),
                (PartitionCall::Resize, 2, (8, 16)),
                (PartitionCall::Add, 4, (28, 4)),
                (PartitionCall::Add, 5, (32, 1)),
            ]
        );
    }

    #[test]
    fn shrinking_comes_before_growing() {
        let present = Extents::from([(1, (0, 8)), (2, (8, 8))]);
        let wanted = Extents::from([(1, (0, 9)), (2, (8, 4))]);
        let order: Vec<u32> = calls(&present, &wanted).iter().map(|c| c.1).collect();
        assert_eq!(order, [2, 1]);
    }
}
