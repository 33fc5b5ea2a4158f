//! Describes arrays for `mdadm.conf`, so that they keep their names.

use super::StageContext;
use crate::config::model::Raid;
use crate::disk::superblock::raid::Level;
use crate::disk::superblock::{self, Superblock};
use crate::disk::{DeviceRef, raid};
use crate::plan::first_boot::Array;
use anyhow::Context;
use std::fs::File;

/// Describes every array of the config whose members have a superblock for it. Others, such as those with metadata of a
/// controller, are skipped.
pub(super) fn describe(context: &StageContext<'_>) -> anyhow::Result<Vec<Array>> {
    let mut arrays = Vec::new();
    for (index, raid) in context.document.config().storage.raid.iter().enumerate() {
        let members = raid.devices.iter().map(|name| probe_member(name));
        let members = members.collect::<anyhow::Result<Vec<Superblock>>>()?;
        match array(index, raid, &members) {
            Some(array) => arrays.push(array),
            None => context.log.warning(format_args!(
                "array {:?} gets no line in mdadm.conf: its members have no metadata of it",
                raid.name
            )),
        }
    }
    Ok(arrays)
}

fn probe_member(name: &str) -> anyhow::Result<Superblock> {
    let act = || format!("cannot examine RAID member {name}");
    let mut file = File::open(name).with_context(act)?;
    superblock::probe(&mut file).with_context(act)
}

/// Describes an array by the superblocks of its members. Some may have that of another array, such as a replaced
/// member, so the largest set counts.
fn array(index: usize, raid: &Raid, members: &[Superblock]) -> Option<Array> {
    let level = Level::named(raid.level.as_deref().unwrap_or_default());
    let sets = raid::member_sets(members);
    let set = sets
        .into_iter()
        .filter(|set| Some(set.newest.level) == level)
        .max_by_key(|set| (set.members.len(), set.newest.events))?;
    let node = DeviceRef::Array {
        name: raid.name.clone(),
    };
    Some(Array {
        index,
        node: node.to_string(),
        metadata: set.newest.metadata.to_string(),
        name: set.newest.name,
        uuid: set.uuid,
    })
}
