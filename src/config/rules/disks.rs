//! Disks and partitions.

use super::{Rules, non_empty};
use crate::config::model::{Disk, Partition};
use crate::config::path::Path;
use crate::text::is_guid;
use std::collections::HashMap;

/// Maximum length of a GPT partition name in bytes of UTF-8.
const MAX_LABEL_BYTES: usize = 36;
/// How many partitions that overlap others are compared with all. If there are more, some are duplicate entries.
const MAX_SUSPECTS: usize = 1000;

pub(super) fn check(rules: &mut Rules, disk: &Disk, path: &Path<'_>) {
    let device = path.member("device");
    let partitions = path.member("partitions");
    if disk.device.is_empty() {
        rules.error(&device, "disk device is required");
    } else {
        rules.check_path(&device, &disk.device);
        check_relations(rules, &disk.partitions, &partitions);
    }
    for (i, partition) in disk.partitions.iter().enumerate() {
        check_partition(rules, partition, &partitions.index(i));
    }
}

fn check_relations(rules: &mut Rules, partitions: &[Partition], path: &Path<'_>) {
    if let Some((i, other)) = first_overlap(partitions) {
        let message = format!("partition overlaps partition entry {other}");
        rules.error(&path.index(i), message);
    }
    if let Some(i) = first_repeated_label(partitions) {
        rules.error(&path.index(i), "partition label is used twice");
    }
}

/// Index of the first partition with the label of an earlier one. Two with the same number, or without numbers, are
/// duplicate entries already.
fn first_repeated_label(partitions: &[Partition]) -> Option<usize> {
    let mut seen: HashMap<&str, i64> = HashMap::new();
    partitions.iter().enumerate().find_map(|(i, partition)| {
        let label = partition.label.as_deref()?;
        let number = seen.insert(label, partition.number)?;
        (number != partition.number).then_some(i)
    })
}

/// First and last MiB of a partition whose start and size are fixed.
fn extent(partition: &Partition) -> Option<(i64, i64)> {
    let start = partition.start_mib.filter(|s| *s != 0)?;
    let last = match partition.size_mib? {
        0 => start,
        size => start.wrapping_add(size).wrapping_sub(1),
    };
    Some((start, last))
}

/// Indices of the partition that the earliest overlapping one overlaps, and of that one itself. Two with the same
/// number are duplicate entries already.
fn first_overlap(partitions: &[Partition]) -> Option<(usize, usize)> {
    let extents: Vec<_> = partitions
        .iter()
        .enumerate()
        .filter_map(|(i, p)| Some((i, extent(p)?)))
        .collect();
    let is_same = |i: usize, j: usize| {
        let (one, other) = (&partitions[i], &partitions[j]);
        let both_unnumbered = one.number == 0 && other.number == 0;
        i == j
            || (one.number == other.number && !both_unnumbered)
            || (both_unnumbered && one.label.is_some() && one.label == other.label)
    };
    for (i, a) in suspects(&extents).iter().take(MAX_SUSPECTS) {
        let partner = extents
            .iter()
            .find(|(j, b)| !is_same(*i, *j) && overlap(*a, *b));
        if let Some((j, _)) = partner {
            return Some((*j, *i));
        }
    }
    None
}

/// Those of `extents` that overlap another one, in list order. This sorts them, since comparing all pairs would be slow
/// for many partitions.
fn suspects(extents: &[(usize, (i64, i64))]) -> Vec<(usize, (i64, i64))> {
    let mut sorted: Vec<usize> = (0..extents.len()).collect();
    sorted.sort_unstable_by_key(|i| extents[*i].1);
    let mut found: Vec<usize> = Vec::new();
    let mut farthest: Option<i64> = None;
    for (rank, i) in sorted.iter().enumerate() {
        let (start, last) = extents[*i].1;
        let next = sorted.get(rank + 1).map(|next| extents[*next].1.0);
        // A size that is negative or too large makes the end come before the start.
        let is_inverted = last < start;
        let overlaps = farthest.is_some_and(|end| start <= end) || next.is_some_and(|n| n <= last);
        if is_inverted || overlaps {
            found.push(*i);
        }
        farthest = farthest.max(Some(last));
    }
    found.sort_unstable();
    found.into_iter().map(|i| extents[i]).collect()
}

fn overlap(a: (i64, i64), b: (i64, i64)) -> bool {
    let is_inside = |n: i64| (b.0..=b.1).contains(&n);
    is_inside(a.0) || is_inside(a.1) || (a.0 < b.0 && a.1 > b.1)
}

fn check_partition(rules: &mut Rules, partition: &Partition, path: &Path<'_>) {
    let has_properties = partition.label.is_some()
        || partition.start_mib.is_some()
        || partition.size_mib.is_some()
        || non_empty(&partition.guid).is_some()
        || non_empty(&partition.type_guid).is_some();
    if partition.should_exist == Some(false) && has_properties {
        let message = "a partition that should not exist must have a number and nothing else";
        rules.error(path, message);
    }
    if partition.number == 0 && partition.label.is_none() {
        rules.error(path, "a partition needs a number or a label");
    }
    if let Some(label) = &partition.label {
        check_label(rules, label, &path.member("label"));
    }
    check_guid(rules, &partition.guid, &path.member("guid"));
    check_guid(rules, &partition.type_guid, &path.member("typeGuid"));
}

fn check_label(rules: &mut Rules, label: &str, path: &Path<'_>) {
    if label.len() > MAX_LABEL_BYTES {
        let message = format!("partition label has more than {MAX_LABEL_BYTES} bytes");
        rules.error(path, message);
    } else if label.contains(':') {
        rules.error(
            path,
            "a partition label would end at its colon; leave that out",
        );
    }
}

fn check_guid(rules: &mut Rules, guid: &Option<String>, path: &Path<'_>) {
    if non_empty(guid).is_some_and(|guid| !is_guid(guid)) {
        let help = "write 8-4-4-4-12 hexadecimal digits, without braces".into();
        rules.error_with_help(path, "not a GUID", help);
    }
}
