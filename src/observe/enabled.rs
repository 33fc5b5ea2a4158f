//! Units of the target that are enabled, by the links that `systemctl enable` makes.

use super::names::names;
use crate::config::model::Unit;
use crate::facts::unit_files::template;
use crate::host::TargetRoot;
use crate::layout::UNIT_DIRECTORY;
use crate::paths::clean;
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;
use std::collections::BTreeSet;

/// Units that the config disables and that are enabled in the target. Reads the links that `systemctl enable` creates
/// without running systemctl, which may be missing here or of another version than the target's. A template counts as
/// enabled if an instance of it is; its instances are added, except those that the config itself enables.
pub(super) fn enabled_units(units: &[Unit], root: &TargetRoot) -> anyhow::Result<BTreeSet<String>> {
    let in_state = |state| {
        let units = units.iter().filter(move |unit| unit.enabled == Some(state));
        units.map(|unit| unit.name.as_str())
    };
    if in_state(false).next().is_none() {
        return Ok(BTreeSet::new());
    }
    let links = enablement_links(root).context("cannot look for enabled units")?;
    let wanted: BTreeSet<&str> = in_state(true).collect();
    let mut enabled = BTreeSet::new();
    for unit in in_state(false) {
        if links.contains(unit) {
            enabled.insert(unit.to_owned());
        }
        let instances = links
            .iter()
            .filter(|link| template(link).as_deref() == Some(unit) && link.as_str() != unit)
            .filter(|link| !wanted.contains(link.as_str()));
        for instance in instances {
            enabled.extend([unit.to_owned(), instance.clone()]);
        }
    }
    Ok(enabled)
}

/// Names of units that are enabled by links in the unit directory.
fn enablement_links(root: &TargetRoot) -> nix::Result<BTreeSet<String>> {
    let mut enabled = BTreeSet::new();
    for name in names(root, UNIT_DIRECTORY)? {
        let path = format!("{UNIT_DIRECTORY}/{name}");
        let wanted_by = [".wants", ".requires", ".upholds"];
        if wanted_by.iter().any(|suffix| name.ends_with(suffix)) {
            // systemctl removes links, and leaves other nodes in place.
            let below = names(root, &path)?;
            let links = below
                .into_iter()
                .filter(|unit| is_link(root, &format!("{path}/{unit}")));
            enabled.extend(links);
        } else if let Some(unit) = alias_target(root, &path)?
            && unit != name
        {
            enabled.insert(unit);
        }
    }
    Ok(enabled)
}

/// Paths of links in the unit directory that lead to themselves.
pub(super) fn unit_loops(root: &TargetRoot) -> nix::Result<BTreeSet<String>> {
    let paths = names(root, UNIT_DIRECTORY)?;
    let paths = paths
        .into_iter()
        .map(|name| format!("{UNIT_DIRECTORY}/{name}"));
    let is_loop = |path: &String| {
        let opened = root.open_at(path, OFlag::O_PATH, Mode::empty());
        matches!(opened, Err(Errno::ELOOP))
    };
    Ok(paths.filter(is_loop).collect())
}

fn is_link(root: &TargetRoot, path: &str) -> bool {
    let link = root.open_at(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty());
    link.is_ok_and(|link| readlinkat(&link, "").is_ok())
}

fn alias_target(root: &TargetRoot, path: &str) -> nix::Result<Option<String>> {
    let link = match root.open_at(path, OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty()) {
        // A name that is not UTF-8 is not found again, and no unit has such a name.
        Err(Errno::ENOENT) => return Ok(None),
        other => other?,
    };
    Ok(match readlinkat(&link, "") {
        Ok(target) if target != "/dev/null" => {
            let target = clean(&target.to_string_lossy());
            target.rsplit('/').next().map(str::to_owned)
        }
        _ => None,
    })
}
