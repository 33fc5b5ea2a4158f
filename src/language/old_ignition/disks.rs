//! Disks and their partitions.

use super::fields::Fields;
use super::step::{FirstOffsets, OldTranslation};
use super::version::OldVersion;
use crate::language::node::Node;
use crate::language::surroundings::SectorBytes;
use crate::text::is_guid;

/// Assumed size of a logical sector. That of the machine is unknown where a config is translated.
const DEFAULT_SECTOR_BYTES: i64 = 512;
const MIB_BYTES: i64 = 1 << 20;
/// Partitions start at multiples of this many sectors.
const ALIGNMENT_SECTORS: i64 = 2048;
/// Length of the longest GPT partition name, in bytes of UTF-8.
const MAX_LABEL_BYTES: usize = 36;

/// Checks and translates the disks.
pub(super) fn translate<'t>(step: &mut OldTranslation<'_>, storage: &Node<'t>) -> Vec<Node<'t>> {
    let mut seen = FirstOffsets::new();
    let mut translated = Vec::new();
    for disk in storage.items("disks") {
        check(step, disk);
        let device = disk.text_of("device");
        if let Some(first) = seen.record(device, disk.at)
            && !device.is_empty()
        {
            let help = "merge them into one entry";
            step.report_conflict(disk.at, first, "duplicate disk", help);
        }
        let mut out = Node::mapping(disk.at);
        out.copy(disk, "device");
        out.copy_flag_if_true(disk, "wipeTable");
        let partitions = disk.items("partitions").iter();
        let partitions = partitions.map(|p| translate_partition(step, p)).collect();
        out.set_list("partitions", disk.at_of("partitions"), partitions);
        translated.push(out);
    }
    translated
}

fn check(step: &mut OldTranslation<'_>, disk: &Node<'_>) {
    step.check_absolute(disk, "device", "the device of a disk");
    let partitions = disk.items("partitions");
    check_numbers(step, partitions);
    check_labels(step, partitions);
    check_overlap(step, partitions);
    if step.is_since(disk, OldVersion::V2_3) {
        check_units(step, partitions);
        check_removal(step, partitions);
    }
    for partition in partitions {
        check_partition(step, partition);
    }
}

fn number(partition: &Node<'_>) -> i64 {
    partition.int_of("number").unwrap_or(0)
}

fn check_numbers(step: &mut OldTranslation<'_>, partitions: &[Node<'_>]) {
    let mut seen = FirstOffsets::new();
    for partition in partitions {
        let number = number(partition);
        let at = partition.at_of("number");
        let may_repeat = number == 0 && step.is_since(partition, OldVersion::V2_0);
        let earlier = seen.record(number, at).filter(|_| !may_repeat);
        if let Some(first) = earlier {
            step.report_conflict(at, first, "duplicate partition number", "");
        }
        if number < 0 {
            step.error(at, "a partition number cannot be negative");
        }
    }
}

/// The part of a label that can be kept: the tool that writes partition tables would end it at a `:`.
fn kept_label(label: &str) -> &str {
    label.split(':').next().unwrap_or_default()
}

/// The label, if there is one. Before 2.3, an empty one counts as none.
fn label<'n>(step: &OldTranslation<'_>, partition: &'n Node<'_>) -> Option<&'n str> {
    let label = partition.get("label")?.as_text();
    let is_label = !label.is_empty() || step.is_since(partition, OldVersion::V2_3);
    is_label.then(|| kept_label(label))
}

fn check_labels(step: &mut OldTranslation<'_>, partitions: &[Node<'_>]) {
    let mut seen = FirstOffsets::new();
    for partition in partitions {
        let Some(label) = label(step, partition) else {
            continue;
        };
        let at = partition.at_of("label");
        if let Some(first) = seen.record(label, at) {
            let message = "duplicate partition label on the disk";
            step.report_conflict(at, first, message, "give each partition a label of its own");
        }
    }
}

/// First and last sector of a partition with a fixed start.
fn extent(step: &OldTranslation<'_>, partition: &Node<'_>) -> Option<(i64, i64)> {
    let (start, size) = (partition.int_of("start"), partition.int_of("size"));
    let size = match step.is_since(partition, OldVersion::V2_3) {
        true => size?,
        false => size.unwrap_or(0),
    };
    let start = start.filter(|start| *start != 0)?;
    let last = start.saturating_add(size.max(1)).saturating_sub(1);
    Some((start, last))
}

/// Reports overlapping partitions. In order of their starts, each is compared with the earlier one that reaches
/// farthest.
fn check_overlap(step: &mut OldTranslation<'_>, partitions: &[Node<'_>]) {
    let extents = partitions.iter().filter_map(|partition| {
        let (start, last) = extent(step, partition)?;
        Some((start, last, partition.at))
    });
    let mut extents: Vec<(i64, i64, u32)> = extents.collect();
    extents.sort_unstable();
    let mut farthest: Option<(i64, u32)> = None;
    for (start, last, at) in extents {
        match farthest {
            Some((end, other)) if start <= end => {
                step.report_conflict(at, other, "partitions overlap", "");
            }
            _ => {}
        }
        if farthest.is_none_or(|(end, _)| last > end) {
            farthest = Some((last, at));
        }
    }
}

/// Reports a disk that has partitions in sectors and in MiB.
fn check_units(step: &mut OldTranslation<'_>, partitions: &[Node<'_>]) {
    let has = |keys: [&str; 2]| {
        partitions
            .iter()
            .find_map(|partition| keys.iter().find_map(|key| partition.get(key)))
    };
    if let (Some(sectors), Some(mib)) = (has(["size", "start"]), has(["sizeMiB", "startMiB"])) {
        let message = "a disk cannot have partitions in sectors and in MiB";
        let help = "use sizeMiB and startMiB only";
        step.report_conflict(sectors.at, mib.at, message, help);
    }
}

fn check_removal(step: &mut OldTranslation<'_>, partitions: &[Node<'_>]) {
    let unnumbered = partitions.iter().find(|partition| number(partition) == 0);
    for partition in partitions {
        let Some(flag) = partition.get("shouldExist") else {
            continue;
        };
        if flag.as_text() == "true" {
            continue;
        }
        let has_text = |key| !partition.text_of(key).is_empty();
        let has = |key| partition.get(key).is_some();
        let is_described = has("label")
            || has_text("typeGuid")
            || has_text("guid")
            || ["start", "size", "startMiB", "sizeMiB"]
                .into_iter()
                .any(has);
        if is_described {
            let message = "a partition that should not exist must have a number and nothing else";
            step.error(flag.at, message);
        }
        if let Some(other) = unnumbered.filter(|_| number(partition) != 0) {
            let message = "partitions cannot be removed from a disk that has one without number";
            step.report_conflict(flag.at, other.at, message, "give each partition a number");
        }
    }
}

fn check_partition(step: &mut OldTranslation<'_>, partition: &Node<'_>) {
    for key in ["size", "start", "sizeMiB", "startMiB"] {
        if partition.int_of(key).is_some_and(|n| n < 0) {
            step.error(partition.at_of(key), format!("`{key}` cannot be negative"));
        }
    }
    if partition.int_of("start").unwrap_or(0) % ALIGNMENT_SECTORS != 0 {
        let message = format!("`start` must be a multiple of {ALIGNMENT_SECTORS} sectors");
        step.error(partition.at_of("start"), message);
    }
    let has_label = label(step, partition).is_some();
    if number(partition) == 0 && !has_label {
        step.error(partition.at, "a partition needs a number or a label");
    }
    let label = partition.text_of("label");
    if label.len() > MAX_LABEL_BYTES {
        let message = format!("the label has more than {MAX_LABEL_BYTES} bytes");
        step.error(partition.at_of("label"), message);
    }
    if label.contains(':') {
        let message = "a partition label ends at its colon; the rest is left out";
        step.warn_of_extension(
            partition.at_of("label"),
            message,
            "write it without a colon",
        );
    }
    for key in ["typeGuid", "guid"] {
        let guid = partition.text_of(key);
        if !guid.is_empty() && !is_guid(guid) {
            let help = "write 8-4-4-4-12 hexadecimal digits, without braces";
            step.error_with_help(partition.at_of(key), "not a GUID", help);
        }
    }
}

fn translate_partition<'t>(step: &mut OldTranslation<'_>, partition: &Node<'t>) -> Node<'t> {
    let mut out = Node::mapping(partition.at);
    if number(partition) != 0 {
        out.copy(partition, "number");
    }
    if let Some(kept) = label(step, partition) {
        out.set(
            "label",
            Node::text(partition.at_of("label"), kept.to_owned()),
        );
    }
    for (sectors, mib) in [("size", "sizeMiB"), ("start", "startMiB")] {
        match in_mib(step, partition, sectors) {
            Some(node) => out.set(mib, node),
            None => out.copy(partition, mib),
        }
    }
    out.copy_text(partition, "typeGuid");
    out.copy_text(partition, "guid");
    out.copy(partition, "shouldExist");
    out.copy_flag_if_true(partition, "wipePartitionEntry");
    out
}

/// Member `key`, which counts sectors, in MiB. Before 2.3 absent and 0 are the same.
fn in_mib<'t>(step: &mut OldTranslation<'_>, partition: &Node<'t>, key: &str) -> Option<Node<'t>> {
    let at = partition.at_of(key);
    let Some(sectors) = partition.int_of(key) else {
        return (!step.is_since(partition, OldVersion::V2_3)).then(|| Node::int(at, 0));
    };
    let sector_bytes = step.surroundings.sector_bytes;
    let bytes = sector_bytes.map_or(DEFAULT_SECTOR_BYTES, SectorBytes::count);
    let per_mib = MIB_BYTES / bytes;
    if sectors % per_mib != 0 {
        if key == "start" {
            // The check of its alignment reports this.
            return None;
        }
        let below = sectors / per_mib * per_mib;
        let message = format!("{sectors} sectors of {bytes} bytes are not a whole number of MiB");
        let help = format!("use {below} or {}", below.saturating_add(per_mib));
        step.error_with_help(at, message, help);
    } else if sectors != 0 || step.is_since(partition, OldVersion::V2_3) {
        let message = format!("`{key}` counts sectors, which are taken to have {bytes} bytes");
        let mut help = format!("in version 3, `{key}MiB` is {}", sectors / per_mib);
        if sector_bytes.is_none() {
            help += "; --sector-size says how large they are";
        }
        step.warn_of_extension(at, message, help);
    }
    Some(Node::int(at, sectors / per_mib))
}
