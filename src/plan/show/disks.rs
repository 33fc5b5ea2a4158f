//! Disks, partitions, volumes and file systems of a plan.

use super::{Outline, PartitionPlace, TableChange};
use crate::config::Origin;
use crate::disk::DeviceRef;
use crate::disk::gpt::{Entry, Table};
use crate::plan::op::{
    AssembleArray, CreateLuks, Effect, Expected, KeySource, MakeFilesystem, OpKind, OpenMode,
    Operation, PartitionChange, Plan, Subject, WriteTable,
};
use crate::text::human_size;
use std::collections::{BTreeMap, BTreeSet};

/// Shows every disk, then devices that are on none of them.
pub(super) fn show(outline: &mut Outline, plan: &Plan) {
    for disk in disks(plan) {
        show_disk(outline, plan, &disk);
        outline.gap();
    }
    show_others(outline, plan);
}

fn device_of(operation: &Operation) -> Option<DeviceRef> {
    match operation.kind.subject() {
        Subject::Device(device) | Subject::Partition(device) => Some(device),
        _ => None,
    }
}

/// Names of the disks in order of appearance.
fn disks(plan: &Plan) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for operation in &plan.operations {
        let name = match operation.kind.subject() {
            Subject::Table(disk) => Some(disk),
            Subject::Device(device) | Subject::Partition(device) => device.disk().map(String::from),
            _ => None,
        };
        names.extend(name.filter(|name| seen.insert(name.clone())));
    }
    names
}

fn show_disk(outline: &mut Outline, plan: &Plan, disk: &str) {
    let written = plan.operations.iter().find_map(|o| match &o.kind {
        OpKind::WriteTable(act) if act.disk == disk => Some(table_change(act)),
        _ => None,
    });
    outline.disk(disk, written);
    for operation in &plan.operations {
        let origin = operation.origin.as_ref();
        match &operation.kind {
            OpKind::CreateImage(act) if act.disk == disk => {
                let text = format!(
                    "image file {}, {} (sparse)",
                    act.path.display(),
                    human_size(act.bytes)
                );
                outline.line(1, Some(operation.effect), &text, origin);
            }
            OpKind::WriteTable(act) if act.disk == disk => {
                show_table(outline, plan, operation, act)
            }
            OpKind::AlreadyRight(act) => match &act.subject {
                Subject::Table(name) if name == disk => {
                    let text = format!("partition table: {}", act.because);
                    outline.line(1, Some(Effect::Keep), &text, origin);
                }
                Subject::Partition(device) if device.disk() == Some(disk) => {
                    let text = format!("{device}: {}", act.because);
                    outline.line(2, Some(Effect::Keep), &text, origin);
                    show_content(outline, plan, device, 3);
                }
                _ => {}
            },
            _ => {}
        }
    }
    show_content(outline, plan, &DeviceRef::Disk { disk: disk.into() }, 1);
    show_unlisted(outline, plan, disk);
}

fn table_change(act: &WriteTable) -> TableChange {
    let effects: BTreeMap<u32, Effect> = act.changes.iter().map(|c| (c.number, c.effect)).collect();
    let effect = |number: u32| effects.get(&number).copied().unwrap_or(Effect::Keep);
    let before = act.expected.as_ref().map(|table| {
        places(table, |number| match act.wipe {
            true => Effect::Destroy,
            false => effect(number),
        })
    });
    TableChange {
        before,
        after: places(&act.table, effect),
        sectors: act.table.sectors,
        sector_bytes: act.table.sector_bytes,
    }
}

/// The partitions in the order of their start.
fn places(table: &Table, effect: impl Fn(u32) -> Effect) -> Vec<PartitionPlace> {
    let entries = table.entries.iter();
    let mut places: Vec<PartitionPlace> = entries
        .map(|(number, entry)| PartitionPlace {
            number: *number,
            label: entry.label.clone(),
            start: entry.start,
            sectors: entry.sectors,
            effect: effect(*number),
        })
        .collect();
    places.sort_by_key(|place| place.start);
    places
}

fn show_table(outline: &mut Outline, plan: &Plan, operation: &Operation, act: &WriteTable) {
    let text = match (act.wipe, operation.effect) {
        (true, _) => "partition table GPT, written again after wiping the old one",
        (false, Effect::Create) => "partition table GPT",
        _ => "partition table GPT, changed in place",
    };
    outline.line(1, Some(operation.effect), text, operation.origin.as_ref());
    for change in &act.changes {
        show_partition(outline, act, change);
        let device = DeviceRef::Partition {
            disk: act.disk.clone(),
            number: change.number,
        };
        show_content(outline, plan, &device, 3);
    }
}

fn show_partition(outline: &mut Outline, act: &WriteTable, change: &PartitionChange) {
    let mut text = format!("{:<3}", change.number);
    if let Some(entry) = act.table.entries.get(&change.number) {
        text.push_str(&entry_text(outline, act.table.sector_bytes, entry));
    }
    if change.effect != Effect::Create && !change.what.is_empty() {
        text.push_str(&format!(" ({})", change.what));
    }
    outline.line(
        2,
        Some(change.effect),
        text.trim_end(),
        change.origin.as_ref(),
    );
}

fn entry_text(outline: &Outline, sector_bytes: u32, entry: &Entry) -> String {
    let sector = u64::from(sector_bytes);
    let mut text = format!(
        " {:<12} {:>10} at {:<10} {}",
        format!("{:?}", entry.label),
        human_size(entry.sectors.saturating_mul(sector)),
        human_size(entry.start.saturating_mul(sector)),
        type_name(&entry.type_guid.to_string()),
    );
    if outline.sectors {
        let last = entry.start.saturating_add(entry.sectors).saturating_sub(1);
        text.push_str(&format!(
            ", sectors {}-{last} ({} of {sector} bytes)",
            entry.start, entry.sectors
        ));
    }
    text
}

/// Common names of GPT types (UEFI specification and the Discoverable Partitions Specification).
fn type_name(guid: &str) -> String {
    match guid {
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" => "EFI system".into(),
        "21686148-6449-6E6F-744E-656564454649" => "BIOS boot".into(),
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4" => "Linux data".into(),
        "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F" => "Linux swap".into(),
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" => "Linux root (x86-64)".into(),
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE" => "Linux root (arm64)".into(),
        "BC13C2FF-59E6-4262-A352-B275FD6F7172" => "Linux extended boot".into(),
        "4D21B016-B534-45C2-A9FB-5C16E091FD2D" => "Linux /var".into(),
        "3B8F8425-20E0-4F3B-907F-1A25A76F98E8" => "Linux /srv".into(),
        "933AC7E1-2EB4-4F13-B844-0E14E2AEF915" => "Linux /home".into(),
        "A19D880F-05FC-4D3B-A006-743F0F84911E" => "Linux RAID".into(),
        "E6D6D379-F507-44C2-A23C-238F2A3DF928" => "Linux LVM".into(),
        "CA7D7CCB-63ED-4C53-861C-1742536059CC" => "LUKS".into(),
        other => format!("type {other}"),
    }
}

/// Shows what is created on one device: file system, volume, array, mount.
fn show_content(outline: &mut Outline, plan: &Plan, device: &DeviceRef, depth: usize) {
    for operation in plan.operations.iter().filter(|o| is_about(o, device)) {
        let text = content_text(operation);
        outline.line(
            depth,
            Some(operation.effect),
            &text,
            operation.origin.as_ref(),
        );
    }
}

fn is_about(operation: &Operation, device: &DeviceRef) -> bool {
    match &operation.kind {
        OpKind::Mount(act) => act.device == *device,
        OpKind::AlreadyRight(act) => act.subject == Subject::Device(device.clone()),
        OpKind::MakeFilesystem(act) => act.device == *device,
        OpKind::WipeDevice(act) => act.device == *device,
        OpKind::CreateLuks(act) => act.device == *device,
        OpKind::CreateArray(act) => act.members.contains(device),
        OpKind::AssembleArray(act) => act.members.contains(device),
        _ => false,
    }
}

fn content_text(operation: &Operation) -> String {
    match &operation.kind {
        OpKind::MakeFilesystem(act) => filesystem_text(act),
        OpKind::WipeDevice(_) => "wipe signatures".into(),
        OpKind::CreateLuks(act) => volume_text(act, &act.name),
        OpKind::CreateArray(act) => {
            format!("member of RAID array {} (level {})", act.name, act.level)
        }
        OpKind::AssembleArray(act) => {
            format!(
                "member of RAID array {} (level {}), kept",
                act.name, act.level
            )
        }
        OpKind::Mount(act) => format!("mounted at {} while files are written", act.point),
        OpKind::AlreadyRight(act) => act.because.clone(),
        other => other.describe(),
    }
}

/// An encrypted volume by its name or place, with what opens it.
fn volume_text(act: &CreateLuks, which: &str) -> String {
    let mut text = match act.way {
        OpenMode::Format => format!("LUKS2 volume {which}"),
        OpenMode::Open => format!("LUKS2 volume {which}, opened"),
        OpenMode::Confirm => format!("LUKS2 volume {which}, already open"),
    };
    text.push_str(match &act.key {
        KeySource::Given(_) => ", key given",
        KeySource::Generated => ", key generated",
        KeySource::Kept => ", key of an earlier run",
        KeySource::Cex => ", key in a Crypto Express adapter",
    });
    if let Some(clevis) = &act.clevis {
        text.push_str(&format!(", unlocked by Clevis ({})", clevis.words));
    }
    text
}

fn filesystem_text(act: &MakeFilesystem) -> String {
    let mut text = if act.format == "swap" {
        "swap area".into()
    } else {
        format!("{} file system", act.format)
    };
    if let Some(label) = &act.label {
        text.push_str(&format!(" {label:?}"));
    }
    match &act.uuid {
        Some(uuid) => text.push_str(&format!(", uuid {uuid}")),
        None => text.push_str(", uuid chosen by mkfs"),
    }
    if !act.options.is_empty() {
        text.push_str(&format!(", options {}", act.options.join(" ")));
    }
    if act.expected == Expected::Unseen {
        text.push_str(", unless one already exists (known once the device is open)");
    }
    text
}

/// Content of partitions that no table line mentions.
fn show_unlisted(outline: &mut Outline, plan: &Plan, disk: &str) {
    let listed: BTreeSet<DeviceRef> = plan.operations.iter().flat_map(listed_by).collect();
    let unlisted: BTreeSet<DeviceRef> = plan
        .operations
        .iter()
        .filter_map(device_of)
        .filter(|d| d.disk() == Some(disk) && matches!(d, DeviceRef::Partition { .. }))
        .filter(|d| !listed.contains(d))
        .collect();
    for device in unlisted {
        outline.line(1, None, &device.to_string(), None::<&Origin>);
        show_content(outline, plan, &device, 2);
    }
}

/// Partitions that an operation's own line shows.
fn listed_by(operation: &Operation) -> Vec<DeviceRef> {
    match &operation.kind {
        OpKind::WriteTable(act) => act
            .changes
            .iter()
            .map(|change| DeviceRef::Partition {
                disk: act.disk.clone(),
                number: change.number,
            })
            .collect(),
        OpKind::AlreadyRight(act) => match &act.subject {
            Subject::Partition(device) => vec![device.clone()],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Arrays, volumes and devices outside the disks above.
fn show_others(outline: &mut Outline, plan: &Plan) {
    let devices: BTreeSet<DeviceRef> = plan
        .operations
        .iter()
        .filter_map(device_of)
        .filter(|d| d.disk().is_none())
        .collect();
    for device in devices {
        outline.heading(&format!("device {device}"));
        for operation in &plan.operations {
            let made = match &operation.kind {
                OpKind::CreateArray(act) => Some(format!(
                    "RAID array, level {}, {} members, {} spares",
                    act.level,
                    act.members.len(),
                    act.spares
                )),
                OpKind::AssembleArray(act) => Some(assembled_text(act)),
                OpKind::CreateLuks(act) => Some(volume_text(act, &format!("on {}", act.device))),
                OpKind::HandOver(_) => Some("marked complete: its key is stored".into()),
                _ => None,
            };
            if let Some(text) = made.filter(|_| device_of(operation).as_ref() == Some(&device)) {
                outline.line(1, Some(operation.effect), &text, operation.origin.as_ref());
            }
        }
        show_content(outline, plan, &device, 1);
        outline.gap();
    }
}

fn assembled_text(act: &AssembleArray) -> String {
    let mut text = format!(
        "RAID array, level {}, kept and assembled of {} members",
        act.level,
        act.members.len()
    );
    if act.missing > 0 {
        text.push_str(&format!(", {} missing", act.missing));
    }
    if !act.stop.is_empty() {
        text.push_str(&format!(", after stopping {}", act.stop.join(", ")));
    }
    text
}
