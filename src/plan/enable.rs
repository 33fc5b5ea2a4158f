//! Enables units by the links that `systemctl enable` creates.
//!
//! Presets only apply when systemd boots the target for the first time. If the target has a machine id, it will not,
//! and the preset line of a unit alone has no effect.

use super::op::{AlreadyRight, Permissions, SymlinkAct};
use super::paths::PlannedTree;
use super::{Access, Claim, ClaimedResource, Draft, Effect, OpKind, Phase, Subject, Warning};
use crate::config::Origin;
use crate::config::model::Unit;
use crate::facts::NodeKind;
use crate::facts::install::{self, EnableError, EnableLink, Enabling};
use crate::layout::PRESET_FILE;
use crate::paths::{clean, parent};
use std::collections::{BTreeMap, BTreeSet};

/// Drafts the links of every unit to enable, and warns about units that will not be enabled. `planned` is the tree
/// after all operations so far.
pub fn plan<'a>(draft: &mut Draft<'a>, planned: &mut PlannedTree<'a>) {
    let document = draft.document;
    let facts = &draft.observed.root.units;
    let units = document.config().systemd.units.iter().enumerate();
    let enabled: Vec<_> = units
        .filter(|(_, unit)| unit.enabled == Some(true))
        .collect();
    if enabled.is_empty() {
        return;
    }
    let disabled = units_disabled_along(draft);
    let is_disabling = draft.operations().iter().any(is_disabling);
    // Units whose links are settled: units that enable them by `Also=` need not plan them again.
    let mut settled = BTreeSet::new();
    for (index, unit) in enabled {
        let origin = draft.origin(&format!("$.systemd.units.{index}"));
        let disabled_by = disabled.get(&unit.name).map(String::as_str);
        let enabling = match disabled_by {
            Some(_) => install::enable(facts, &unit.name),
            None => install::enable_except(facts, &unit.name, &settled),
        };
        warn(draft, unit, &enabling, &origin);
        let desired = DesiredLinks {
            unit,
            enabling: &enabling,
            disabled_by,
            is_disabling,
            origin: &origin,
        };
        let is_settled = facts.is_first_boot || plan_links(draft, planned, &desired);
        if is_settled && enabling.problems.is_empty() {
            settled.extend(enabling.names);
        }
    }
}

/// A unit whose links have to be created.
struct DesiredLinks<'w> {
    unit: &'w Unit,
    enabling: &'w Enabling,
    /// The unit whose disabling removes its links as well.
    disabled_by: Option<&'w str>,
    /// Another unit is disabled before.
    is_disabling: bool,
    origin: &'w Option<Origin>,
}

/// Units whose links are removed by `systemctl disable` of another unit that names them in `Also=`; with the name of
/// that unit.
fn units_disabled_along(draft: &Draft<'_>) -> BTreeMap<String, String> {
    let files = &draft.observed.root.units.files;
    let mut disabled = BTreeMap::new();
    for operation in draft.operations() {
        let OpKind::DisableUnit(act) = &operation.kind else {
            continue;
        };
        let mut todo = vec![act.unit.clone()];
        let mut names = BTreeSet::new();
        while let Some(name) = todo.pop() {
            let also = install::also_enabled(files, &name).into_iter();
            let also = also.filter(|name| !disabled.contains_key(name));
            if !install::follow(&mut names, &mut todo, also) {
                break;
            }
        }
        disabled.extend(names.into_iter().map(|name| (name, act.unit.clone())));
    }
    disabled
}

/// Warns about the problems of a unit. A target without unit directories is incomplete, so a missing unit is not
/// reported.
fn warn(draft: &mut Draft<'_>, unit: &Unit, enabling: &Enabling, origin: &Option<Origin>) {
    let facts = &draft.observed.root.units;
    for problem in &enabling.problems {
        let is_sure = facts.has_systemd || !matches!(problem, EnableError::NotFound);
        // The preset line enables units whose settings are not known yet.
        let is_left_to_presets = facts.is_first_boot
            && matches!(
                problem,
                EnableError::Unknown { .. } | EnableError::Specifier { .. }
            );
        if is_sure && !is_left_to_presets {
            let effect = match problem {
                EnableError::TooMany => "not all of it can be enabled",
                _ => "enabling it has no effect",
            };
            draft.warn(Warning {
                what: format!("unit {}", unit.name),
                cause: format!("{effect}: {problem}"),
                origin: origin.clone(),
                hint: hint(problem).into(),
            });
        }
    }
}

fn hint(problem: &EnableError) -> &'static str {
    match problem {
        EnableError::NotFound => {
            "correct the name, add contents, or install the package that provides the unit; ignore this if a \
generator creates it later"
        }
        EnableError::BadName => {
            "give the unit another name, such as one that systemd-escape prints"
        }
        EnableError::Masked { .. } => "remove \"enabled\", or unmask the unit with \"mask\": false",
        EnableError::Linked { .. } => "enable the unit under the name of its own file",
        EnableError::Unknown { .. } => "give the unit as systemd.units with contents",
        EnableError::NoInstall => {
            "add [Install] with WantedBy= to the unit or to a drop-in, or remove \"enabled\" if something else \
starts it"
        }
        EnableError::TooMany => "correct Also=, which seems to name the unit again and again",
        EnableError::BadValue { .. } | EnableError::Specifier { .. } => {
            "correct the [Install] section, in a drop-in if the unit is not yours"
        }
    }
}

/// Drafts the links of a unit. Returns false if some of them cannot be created.
fn plan_links<'a>(
    draft: &mut Draft<'a>,
    planned: &mut PlannedTree<'a>,
    desired: &DesiredLinks<'_>,
) -> bool {
    let (unit, origin) = (desired.unit, desired.origin);
    let mut all_correct = !desired.enabling.links.is_empty();
    let mut all_made = true;
    for link in &desired.enabling.links {
        let Some(path) = planned.resolve_or_refuse(draft, &link.path, origin) else {
            return false;
        };
        match link_state(planned, &path, link) {
            LinkState::Correct if desired.disabled_by.is_none() || planned.is_made(&path) => {}
            LinkState::Occupied(what) => {
                all_correct = false;
                all_made = false;
                draft.warn(Warning {
                    what: format!("unit {}", unit.name),
                    cause: format!("it is not enabled as {}: {what} is there", link.path),
                    origin: origin.clone(),
                    hint: "remove what is there, or the setting of the [Install] section".into(),
                });
            }
            state => {
                all_correct = false;
                let differs = match (state, desired.disabled_by) {
                    (LinkState::Correct, Some(by)) => Some(format!("disabling {by} removes it")),
                    (LinkState::Other, _) => Some("leads to another file".to_owned()),
                    _ => None,
                };
                push(draft, planned, desired, (&path, link), differs);
                all_made &= planned.is_made(&path);
            }
        }
    }
    if all_correct {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Unit(unit.name.clone()),
            because: "enabled".into(),
        });
        let claims = Vec::new();
        draft.push(Phase::Units, Effect::Keep, kind, origin.clone(), claims);
    }
    all_made
}

/// What is at the path of a link.
#[derive(Debug, PartialEq, Eq)]
enum LinkState {
    Missing,
    Correct,
    /// A link that leads elsewhere, and may be replaced.
    Other,
    /// Something that systemctl would not replace.
    Occupied(String),
}

fn link_state(planned: &PlannedTree<'_>, path: &str, link: &EnableLink) -> LinkState {
    if planned.is_made(path) {
        // Another unit of the config needs the same link, or the config creates something of its own there.
        return LinkState::Correct;
    }
    match planned.node(path).map(|node| &node.kind) {
        None => LinkState::Missing,
        Some(NodeKind::Symlink { target }) if leads_to(path, target, &link.target) => {
            LinkState::Correct
        }
        Some(NodeKind::Symlink { .. }) if link.replaces => LinkState::Other,
        Some(NodeKind::Symlink { target }) => LinkState::Occupied(format!("a link to {target}")),
        Some(NodeKind::Directory { .. }) => LinkState::Occupied("a directory".into()),
        Some(NodeKind::File { .. } | NodeKind::Other) => LinkState::Occupied("a file".into()),
    }
}

/// Different link targets may be the same unit: `/lib` is `/usr/lib` on most systems.
fn leads_to(path: &str, target: &str, unit: &str) -> bool {
    let absolute = match target.starts_with('/') {
        true => clean(target),
        false => clean(&format!("{}/{target}", parent(path).unwrap_or("/"))),
    };
    let merged = |path: &str| match path.strip_prefix("/lib/") {
        Some(rest) => format!("/usr/lib/{rest}"),
        None => path.to_owned(),
    };
    merged(&absolute) == merged(unit)
}

fn push<'a>(
    draft: &mut Draft<'a>,
    planned: &mut PlannedTree<'a>,
    desired: &DesiredLinks<'_>,
    (path, link): (&str, &EnableLink),
    differs: Option<String>,
) {
    let origin = desired.origin;
    if !planned.make_parents(draft, Phase::Units, path, origin.as_ref()) {
        return;
    }
    let mut claims = planned.claims(path);
    let target = planned.resolve(&link.target).ok();
    claims.extend(
        target
            .filter(|target| planned.is_made(target))
            .map(|target| Claim::use_path(&target)),
    );
    // Disabling a unit also removes links of the units that it names.
    if let Ok(preset) = planned.resolve(PRESET_FILE)
        && desired.is_disabling
    {
        claims.push(Claim::new(
            Access::Release,
            ClaimedResource::Path(preset.into()),
        ));
    }
    let kind = OpKind::Symlink(SymlinkAct {
        path: path.into(),
        target: link.target.clone(),
        permissions: Permissions::KEEP,
        replace: differs.is_some(),
        differs: differs.clone().into_iter().collect(),
        unit: Some(desired.unit.name.clone()),
    });
    let effect = match differs {
        Some(_) => Effect::Change,
        None => Effect::Create,
    };
    planned.push(draft, Phase::Units, effect, kind, origin.clone(), claims);
}

fn is_disabling(operation: &super::Operation) -> bool {
    matches!(operation.kind, OpKind::DisableUnit(_))
}
