//! Units and drop-ins.

use super::{Rules, lengths};
use crate::config::model::{Config, Dropin, Systemd, Unit};
use crate::config::path::Path;
use crate::config::unit::{self, UnitOption};
use crate::layout::UNIT_DIRECTORY;
use foldhash::{HashMap, HashSet, HashSetExt as _};

/// Files, directories and links must not have the path of a unit or drop-in that is written.
pub(super) fn check_claims(rules: &mut Rules, config: &Config, path: &Path<'_>) {
    let claimed = claimed_paths(&config.systemd);
    if claimed.is_empty() {
        return;
    }
    let storage = &config.storage;
    let files = storage.files.iter().map(|n| &n.path);
    check_list(rules, &claimed, path, "files", files);
    let directories = storage.directories.iter().map(|n| &n.path);
    check_list(rules, &claimed, path, "directories", directories);
    let links = storage.links.iter().map(|n| &n.path);
    check_list(rules, &claimed, path, "links", links);
}

fn check_list<'c>(
    rules: &mut Rules,
    claimed: &HashSet<String>,
    path: &Path<'_>,
    name: &str,
    nodes: impl Iterator<Item = &'c String>,
) {
    let storage = path.member("storage");
    let list = storage.member(name);
    for (i, _) in nodes
        .enumerate()
        .filter(|(_, node)| claimed.contains(*node))
    {
        let message = "a systemd unit or drop-in of this config is written to the same path";
        rules.error(&list.index(i).member("path"), message);
    }
}

fn claimed_paths(systemd: &Systemd) -> HashSet<String> {
    let mut claimed = HashSet::new();
    for unit in &systemd.units {
        if contents(&unit.contents).is_some() {
            claimed.insert(format!("{UNIT_DIRECTORY}/{}", unit.name));
        }
        let written = unit
            .dropins
            .iter()
            .filter(|d| contents(&d.contents).is_some());
        claimed.extend(written.map(|d| format!("{UNIT_DIRECTORY}/{}.d/{}", unit.name, d.name)));
    }
    claimed
}

fn contents(text: &Option<String>) -> Option<&str> {
    super::non_empty(text)
}

pub(super) fn check(rules: &mut Rules, systemd: &Systemd, path: &Path<'_>) {
    let units = path.member("units");
    check_instances(rules, &systemd.units, &units);
    for (i, unit) in systemd.units.iter().enumerate() {
        check_unit(rules, unit, &units.index(i));
    }
}

/// An enabled instance needs a template that can be enabled.
fn check_instances(rules: &mut Rules, units: &[Unit], path: &Path<'_>) {
    let by_name: HashMap<&str, &Unit> = units.iter().map(|u| (u.name.as_str(), u)).collect();
    for (i, unit) in units
        .iter()
        .enumerate()
        .filter(|(_, u)| u.enabled == Some(true))
    {
        let template = template_of(&unit.name).and_then(|name| by_name.get(name.as_str()).copied());
        let text = template.and_then(|t| contents(&t.contents));
        if text
            .and_then(|t| unit::parse(t).ok())
            .is_some_and(|o| !is_installable(&o))
        {
            let message =
                "enabling this instance does nothing: its template has no Install section";
            rules.warn(&path.index(i).member("contents"), message);
        }
    }
}

/// `P@.service` for `P@I.service`.
fn template_of(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".service")?;
    let (after_first, _) = stem.char_indices().nth(1)?;
    let at = after_first + stem[after_first..].find('@')?;
    let has_instance = at + 1 < stem.len();
    (has_instance && !stem.contains('\n')).then(|| format!("{}@.service", &stem[..at]))
}

fn is_installable(options: &[UnitOption]) -> bool {
    options.iter().any(|o| o.section == "Install")
}

fn check_unit(rules: &mut Rules, unit: &Unit, path: &Path<'_>) {
    if !is_unit_name(&unit.name) {
        let help = "end it in .service, .socket, .mount, .timer or another unit type".into();
        let message = "the unit name has no valid suffix";
        rules.error_with_help(&path.member("name"), message, help);
    }
    lengths::check_unit_name(rules, unit, &path.member("name"));
    check_contents(rules, unit, &path.member("contents"));
    let dropins = path.member("dropins");
    for (i, dropin) in unit.dropins.iter().enumerate() {
        check_dropin(rules, dropin, &dropins.index(i));
    }
}

fn check_contents(rules: &mut Rules, unit: &Unit, path: &Path<'_>) {
    let Some(text) = &unit.contents else { return };
    match unit::parse(text) {
        Err(e) => rules.error(path, format!("the unit text cannot be parsed: {e}")),
        Ok(options) => {
            let enabled = unit.enabled == Some(true) && !text.is_empty();
            if enabled && !is_installable(&options) {
                rules.warn(
                    path,
                    "enabling this unit does nothing: it has no Install section",
                );
            }
        }
    }
}

fn check_dropin(rules: &mut Rules, dropin: &Dropin, path: &Path<'_>) {
    if let Some(Err(e)) = dropin.contents.as_deref().map(unit::parse) {
        rules.error(
            &path.member("contents"),
            format!("the drop-in cannot be parsed: {e}"),
        );
    }
    if suffix(&dropin.name) != "conf" {
        let help = "end it in .conf".into();
        rules.error_with_help(
            &path.member("name"),
            "the drop-in name has no valid suffix",
            help,
        );
    }
    lengths::check_dropin_name(rules, dropin, &path.member("name"));
}

fn suffix(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or("", |(_, suffix)| suffix)
}

fn is_unit_name(name: &str) -> bool {
    matches!(
        suffix(name),
        "service"
            | "socket"
            | "device"
            | "mount"
            | "automount"
            | "swap"
            | "target"
            | "path"
            | "timer"
            | "snapshot"
            | "slice"
            | "scope"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let cases = [
            ("a@b.service", Some("a@.service")),
            ("a@b@c.service", Some("a@.service")),
            ("@a@b.service", Some("@a@.service")),
            ("a@.service", None),
            ("@b.service", None),
            ("a@b.timer", None),
            ("a.service", None),
            ("a@b\n.service", None),
            (".service", None),
        ];
        for (name, template) in cases {
            assert_eq!(template_of(name).as_deref(), template, "{name}");
        }
    }
}
