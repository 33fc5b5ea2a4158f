//! Observes the units of the target that a config enables or disables.

use super::planned_files::PlannedFiles;
use crate::config::Config;
use crate::config::model::Unit;
use crate::facts::install;
use crate::facts::presets::PRESET_DIRECTORIES;
use crate::facts::unit_files::{UNIT_DIRECTORIES, UnitFacts, UnitFile, UnitFiles, template};
use crate::layout::UNIT_DIRECTORY;
use std::collections::{BTreeSet, HashMap};

const MACHINE_ID: &str = "/etc/machine-id";
const UNINITIALIZED: &str = "uninitialized";
/// Length of a machine id in hexadecimal digits.
const ID_DIGITS: usize = 32;

/// Observes the units of a config. If it enables and disables none, only whether a first boot is still to come.
pub(super) fn observe(config: &Config, planned: &PlannedFiles<'_>) -> anyhow::Result<UnitFacts> {
    let mut facts = UnitFacts {
        has_systemd: UNIT_DIRECTORIES
            .iter()
            .skip(1)
            .any(|directory| !planned.is_blank(directory) && planned.exists(directory)),
        ..UnitFacts::default()
    };
    let id = planned.node(MACHINE_ID)?;
    facts.is_first_boot = match &id {
        None => true,
        Some(UnitFile::Text(text)) => text.trim_end() == UNINITIALIZED,
        Some(UnitFile::Link(_) | UnitFile::Unknown) => false,
    };
    if let Some(UnitFile::Text(text)) = id {
        let text = text.trim();
        let is_id = text.len() == ID_DIGITS && text.chars().all(|c| c.is_ascii_hexdigit());
        facts.machine_id = is_id.then(|| text.to_owned());
    }
    let units = &config.systemd.units;
    let disabled = units.iter().filter(|unit| unit.enabled == Some(false));
    facts.disabled = disabled.map(|unit| unit.name.clone()).collect();
    // Units that are disabled also disable those that their files name.
    let set = units.iter().filter(|unit| unit.enabled.is_some());
    let own = set.map(|unit| unit.name.clone()).collect();
    add_followed(&mut facts, &own, units, planned)?;
    if facts.is_first_boot && facts.has_systemd {
        add_presets(&mut facts, planned);
    }
    Ok(facts)
}

/// Adds the files of units, and of the units that these name.
fn add_followed(
    facts: &mut UnitFacts,
    own: &BTreeSet<String>,
    units: &[Unit],
    planned: &PlannedFiles<'_>,
) -> anyhow::Result<()> {
    let mut by_name: HashMap<&str, Vec<&Unit>> = HashMap::new();
    for unit in units {
        by_name.entry(&unit.name).or_default().push(unit);
    }
    let mut todo: Vec<String> = own.iter().cloned().collect();
    // Units that are not in the config, whose number is not limited.
    let mut followed = BTreeSet::new();
    let mut read = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let mut named = Vec::new();
        for name in std::iter::once(name.clone()).chain(template(&name)) {
            if read.insert(name.clone()) {
                let of_config = by_name.get(name.as_str()).map_or(&[][..], Vec::as_slice);
                add_files(&mut facts.files, &name, of_config, planned)?;
            }
            named.extend(link_targets(&facts.files, &name));
        }
        named.extend(install::also_enabled(&facts.files, &name));
        let others = named.into_iter().filter(|name| !own.contains(name));
        if !install::follow(&mut followed, &mut todo, others) {
            facts.has_more_units = true;
        }
    }
    Ok(())
}

/// Names of the units that links of this name lead to.
fn link_targets<'f>(files: &'f UnitFiles, name: &'f str) -> impl Iterator<Item = String> + 'f {
    let paths = UNIT_DIRECTORIES.map(|directory| format!("{directory}/{name}"));
    paths.into_iter().filter_map(|path| match files.get(&path) {
        Some(UnitFile::Link(target)) => target.rsplit('/').next().map(str::to_owned),
        _ => None,
    })
}

/// Adds the files of one unit and its drop-ins: those of the target, then those of the config.
fn add_files(
    files: &mut UnitFiles,
    name: &str,
    of_config: &[&Unit],
    planned: &PlannedFiles<'_>,
) -> anyhow::Result<()> {
    for directory in UNIT_DIRECTORIES {
        let path = format!("{directory}/{name}");
        if let Some(file) = planned.node(&path)? {
            files.insert(path.clone(), file);
        }
        let below = format!("{path}.d");
        for drop_in in planned.names(&below) {
            let path = format!("{below}/{drop_in}");
            match planned.node(&path)? {
                // A link to /dev/null masks drop-ins of the same name elsewhere.
                Some(UnitFile::Link(target)) if target != "/dev/null" => {
                    let text = planned.text(&path).unwrap_or_default();
                    files.insert(path, UnitFile::Text(text));
                }
                Some(file) => files.insert(path, file),
                None => {}
            }
        }
    }
    for unit in of_config {
        add_unit(files, unit);
    }
    Ok(())
}

fn add_unit(files: &mut UnitFiles, unit: &Unit) {
    let path = format!("{UNIT_DIRECTORY}/{}", unit.name);
    for drop_in in &unit.dropins {
        if let Some(text) = &drop_in.contents {
            let path = format!("{path}.d/{}", drop_in.name);
            files.insert(path, UnitFile::Text(text.clone()));
        }
    }
    let text = unit.contents.as_ref().filter(|text| !text.is_empty());
    let is_masked =
        matches!(files.get(&path), Some(UnitFile::Link(target)) if target == "/dev/null");
    match (unit.mask, text) {
        (Some(true), _) => files.insert(path, UnitFile::Link("/dev/null".into())),
        (_, Some(text)) => files.insert(path, UnitFile::Text(text.clone())),
        (Some(false), None) if is_masked => files.remove(&path),
        _ => {}
    }
}

fn add_presets(facts: &mut UnitFacts, planned: &PlannedFiles<'_>) {
    for directory in PRESET_DIRECTORIES {
        for name in planned.names(directory) {
            if name.ends_with(".preset") && !facts.presets.contains_key(&name) {
                let text = planned.text(&format!("{directory}/{name}"));
                facts.presets.insert(name, text.unwrap_or_default());
            }
        }
    }
}

/// Paths of the links that will enable the units of a config.
pub(super) fn link_paths(config: &Config, facts: &UnitFacts) -> BTreeSet<String> {
    if facts.is_first_boot {
        return BTreeSet::new();
    }
    let enabled = config.systemd.units.iter();
    let mut known = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for unit in enabled.filter(|unit| unit.enabled == Some(true)) {
        let enabling = install::enable_except(facts, &unit.name, &known);
        paths.extend(enabling.links.into_iter().map(|link| link.path));
        known.extend(enabling.names);
    }
    paths
}
