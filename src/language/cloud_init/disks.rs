//! `disk_setup`, `fs_setup`, `device_aliases`, `growpart`.

use super::CloudInitContext;
use super::modules;
use super::values::{self, ScalarKind};
use crate::language::assembly::Assembly;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;

/// Space for the partition table at both ends of a disk, in MiB.
const TABLE_MIB: u64 = 2;

/// Partition types by the codes that MBR tables have for them.
const TYPES: [(&str, &str); 5] = [
    ("82", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"),
    ("83", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
    ("8e", "E6D6D379-F507-44C2-A23C-238F2A3DF928"),
    ("fd", "A19D880F-05FC-4D3B-A006-743F0F84911E"),
    ("ef", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
];

/// Adds disks and file systems. `aliases` are names for devices, with the devices.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    aliases: &[(String, PlacedText)],
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let known = &["table_type", "layout", "overwrite"];
    let disks = root.get("disk_setup").filter(|value| !value.is_null());
    if let Some(value) = disks.filter(|value| !matches!(value.value, NodeContent::Mapping(_))) {
        remarks.error(
            value.at,
            format!("disk_setup must be a mapping, not {}", value.kind()),
        );
    }
    for entry in disks.map(Node::entries).unwrap_or_default() {
        if is_unknown(entry.value.at, &entry.key, aliases, remarks) {
            continue;
        }
        let device = PlacedText {
            at: entry.key_at,
            text: device_path(&entry.key, aliases),
        };
        let setup = values::canonical(entry.value.clone(), known, remarks);
        if let Some(node) = disk(&device, &setup, context, remarks) {
            assembly.disks.push(node);
        }
    }
    for entry in values::mappings(root, "fs_setup", remarks) {
        if let Some(node) = filesystem(entry, aliases, context, remarks) {
            assembly.filesystems.push(node);
        }
    }
    warn_of_growth(root, remarks);
}

/// Warns about a disk that only the platform can identify. Returns true if it is one, and is to be skipped.
fn is_unknown(
    at: u32,
    name: &str,
    aliases: &[(String, PlacedText)],
    remarks: &mut Remarks,
) -> bool {
    let base = name.split('.').next().unwrap_or_default();
    let is_alias = |name: &str| aliases.iter().any(|(alias, _)| alias == name);
    if !is_platform_name(base) || is_alias(base) || is_alias(name) {
        return false;
    }
    let message = "the platform's names of disks are not known: left out";
    let help =
        format!("name the disk, or say which it is: `device_aliases: {{{base}: /dev/DISK}}`");
    remarks.warn_with_help(at, message, help);
    true
}

/// True for names of disks that only the platform can resolve.
pub(super) fn is_platform_name(name: &str) -> bool {
    matches!(name, "ami" | "root" | "swap") || name.starts_with("ephemeral")
}

/// A path of a device: aliases are resolved, and bare names are relative to `/dev`.
pub(super) fn device_path(name: &str, aliases: &[(String, PlacedText)]) -> String {
    let (base, part) = match name.rsplit_once('.') {
        Some((base, part)) if aliases.iter().any(|(alias, _)| alias == base) => (base, part),
        _ => (name, ""),
    };
    let device = aliases.iter().find(|(alias, _)| alias == base);
    let device = device.map_or(base, |(_, device)| &device.text);
    let path = match device.starts_with('/') {
        true => device.to_owned(),
        false => format!("/dev/{device}"),
    };
    match part {
        "" => path,
        part => partition_path(&path, part),
    }
}

/// The path of a partition of `disk`.
fn partition_path(disk: &str, number: &str) -> String {
    if disk.starts_with("/dev/disk/") {
        return format!("{disk}-part{number}");
    }
    match disk.ends_with(|c: char| c.is_ascii_digit()) {
        true => format!("{disk}p{number}"),
        false => format!("{disk}{number}"),
    }
}

fn disk<'t>(
    device: &PlacedText,
    setup: &Node<'t>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<Node<'t>> {
    let kind = values::filled(setup, "table_type", remarks);
    let layout = setup
        .get("layout")
        .filter(|value| !values::is_nothing(value))?;
    if kind.as_ref().map(|kind| kind.text.as_str()) != Some("gpt") {
        let at = kind.map_or(setup.at, |kind| kind.at);
        let help = "use `table_type: gpt`";
        remarks.error_with_help(at, "only GPT partition tables are made, not MBR", help);
        return None;
    }
    let parts = partitions(device, layout, context, remarks)?;
    let mut node = Node::mapping(device.at)
        .with("device", Node::text(device.at, device.text.clone()))
        .with("partitions", Node::list(layout.at, parts));
    if values::flag(setup, "overwrite", remarks) == Some(true) {
        let at = setup.get("overwrite").map_or(setup.at, |value| value.at);
        node.set("wipeTable", Node::flag(at, true));
    }
    Some(node)
}

/// The partitions of a layout: `true` is one; a list has the share of each in percent, or the share and its type.
fn partitions<'t>(
    device: &PlacedText,
    layout: &Node<'t>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<Vec<Node<'t>>> {
    let NodeContent::List(shares) = &layout.value else {
        return whole_disk(layout, remarks).map(|part| vec![part]);
    };
    let disk_mib = context
        .target
        .disks
        .iter()
        .find(|(path, _)| *path == device.text);
    let disk_mib = disk_mib.map(|(_, bytes)| (bytes >> 20).saturating_sub(TABLE_MIB));
    let mut parts = Vec::new();
    let mut sum = 0;
    for (index, share) in shares.iter().enumerate() {
        let (share, kind) = match share.elements() {
            [share, kind] => (share, PlacedText::of(kind)),
            _ => (share, None),
        };
        let percent = percent(share, remarks)?;
        sum += percent;
        let takes_rest = sum >= 100 && index + 1 == shares.len();
        let size = match disk_mib {
            _ if takes_rest => 0,
            Some(mib) => mib * percent / 100,
            None => {
                let help = "let one partition have the whole disk: `layout: true`";
                let message = "a size in percent needs a disk whose size is known";
                remarks.error_with_help(share.at, message, help);
                return None;
            }
        };
        let number = i64::try_from(index + 1).unwrap_or(i64::MAX);
        let mut part = Node::mapping(share.at)
            .with("number", Node::int(share.at, number))
            .with("sizeMiB", Node::plain(share.at, size.to_string()));
        if let Some(kind) = kind {
            part.set("typeGuid", Node::text(kind.at, type_guid(&kind, remarks)));
        }
        parts.push(part);
    }
    if sum > 100 {
        let message = "the partitions have more than 100 percent of the disk";
        remarks.error(layout.at, message);
    }
    Some(parts)
}

/// The one partition of a layout that is not a list.
fn whole_disk<'t>(layout: &Node<'t>, remarks: &mut Remarks) -> Option<Node<'t>> {
    let scalar = layout.as_scalar();
    let is_true = scalar.map(values::kind) == Some(ScalarKind::Flag(true));
    let is_keyword = scalar.is_some_and(|scalar| matches!(&*scalar.text, "auto" | "true"));
    if !is_true && !is_keyword {
        let help = "use true, false or a list of sizes in percent";
        remarks.error_with_help(layout.at, "unknown layout of a disk", help);
        return None;
    }
    let part = Node::mapping(layout.at)
        .with("number", Node::int(layout.at, 1))
        .with("sizeMiB", Node::int(layout.at, 0));
    Some(part)
}

/// The share of a partition, in percent.
fn percent(share: &Node<'_>, remarks: &mut Remarks) -> Option<u64> {
    let number = share
        .as_scalar()
        .and_then(|scalar| scalar.text.parse().ok());
    let percent = number.filter(|percent| (1..=100).contains(percent));
    if percent.is_none() {
        let message = "the size of a partition is not 1 to 100 percent";
        remarks.error(share.at, message);
    }
    percent
}

fn type_guid(kind: &PlacedText, remarks: &mut Remarks) -> String {
    let known = TYPES
        .iter()
        .find(|(digits, _)| kind.text.eq_ignore_ascii_case(digits));
    match known {
        Some((_, guid)) => (*guid).to_owned(),
        None if kind.text.len() == 36 => kind.text.to_ascii_uppercase(),
        None => {
            let help = "use 82, 83, 8e, fd, ef or a GUID";
            remarks.error_with_help(kind.at, "unknown type of a partition", help);
            String::new()
        }
    }
}

const FILESYSTEM_KEYS: &[&str] = &[
    "label",
    "filesystem",
    "device",
    "partition",
    "overwrite",
    "replace_fs",
    "extra_opts",
    "cmd",
];

fn filesystem<'t>(
    entry: &Node<'t>,
    aliases: &[(String, PlacedText)],
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Option<Node<'t>> {
    let entry = values::canonical(entry.clone(), FILESYSTEM_KEYS, remarks);
    if let Some(command) = entry.get("cmd").filter(|value| !values::is_nothing(value)) {
        let message =
            "cmd is not supported: file systems are made by tools that are known".to_owned();
        modules::report_unsupported(command.at, message, context.ignore_unsupported, remarks);
    }
    if let Some(value) = entry
        .get("replace_fs")
        .filter(|value| !values::is_nothing(value))
    {
        let help = "`overwrite: true` replaces whatever is there";
        remarks.warn_with_help(value.at, "replace_fs does nothing here", help);
    }
    let device = values::filled(&entry, "device", remarks);
    let format = values::filled(&entry, "filesystem", remarks);
    let (Some(device), Some(format)) = (device, format) else {
        remarks.error(entry.at, "a file system needs `device` and `filesystem`");
        return None;
    };
    if is_unknown(device.at, &device.text, aliases, remarks) {
        return None;
    }
    let path = device_path(&device.text, aliases);
    let partition = values::filled(&entry, "partition", remarks);
    let path = match partition {
        Some(partition) => part_of(path, &partition, remarks)?,
        None => path,
    };
    let mut node = Node::mapping(entry.at)
        .with("device", Node::text(device.at, path))
        .with("format", Node::text(format.at, format.text));
    if let Some(label) = values::filled(&entry, "label", remarks) {
        node.set("label", Node::text(label.at, label.text));
    }
    let options = values::texts(&entry, "extra_opts", remarks);
    if let Some(first) = options.first().map(|text| text.at) {
        let words = options.iter().flat_map(|text| {
            text.text
                .split_whitespace()
                .map(|word| Node::text(text.at, word.to_owned()))
        });
        node.set("options", Node::list(first, words.collect()));
    }
    if values::flag(&entry, "overwrite", remarks) == Some(true) {
        let at = entry.get("overwrite").map_or(entry.at, |value| value.at);
        node.set("wipeFilesystem", Node::flag(at, true));
    }
    Some(node)
}

/// The partition of the device at `path`.
fn part_of(path: String, partition: &PlacedText, remarks: &mut Remarks) -> Option<String> {
    match partition.text.as_str() {
        "none" => Some(path),
        "auto" | "any" => {
            let message = "the device is used as it is, no partition is searched for";
            remarks.warn_with_help(partition.at, message, "give the number of the partition");
            Some(path)
        }
        number if number.bytes().all(|b| b.is_ascii_digit()) => Some(partition_path(&path, number)),
        _ => {
            let help = "use a number, auto, any or none";
            remarks.error_with_help(partition.at, "unknown partition", help);
            None
        }
    }
}

/// Warns that the root file system is not grown.
fn warn_of_growth(root: &Node<'_>, remarks: &mut Remarks) {
    if let Some(value) = root
        .get("growpart")
        .filter(|value| !values::is_nothing(value))
    {
        let mode = value.get("mode").and_then(Node::as_scalar);
        let is_off = mode.is_some_and(|mode| matches!(&*mode.text, "off" | "false" | "False"));
        if !is_off {
            remarks.warn(
                value.at,
                "growpart does nothing here: the partition is not grown",
            );
        }
    }
    if let Some(value) = root
        .get("resize_rootfs")
        .filter(|value| !values::is_nothing(value))
    {
        remarks.warn(
            value.at,
            "resize_rootfs does nothing here: the file system is not grown",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_devices() {
        let alias = PlacedText {
            at: 0,
            text: "/dev/nvme0n1".into(),
        };
        let aliases = [("data".to_owned(), alias)];
        let cases = [
            ("data", "/dev/nvme0n1"),
            ("data.2", "/dev/nvme0n1p2"),
            ("sdb", "/dev/sdb"),
            ("/dev/sdc", "/dev/sdc"),
        ];
        for (name, want) in cases {
            assert_eq!(device_path(name, &aliases), want, "{name}");
        }
        assert_eq!(partition_path("/dev/sda", "1"), "/dev/sda1");
        assert_eq!(
            partition_path("/dev/disk/by-id/x", "1"),
            "/dev/disk/by-id/x-part1"
        );
    }
}
