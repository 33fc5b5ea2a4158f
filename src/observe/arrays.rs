//! Inspects arrays: those the kernel has and, through their members, those that are not running.

use super::disks::held_by;
use crate::config::Config;
use crate::disk::{DeviceRef, raid, superblock};
use crate::facts::SuperblockFacts;
use crate::facts::arrays::{ArrayFacts, RaidFacts};
use crate::host::{Devices, arrays};
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// Inspects all arrays if the config has any. Nothing is started or stopped.
///
/// # Errors
/// If a device cannot be read; the error names it.
pub fn observe(config: &Config, devices: &Devices) -> anyhow::Result<RaidFacts> {
    let mut facts = RaidFacts::default();
    if config.storage.raid.is_empty() || !devices.images().is_empty() {
        return Ok(facts);
    }
    for array in arrays::list()? {
        facts.arrays.push(ArrayFacts {
            held_by: held_by(&array.node)?,
            node: array.node.display().to_string(),
            is_running: array.is_running,
            missing: array.missing,
            members: array
                .members
                .iter()
                .map(|m| m.display().to_string())
                .collect(),
        });
    }
    for raid in &config.storage.raid {
        let array = DeviceRef::Array {
            name: raid.name.clone(),
        };
        let names = raid.devices.iter().cloned().chain([array.to_string()]);
        for name in names {
            if let Ok(node) = Path::new(&name).canonicalize() {
                facts.nodes.insert(name, node.display().to_string());
            }
        }
        let contents = contents(&raid.devices, &facts.arrays)?;
        facts.contents.extend(contents);
    }
    Ok(facts)
}

/// What is on the arrays that some devices belong to, by UUID.
fn contents(
    devices: &[String],
    arrays: &[ArrayFacts],
) -> anyhow::Result<BTreeMap<String, SuperblockFacts>> {
    let mut files = Vec::new();
    let mut found = Vec::new();
    let mut nodes = Vec::new();
    for name in devices.iter().filter(|name| Path::new(name).exists()) {
        let context = || format!("cannot examine device {name}");
        let mut file = File::open(name).with_context(context)?;
        found.push(superblock::probe(&mut file).with_context(context)?);
        files.push(file);
        nodes.push(Path::new(name).canonicalize().with_context(context)?);
    }
    let running_with = |index: &usize| {
        let node = nodes.get(*index)?.to_str()?;
        let holds = |array: &&ArrayFacts| array.members.iter().any(|member| member == node);
        arrays.iter().filter(|a| a.is_running).find(holds)
    };
    let mut contents = BTreeMap::new();
    for set in raid::member_sets(&found) {
        if let Some(array) = set.members.iter().find_map(running_with) {
            let content = File::open(&array.node)
                .and_then(|mut file| superblock::probe(&mut file))
                .with_context(|| format!("cannot examine array {}", array.node))?;
            contents.insert(set.uuid.clone(), content);
            continue;
        }
        // An array that cannot be read in this way is left out, e.g. because its superblock states a wrong size.
        if let Some(mut head) = set.head(&mut files)
            && let Ok(content) = superblock::probe(&mut head)
        {
            contents.insert(set.uuid.clone(), content);
        }
    }
    Ok(contents)
}
