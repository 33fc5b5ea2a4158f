//! What the device names of a config refer to, once the planned partitions, arrays and volumes exist.

use super::op::{Expected, OpKind, OpenMode};
use super::{Draft, Effect, ErrorCode, Failure, Scope, drafted};
use crate::config::model::Partition;
use crate::config::{Config, JsonPath, Origin};
use crate::disk::device::{DeviceRef, partition_path};
use crate::disk::gpt::{Entry, GuidChoice};
use crate::facts::{DiskFacts, Observed, SuperblockFacts};
use std::collections::BTreeSet;

/// Resolves a device name; `act` and `origin` are for the refusal if there is no such device.
pub fn resolve(
    draft: &Draft,
    text: &str,
    act: &str,
    origin: Option<Origin>,
) -> Result<DeviceRef, Box<Failure>> {
    find(draft, text).map_err(|(cause, remedy)| {
        Box::new(Failure {
            act: act.into(),
            object: text.into(),
            cause,
            origin,
            remedy,
            code: Some(ErrorCode::DEVICE_MISSING),
        })
    })
}

fn find(draft: &Draft, text: &str) -> Result<DeviceRef, (String, String)> {
    if draft.observed.disks.contains_key(text) {
        return Ok(DeviceRef::Disk { disk: text.into() });
    }
    if let Some((disk, number)) = as_partition(draft.observed, text) {
        return find_partition(draft, text, disk, number);
    }
    if let Some(objection) = ambiguity(draft, text) {
        return Err(objection);
    }
    if let Some(device) = created_by_config(draft, text).or_else(|| by_link(draft, text)) {
        return Ok(device);
    }
    match draft.observed.devices.get(text) {
        Some(facts) if facts.exists => Ok(DeviceRef::Path { path: text.into() }),
        _ => Err(missing(draft, text)),
    }
}

/// Cause and remedy for a device that does not exist.
pub fn missing(draft: &Draft, text: &str) -> (String, String) {
    let known: Vec<&str> = draft.observed.disks.keys().map(String::as_str).collect();
    let known = match known.is_empty() {
        true => "no disk is known".to_owned(),
        false => format!("known disks: {}", known.join(", ")),
    };
    let disk = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let disk = match disk.is_empty() || disk == text {
        true => text,
        false => disk,
    };
    let own = by_label_of_partition(draft.document.config(), text);
    let remedy = match draft.options.scope {
        _ if own.is_some() => format!(
            "this config creates a partition of that label, which is {}",
            own.unwrap_or_default()
        ),
        Scope::Stage(_) => "attach the device, or name one that exists".into(),
        _ => format!(
            "name an existing device, or bind an image file to a disk with --image {disk}=FILE"
        ),
    };
    (format!("there is no such device; {known}"), remedy)
}

/// The `by-partlabel` name of a partition of the config that has the label of a `by-label` name: the two are often
/// confused.
fn by_label_of_partition(config: &Config, name: &str) -> Option<String> {
    let label = name.strip_prefix("/dev/disk/by-label/")?;
    let disks = config.storage.disks.iter();
    let mut partitions = disks.flat_map(|disk| &disk.partitions);
    let has_label = |partition: &Partition| {
        partition.label.as_deref() == Some(label) && partition.should_exist != Some(false)
    };
    partitions
        .any(has_label)
        .then(|| format!("/dev/disk/by-partlabel/{label}"))
}

/// Whether `text` names a partition of a disk of the config whose partitions were refused, by its number, label or
/// GUID.
pub(super) fn is_on_refused_disk(draft: &Draft, text: &str) -> bool {
    if let Some((disk, _)) = as_partition(draft.observed, text) {
        return draft.is_refused_disk(disk);
    }
    let disks = draft.document.config().storage.disks.iter();
    let mut refused = disks.filter(|disk| draft.is_refused_disk(&disk.device));
    refused.any(|disk| {
        partition_number(text, &disk.device).is_some()
            || disk.partitions.iter().any(|entry| is_link_to(entry, text))
    })
}

/// Whether `text` is a link that udev would create for this partition of the config.
fn is_link_to(entry: &Partition, text: &str) -> bool {
    let Some((family, value)) = udev_link(text) else {
        return false;
    };
    if entry.should_exist == Some(false) {
        return false;
    }
    match family {
        "partlabel" => entry.label.as_deref() == Some(value.as_str()),
        "partuuid" => {
            let guid = entry.guid.as_deref();
            guid.is_some_and(|guid| guid.eq_ignore_ascii_case(&value))
        }
        _ => false,
    }
}

/// Devices of the config that neither exist nor will be created, by a draft of the disks part.
pub(super) fn unknown(draft: &Draft<'_>) -> Vec<String> {
    let mut names: Vec<String> = uses(draft.document.config())
        .map(|(_, name)| name)
        .filter(|name| as_partition(draft.observed, name).is_none() && find(draft, name).is_err())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// All block devices that the config names, without duplicates.
pub fn named_devices(config: &Config) -> Vec<String> {
    let disks = config.storage.disks.iter().map(|disk| disk.device.clone());
    let all: BTreeSet<String> = disks.chain(uses(config).map(|(_, name)| name)).collect();
    all.into_iter().collect()
}

/// The path in the config of the first use of a device.
pub fn path_of_first_use(config: &Config, device: &str) -> Option<JsonPath> {
    let disks = config.storage.disks.iter().enumerate();
    let disks = disks.map(|(i, disk)| (format!("disks.{i}.device"), disk.device.clone()));
    let found = disks.chain(uses(config)).find(|(_, name)| name == device);
    found.map(|(path, _)| JsonPath::root().join("storage").join(path))
}

/// The superblock on a device of this name, if it was probed.
pub fn superblock_of(observed: &Observed, name: &str) -> Option<SuperblockFacts> {
    let device = observed.devices.get(name)?;
    Some(device.superblock.clone())
}

/// Devices that arrays, volumes and file systems use, with their paths below `storage`.
fn uses(config: &Config) -> impl Iterator<Item = (String, String)> + '_ {
    let storage = &config.storage;
    let members = storage.raid.iter().enumerate().flat_map(|(i, raid)| {
        let devices = raid.devices.iter().enumerate();
        devices.map(move |(j, name)| (format!("raid.{i}.devices.{j}"), name.clone()))
    });
    let volumes = storage
        .luks
        .iter()
        .enumerate()
        .filter_map(|(i, luks)| Some((format!("luks.{i}.device"), luks.device.clone()?)));
    let filesystems = storage.filesystems.iter().enumerate();
    let filesystems = filesystems
        .filter(|(_, fs)| fs.format.as_deref() != Some("virtiofs"))
        .map(|(i, fs)| (format!("filesystems.{i}.device"), fs.device.clone()));
    members
        .chain(volumes)
        .chain(filesystems)
        .filter(|(_, name)| !name.is_empty())
}

/// Splits a partition name into a known disk and a number.
fn as_partition<'a>(observed: &'a Observed, text: &str) -> Option<(&'a str, u32)> {
    observed
        .disks
        .iter()
        .flat_map(|(name, facts)| names(name, facts).map(move |own| (name, own)))
        .filter(|(_, prefix)| !prefix.is_empty())
        .find_map(|(name, prefix)| Some((name.as_str(), partition_number(text, &prefix)?)))
}

/// Every name a disk is known by: in the config, its node, its links, its names as a map.
fn names<'a>(name: &'a str, facts: &'a DiskFacts) -> impl Iterator<Item = String> + 'a {
    let map = facts.map.iter().flat_map(|map| {
        [
            format!("/dev/mapper/{map}"),
            format!("/dev/disk/by-id/dm-name-{map}"),
        ]
    });
    [name, facts.node.as_str()]
        .into_iter()
        .map(String::from)
        .chain(facts.links.iter().cloned())
        .chain(map)
}

/// The number in the name of a partition, such as `/dev/sda1`, `/dev/nvme0n1p1` or `...-part1`. Maps of partitions have
/// a `p` even if the disk's name ends in a letter.
fn partition_number(text: &str, disk: &str) -> Option<u32> {
    let rest = text.strip_prefix(disk)?;
    let is_map = disk.starts_with("/dev/mapper/") || disk.starts_with("/dev/disk/by-id/dm-name-");
    let ends_in_digit = disk.ends_with(|c: char| c.is_ascii_digit());
    let digits = match rest.strip_prefix("-part") {
        Some(digits) => digits,
        None if ends_in_digit => rest.strip_prefix('p')?,
        None if is_map => rest.strip_prefix('p').unwrap_or(rest),
        None => rest,
    };
    let number = digits.parse().ok()?;
    (number > 0).then_some(number)
}

fn find_partition(
    draft: &Draft,
    text: &str,
    disk: &str,
    number: u32,
) -> Result<DeviceRef, (String, String)> {
    let table = drafted::resulting_table(draft, disk);
    let numbers: Vec<String> =
        table.map_or_else(Vec::new, |t| t.entries.keys().map(u32::to_string).collect());
    if table.is_some_and(|t| t.entries.contains_key(&number)) {
        return Ok(DeviceRef::Partition {
            disk: disk.into(),
            number,
        });
    }
    let cause = match numbers.is_empty() {
        true => format!("{text} will not exist: {disk} has no partitions"),
        false => format!(
            "{text} will not exist: {disk} has partitions {}",
            numbers.join(", ")
        ),
    };
    Err((
        cause,
        format!("add partition {number} to the disk in storage.disks"),
    ))
}

/// Arrays and volumes of the config.
fn created_by_config(draft: &Draft, text: &str) -> Option<DeviceRef> {
    let storage = &draft.document.config().storage;
    let array = storage
        .raid
        .iter()
        .map(|raid| DeviceRef::Array {
            name: raid.name.clone(),
        })
        .find(|array| array.to_string() == text);
    array.or_else(|| {
        storage
            .luks
            .iter()
            .map(|luks| DeviceRef::Luks {
                name: luks.name.clone(),
            })
            .find(|luks| luks.to_string() == text)
    })
}

/// What a udev link is by, and the unescaped value: `partlabel` and `data` for `/dev/disk/by-partlabel/data`.
fn udev_link(text: &str) -> Option<(&str, String)> {
    let (family, value) = text.strip_prefix("/dev/disk/by-")?.split_once('/')?;
    Some((family, unescape(value)))
}

/// Finds a device by a udev link: by partition label or GUID, by file system label or UUID.
fn by_link(draft: &Draft, text: &str) -> Option<DeviceRef> {
    let (family, value) = udev_link(text)?;
    match family {
        "partlabel" => by_entry(draft, |entry| entry.label == value),
        "partuuid" => by_entry(draft, |entry| match entry.guid {
            GuidChoice::Given(guid) => guid.to_string().eq_ignore_ascii_case(&value),
            GuidChoice::Random => false,
        }),
        "label" => by_superblock(draft, |label, _| label == Some(&value)),
        "uuid" => by_superblock(draft, |_, uuid| {
            uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(&value))
        }),
        _ => None,
    }
}

/// Cause and remedy if several partitions have the label in a name: it is not defined which one udev would link.
fn ambiguity(draft: &Draft, text: &str) -> Option<(String, String)> {
    let label = unescape(text.strip_prefix("/dev/disk/by-partlabel/")?);
    let disks = draft.observed.disks.keys();
    let found: Vec<String> = disks
        .filter_map(|disk| Some((disk, drafted::resulting_table(draft, disk)?)))
        .flat_map(|(disk, table)| {
            let entries = table.entries.iter();
            let named = entries.filter(|(_, entry)| entry.label == label);
            named.map(move |(number, _)| partition_path(disk, *number))
        })
        .collect();
    match &found[..] {
        [first, .., last] => Some((
            format!("{} will all have this label", found.join(", ")),
            format!(
                "give them different labels, or name the partition by its number, {first} or {last}"
            ),
        )),
        _ => None,
    }
}

fn by_entry(draft: &Draft, matches: impl Fn(&Entry) -> bool) -> Option<DeviceRef> {
    draft.observed.disks.keys().find_map(|disk| {
        let table = drafted::resulting_table(draft, disk)?;
        let (number, _) = table.entries.iter().find(|(_, entry)| matches(entry))?;
        Some(DeviceRef::Partition {
            disk: disk.clone(),
            number: *number,
        })
    })
}

/// Searches the file systems that the plan creates first, then those that stay.
fn by_superblock(
    draft: &Draft,
    matches: impl Fn(Option<&String>, Option<&String>) -> bool,
) -> Option<DeviceRef> {
    let planned = draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::MakeFilesystem(make) if matches(make.label.as_ref(), make.uuid.as_ref()) => {
            Some(make.device.clone())
        }
        _ => None,
    });
    planned.or_else(|| {
        draft
            .observed
            .disks
            .keys()
            .flat_map(|disk| devices_of(draft, disk))
            .find(|device| {
                let content = content(draft, device);
                matches(content.label.as_ref(), content.uuid.as_ref())
            })
    })
}

fn devices_of(draft: &Draft, disk: &str) -> Vec<DeviceRef> {
    let numbers = drafted::resulting_table(draft, disk)
        .map(|table| table.entries.keys().copied().collect::<Vec<u32>>())
        .unwrap_or_default();
    let partition = |number| DeviceRef::Partition {
        disk: disk.to_owned(),
        number,
    };
    std::iter::once(DeviceRef::Disk { disk: disk.into() })
        .chain(numbers.into_iter().map(partition))
        .collect()
}

/// Decodes `\xNN`, as udev escapes characters in link names.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .strip_prefix(b"x")
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits.get(..2)?).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The superblock on a device once the planned tables are written. A new partition shows what an old one with the same
/// first sector held: writing a table erases no superblock.
pub fn content(draft: &Draft, device: &DeviceRef) -> SuperblockFacts {
    let superblock = match device {
        DeviceRef::Disk { disk } => draft
            .observed
            .disks
            .get(disk)
            .filter(|_| !is_rewritten(draft, disk))
            .map(|facts| facts.superblock.clone()),
        DeviceRef::Partition { disk, number } => draft
            .observed
            .disks
            .get(disk)
            .and_then(|facts| content_of_partition(draft, facts, disk, *number)),
        DeviceRef::Array { name } if drafted::is_assembled_by(draft, name) => {
            drafted::content_of_assembled(draft, name)
        }
        DeviceRef::Path { .. } | DeviceRef::Array { .. } | DeviceRef::Luks { .. } => draft
            .observed
            .devices
            .get(&device.to_string())
            .map(|facts| facts.superblock.clone()),
    };
    superblock.unwrap_or_default()
}

fn is_rewritten(draft: &Draft, name: &str) -> bool {
    draft
        .operations()
        .iter()
        .any(|op| matches!(&op.kind, OpKind::WriteTable(write) if write.disk == name))
}

fn content_of_partition(
    draft: &Draft,
    facts: &DiskFacts,
    disk: &str,
    number: u32,
) -> Option<SuperblockFacts> {
    let start = drafted::resulting_table(draft, disk)?
        .entries
        .get(&number)?
        .start;
    if let Some(leftover) = facts.leftovers.get(&start) {
        return Some(leftover.clone());
    }
    let table = facts.table.gpt()?;
    let (old, _) = table.entries.iter().find(|(_, e)| e.start == start)?;
    facts.partitions.get(old).cloned()
}

/// True if the disks of this run are image files.
pub fn uses_images(draft: &Draft) -> bool {
    let mut disks = draft.observed.disks.values();
    disks.any(|facts| facts.image.is_some())
}

/// What uses a device now; empty if it is idle.
pub fn held_by<'d>(draft: &'d Draft, device: &DeviceRef) -> &'d [String] {
    let observed = draft.observed;
    let holders = match device {
        DeviceRef::Disk { disk } => observed.disks.get(disk).map(|facts| &facts.held_by),
        DeviceRef::Partition { disk, number } => observed
            .disks
            .get(disk)
            .and_then(|facts| facts.partitions_held_by.get(number)),
        DeviceRef::Path { .. } | DeviceRef::Array { .. } | DeviceRef::Luks { .. } => observed
            .devices
            .get(&device.to_string())
            .map(|facts| &facts.held_by),
    };
    holders.map_or(&[], Vec::as_slice)
}

/// Describes the partition table that a device will have: a file system on the device would destroy it.
pub fn table_on(draft: &Draft, device: &DeviceRef) -> Option<String> {
    match device {
        DeviceRef::Disk { disk } => {
            let table = drafted::resulting_table(draft, disk)?;
            let numbers: Vec<String> = table.entries.keys().map(u32::to_string).collect();
            (!numbers.is_empty()).then(|| format!("a GPT with partitions {}", numbers.join(", ")))
        }
        DeviceRef::Path { path } => draft.observed.devices.get(path)?.table.clone(),
        _ => None,
    }
}

/// True if the description of a holder names this node: a device that is held by its own mapping or array is used as
/// intended.
pub fn is_held_by(holder: &str, node: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "/_-.!".contains(c);
    holder.split(|c| !is_part(c)).any(|word| word == node)
}

/// Size of a device in bytes, when it is known before the plan runs.
pub fn bytes(draft: &Draft, device: &DeviceRef) -> Option<u64> {
    match device {
        DeviceRef::Disk { disk } => {
            let facts = draft.observed.disks.get(disk)?;
            facts.sectors.checked_mul(u64::from(facts.sector_bytes))
        }
        DeviceRef::Partition { disk, number } => {
            let table = drafted::resulting_table(draft, disk)?;
            let entry = table.entries.get(number)?;
            entry.sectors.checked_mul(u64::from(table.sector_bytes))
        }
        DeviceRef::Path { path } => draft.observed.devices.get(path).map(|facts| facts.bytes),
        DeviceRef::Array { .. } | DeviceRef::Luks { .. } => None,
    }
}

/// What an operation may expect on a device that this plan does not recreate.
pub fn expected(draft: &Draft, device: &DeviceRef) -> Expected {
    match content(draft, device).kind {
        Some(kind) => Expected::Kind(kind),
        None if is_unseen(draft, device) => Expected::Unseen,
        None => Expected::Blank,
    }
}

/// True if this plan assembles or opens the device, and its content was not probed.
pub fn is_unseen(draft: &Draft, device: &DeviceRef) -> bool {
    let mut operations = draft.operations().iter();
    match device {
        DeviceRef::Luks { name } => operations.any(|op| {
            matches!(&op.kind, OpKind::CreateLuks(act) if act.name == *name && act.way == OpenMode::Open)
        }),
        DeviceRef::Array { name } => {
            drafted::is_assembled_by(draft, name) && drafted::content_of_assembled(draft, name).is_none()
        }
        _ => false,
    }
}

/// True if an operation of this plan recreates the array or volume.
pub fn is_recreated(draft: &Draft, device: &DeviceRef) -> bool {
    draft
        .operations()
        .iter()
        .any(|op| match (&op.kind, device) {
            (OpKind::CreateArray(array), DeviceRef::Array { name }) => array.name == *name,
            (OpKind::CreateLuks(luks), DeviceRef::Luks { name }) => {
                luks.name == *name && op.effect == Effect::Create
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Disk;

    #[test]
    fn labels_of_partitions_are_not_those_of_file_systems() {
        let partition = |label: &str, should_exist| Partition {
            label: Some(label.into()),
            should_exist,
            ..Partition::default()
        };
        let mut config = Config::default();
        config.storage.disks.push(Disk {
            partitions: vec![partition("data", None), partition("gone", Some(false))],
            ..Disk::default()
        });
        let own = |name: &str| by_label_of_partition(&config, name);
        assert_eq!(
            own("/dev/disk/by-label/data").as_deref(),
            Some("/dev/disk/by-partlabel/data")
        );
        for name in [
            "/dev/disk/by-label/gone",
            "/dev/disk/by-label/x",
            "/dev/vda",
        ] {
            assert_eq!(own(name), None, "{name}");
        }
    }
}
