//! Warns of partitions that the initramfs of CoreOS cannot handle. No errors: the user may know better.

use super::filters::{elements, part};
use super::variants::{Dialect, Sugar};
use crate::config::tree::{Tree, Value};
use crate::language::findings::Remarks;

/// Labels with the numbers that CoreOS expects.
const RESERVED: [(&str, i64); 5] = [
    ("BIOS-BOOT", 1),
    ("PowerPC-PReP-boot", 1),
    ("EFI-SYSTEM", 2),
    ("boot", 3),
    ("root", 4),
];

/// Size that the root file system needs for updates.
const MIN_ROOT_MIB: i64 = 8192;

/// Checks the disks of the result.
pub(super) fn check(config: &Tree<'_>, dialect: &Dialect, remarks: &mut Remarks) {
    if dialect.sugar.is_none() {
        return;
    }
    for disk in elements(part(config, &["storage", "disks"])) {
        let partitions = elements(disk.member("partitions"));
        let is_wiped = matches!(
            disk.member("wipeTable").map(|t| &t.value),
            Some(Value::Bool(true))
        );
        for (index, partition) in partitions.iter().enumerate() {
            let label = partition.member("label");
            let text = label.map_or("", Tree::text);
            let Some((_, expected)) = RESERVED.iter().find(|(reserved, _)| *reserved == text)
            else {
                continue;
            };
            let at = label.map_or(partition.at, |label| label.at).offset;
            if !is_wiped && number(partition, "number") != *expected {
                remarks.warn_with_help(
                    at,
                    format!("the partition {text} of the system has number {expected}"),
                    format!("set number: {expected}, wipe the table, or choose another label"),
                );
            }
            if text == "root" && dialect.has(Sugar::V1_3) {
                let others = partitions.iter().enumerate().filter(|(i, _)| *i != index);
                check_root(partition, others.map(|(_, other)| other), at, remarks);
            }
        }
    }
}

fn check_root<'n>(
    root: &Tree<'_>,
    mut others: impl Iterator<Item = &'n Tree<'n>>,
    at: u32,
    remarks: &mut Remarks,
) {
    let mib = number(root, "sizeMiB");
    if mib == 0 && others.any(|other| number(other, "startMiB") == 0) {
        remarks.warn_with_help(
            at,
            "the root partition cannot grow, since another one may be placed right after it",
            "give the root partition a size, or the others a start",
        );
    } else if mib != 0 && mib < MIN_ROOT_MIB {
        remarks.warn(
            at,
            format!(
                "the root partition is smaller than {MIN_ROOT_MIB} MiB, which updates may need"
            ),
        );
    }
}

/// A number; 0 if it is absent.
fn number(tree: &Tree<'_>, name: &str) -> i64 {
    match tree.member(name).map(|tree| &tree.value) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    }
}
