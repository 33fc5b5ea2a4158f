//! What the target says about the units that a config enables.

use super::outlook::Outlook;
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

/// Looks at the units of a config. Without any to enable, only at whether there is a first boot to come.
pub(super) fn observe(config: &Config, outlook: &Outlook<'_>) -> anyhow::Result<UnitFacts> {
    let mut facts = UnitFacts {
        has_systemd: UNIT_DIRECTORIES
            .iter()
            .skip(1)
            .any(|directory| !outlook.is_blank(directory) && outlook.exists(directory)),
        ..UnitFacts::default()
    };
    let id = outlook.node(MACHINE_ID)?;
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
    let off = units.iter().filter(|unit| unit.enabled == Some(false));
    facts.switched_off = off.map(|unit| unit.name.clone()).collect();
    // Those to disable take along what their files name.
    let set = units.iter().filter(|unit| unit.enabled.is_some());
    let own = set.map(|unit| unit.name.clone()).collect();
    add_followed(&mut facts, &own, units, outlook)?;
    if facts.is_first_boot && facts.has_systemd {
        add_presets(&mut facts, outlook);
    }
    Ok(facts)
}

/// The files of units, and of those that these name.
fn add_followed(
    facts: &mut UnitFacts,
    own: &BTreeSet<String>,
    units: &[Unit],
    outlook: &Outlook<'_>,
) -> anyhow::Result<()> {
    let mut by_name: HashMap<&str, Vec<&Unit>> = HashMap::new();
    for unit in units {
        by_name.entry(&unit.name).or_default().push(unit);
    }
    let mut todo: Vec<String> = own.iter().cloned().collect();
    // Besides those of the config, which are as many as it likes.
    let mut followed = BTreeSet::new();
    let mut read = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let mut named = Vec::new();
        for name in std::iter::once(name.clone()).chain(template(&name)) {
            if read.insert(name.clone()) {
                let of_config = by_name.get(name.as_str()).map_or(&[][..], Vec::as_slice);
                add_files(&mut facts.files, &name, of_config, outlook)?;
            }
            named.extend(aliased(&facts.files, &name));
        }
        named.extend(install::also(&facts.files, &name));
        let others = named.into_iter().filter(|name| !own.contains(name));
        if !install::follow(&mut followed, &mut todo, others) {
            facts.has_more_units = true;
        }
    }
    Ok(())
}

/// Units that links of this name lead to.
fn aliased<'f>(files: &'f UnitFiles, name: &'f str) -> impl Iterator<Item = String> + 'f {
    let paths = UNIT_DIRECTORIES.map(|directory| format!("{directory}/{name}"));
    paths.into_iter().filter_map(|path| match files.get(&path) {
        Some(UnitFile::Link(target)) => target.rsplit('/').next().map(str::to_owned),
        _ => None,
    })
}

/// The files of one unit and its drop-ins: those of the target, then those of the config.
fn add_files(
    files: &mut UnitFiles,
    name: &str,
    of_config: &[&Unit],
    outlook: &Outlook<'_>,
) -> anyhow::Result<()> {
    for directory in UNIT_DIRECTORIES {
        let path = format!("{directory}/{name}");
        if let Some(file) = outlook.node(&path)? {
            files.insert(path.clone(), file);
        }
        let below = format!("{path}.d");
        for drop_in in outlook.names(&below) {
            let path = format!("{below}/{drop_in}");
            match outlook.node(&path)? {
                // A link to nothing takes the place of a drop-in of the same name elsewhere.
                Some(UnitFile::Link(target)) if target != "/dev/null" => {
                    let text = outlook.text(&path).unwrap_or_default();
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

fn add_presets(facts: &mut UnitFacts, outlook: &Outlook<'_>) {
    for directory in PRESET_DIRECTORIES {
        for name in outlook.names(directory) {
            if name.ends_with(".preset") && !facts.presets.contains_key(&name) {
                let text = outlook.text(&format!("{directory}/{name}"));
                facts.presets.insert(name, text.unwrap_or_default());
            }
        }
    }
}

/// Where the links that enable the units of a config will be.
pub(super) fn link_paths(config: &Config, facts: &UnitFacts) -> BTreeSet<String> {
    if facts.is_first_boot {
        return BTreeSet::new();
    }
    let enabled = config.systemd.units.iter();
    let mut known = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for unit in enabled.filter(|unit| unit.enabled == Some(true)) {
        let enabling = install::enable_besides(facts, &unit.name, &known);
        paths.extend(enabling.links.into_iter().map(|link| link.path));
        known.extend(enabling.names);
    }
    paths
}
