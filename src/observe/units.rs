//! What the target says about the units that a config enables.

use super::outlook::Outlook;
use crate::config::Config;
use crate::config::model::Unit;
use crate::facts::install;
use crate::facts::presets::PRESET_DIRECTORIES;
use crate::facts::unit_files::{UNIT_DIRECTORIES, UnitFacts, UnitFile, UnitFiles, template};
use crate::layout::UNIT_DIRECTORY;
use std::collections::BTreeSet;

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
    let mut todo: Vec<String> = set.map(|unit| unit.name.clone()).collect();
    let mut done = BTreeSet::new();
    while let Some(name) = todo.pop() {
        if !done.insert(name.clone()) {
            continue;
        }
        for name in std::iter::once(name.clone()).chain(template(&name)) {
            add_files(&mut facts.files, &name, units, outlook)?;
            todo.extend(aliased(&facts.files, &name));
        }
        todo.extend(install::also(&facts.files, &name));
    }
    if facts.is_first_boot && facts.has_systemd {
        add_presets(&mut facts, outlook);
    }
    Ok(facts)
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
    units: &[Unit],
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
    for unit in units.iter().filter(|unit| unit.name == name) {
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
    enabled
        .filter(|unit| unit.enabled == Some(true))
        .flat_map(|unit| install::enable(facts, &unit.name).links)
        .map(|link| link.path)
        .collect()
}
