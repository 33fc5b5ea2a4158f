//! Writes partition tables: checks the disk again, writes, reads back, updates the kernel.

use super::{Context, Done};
use crate::disk::gpt::{self, GptHealth, Guid, Table, TableFacts};
use crate::host::devices::{DeviceAccess, OpenDisk};
use crate::host::kernel_table;
use crate::host::udev::LockMode;
use crate::plan::op::WriteTable;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::io::Read;

/// Writes a table.
///
/// # Errors
/// If the disk has changed since the plan was made, writing fails, or what is read back (or what the kernel sees) is
/// not what was written.
pub fn write_table(act: &WriteTable, context: &Context) -> anyhow::Result<Done> {
    if !act.leaves_no_table() {
        context.devices.lock(&act.disk, lock_mode(act))?;
    }
    let mut disk = context.devices.disk(&act.disk, DeviceAccess::Write)?;
    check_unchanged(act, &mut disk)?;
    if !disk.is_image {
        let table = Some(&act.table).filter(|_| !act.leaves_no_table());
        kernel_table::check_idle(&disk.path, table)?;
    }
    if act.wipe {
        gpt::erase(&mut disk.file, disk.sector_bytes, disk.sectors)
            .and_then(|()| disk.file.sync_all())
            .with_context(|| format!("cannot erase the table of {}", act.disk))?;
    }
    let table = match act.leaves_no_table() {
        true => None,
        false => Some(write_and_verify(act, &mut disk)?),
    };
    if !disk.is_image {
        kernel_table::update(&disk.file, &disk.path, table.as_ref())?;
    }
    Ok(Done::default())
}

/// The mode of the lock, which lasts until udev has settled: without it, udev would make the kernel read the table
/// again when we close the disk, and remove partitions while something is being created on them.
fn lock_mode(act: &WriteTable) -> LockMode {
    match act.exposes_members {
        true => LockMode::DenyProbing,
        false => LockMode::AllowProbing,
    }
}

fn check_unchanged(act: &WriteTable, disk: &mut OpenDisk) -> anyhow::Result<()> {
    let found = read(disk).with_context(|| format!("cannot read the table of {}", act.disk))?;
    let is_expected = match (&act.expected, &found) {
        (Some(expected), TableFacts::Gpt { table, .. }) => table == expected,
        (None, TableFacts::None) => true,
        (None, TableFacts::Foreign(_) | TableFacts::Corrupt(_)) => act.wipe,
        _ => false,
    };
    match is_expected {
        true => Ok(()),
        false => bail!(
            "the partition table of {} changed since the plan was made; nothing was written, plan again",
            act.disk
        ),
    }
}

fn read(disk: &mut OpenDisk) -> std::io::Result<TableFacts> {
    gpt::read(&mut disk.file, disk.sector_bytes, disk.sectors)
}

fn write_and_verify(act: &WriteTable, disk: &mut OpenDisk) -> anyhow::Result<Table> {
    let act_on = || format!("cannot write the table of {}", act.disk);
    let mut guids = random_guids(act.table.entries.len() + 1)?;
    // There are as many as the table can need.
    let table = act
        .table
        .clone()
        .with_guids(&mut || guids.pop().unwrap_or(Guid([0; 16])));
    gpt::write(&mut disk.file, &table, &mut |file| file.sync_all()).with_context(act_on)?;
    let written = TableFacts::Gpt {
        table: table.clone(),
        health: GptHealth::Sound,
    };
    match read(disk).with_context(act_on)? == written {
        true => Ok(table),
        false => bail!(
            "the table read back from {} is not the one written",
            act.disk
        ),
    }
}

/// Random GUIDs (version 4, variant 1).
fn random_guids(count: usize) -> anyhow::Result<Vec<Guid>> {
    let mut bytes = vec![0; 16 * count];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("cannot read random numbers from /dev/urandom")?;
    let guids = bytes.chunks_exact(16).map(|chunk| {
        let mut guid = [0; 16];
        guid.copy_from_slice(chunk);
        guid[6] = guid[6] & 0x0F | 0x40;
        guid[8] = guid[8] & 0x3F | 0x80;
        Guid(guid)
    });
    Ok(guids.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::gpt::{Entry, GuidChoice, LINUX_DATA};
    use crate::fetch::Fetcher;
    use crate::host::devices::Image;
    use crate::host::{Devices, TargetRoot};
    use std::collections::BTreeMap;

    const SECTORS: u64 = 32768;

    fn table(label: &str) -> Table {
        let mut table = Table::empty(512, SECTORS).expect("large enough");
        let entry = Entry {
            start: 2048,
            sectors: 2048,
            type_guid: LINUX_DATA,
            guid: GuidChoice::Random,
            label: label.into(),
            attributes: 0,
        };
        table.entries.insert(1, entry);
        table
    }

    fn act(table: Table, expected: Option<Table>, wipe: bool) -> WriteTable {
        WriteTable {
            disk: "/dev/vda".into(),
            table,
            expected,
            wipe,
            exposes_members: false,
            changes: Vec::new(),
        }
    }

    /// Runs acts one after the other on one blank image; returns the resulting table.
    fn run(acts: &[WriteTable]) -> anyhow::Result<TableFacts> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("image");
        File::create(&path)?.set_len(SECTORS * 512)?;
        let image = Image {
            path,
            bytes: None,
            sector_bytes: None,
        };
        let devices = Devices::with_images(BTreeMap::from([("/dev/vda".into(), image)]));
        let keys = crate::execute::VolumeKeys::default();
        let context = Context {
            keys: &keys,
            root: &TargetRoot::new("/nowhere"),
            devices: &devices,
            fetcher: &Fetcher::default(),
            events: &crate::fetch::Silent,
            directories: crate::execute::Directories::default(),
            copies: crate::execute::Copies::default(),
        };
        for act in acts {
            write_table(act, &context)?;
        }
        Ok(read(&mut devices.disk("/dev/vda", DeviceAccess::Read)?)?)
    }

    #[test]
    fn open_guids_are_chosen_and_the_rest_is_as_planned() {
        let facts = run(&[act(table("data"), None, false)]).expect("written");
        let TableFacts::Gpt { table, health } = facts else {
            panic!("{facts:?}");
        };
        assert_eq!(health, GptHealth::Sound);
        assert_eq!(table.entries[&1].label, "data");
        let GuidChoice::Given(guid) = table.entries[&1].guid else {
            panic!("no GUID");
        };
        assert_eq!((guid.0[6] >> 4, guid.0[8] >> 6), (4, 2), "{guid}");
        assert_ne!(table.disk_guid, table.entries[&1].guid);
    }

    #[test]
    fn a_table_the_plan_did_not_see_is_not_overwritten() {
        let first = act(table("theirs"), None, false);
        for (expected, wipe) in [(None, false), (None, true), (Some(table("other")), false)] {
            let error = run(&[first.clone(), act(table("ours"), expected, wipe)])
                .expect_err("changed")
                .to_string();
            let expected = "the partition table of /dev/vda changed since the plan was made";
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_wipe_without_partitions_leaves_no_table() {
        let mut guids = 0;
        let first = table("old").with_guids(&mut || {
            guids += 1;
            Guid([guids; 16])
        });
        let empty = Table::empty(512, SECTORS).expect("large enough");
        let acts = [
            act(first.clone(), None, false),
            act(empty, Some(first), true),
        ];
        assert_eq!(run(&acts).expect("wiped"), TableFacts::None);
    }
}
