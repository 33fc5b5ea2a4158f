//! What the files stage has to know of arrays, so that they keep their names.

use super::StageContext;
use crate::config::model::Raid;
use crate::disk::superblock::raid::Level;
use crate::disk::superblock::{self, Superblock};
use crate::disk::{DeviceRef, raid};
use crate::plan::first_boot::Array;
use anyhow::Context;
use std::fs::File;

/// Every array of the config. One whose members tell nothing (metadata of a controller) gets no line.
pub(super) fn describe(context: &StageContext<'_>) -> anyhow::Result<Vec<Array>> {
    let mut arrays = Vec::new();
    for (index, raid) in context.document.config().storage.raid.iter().enumerate() {
        let members = raid.devices.iter().map(|name| look(name));
        let members = members.collect::<anyhow::Result<Vec<Superblock>>>()?;
        match array(index, raid, &members) {
            Some(array) => arrays.push(array),
            None => context.log.warning(format_args!(
                "array {:?} gets no line in mdadm.conf: its members say nothing about it",
                raid.name
            )),
        }
    }
    Ok(arrays)
}

fn look(name: &str) -> anyhow::Result<Superblock> {
    let act = || format!("cannot look at RAID member {name}");
    let mut file = File::open(name).with_context(act)?;
    superblock::probe(&mut file).with_context(act)
}

/// A member that was replaced may carry a superblock of another array; most have that of this one.
fn array(index: usize, raid: &Raid, members: &[Superblock]) -> Option<Array> {
    let level = Level::named(raid.level.as_deref().unwrap_or_default());
    let sets = raid::sets(members);
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
