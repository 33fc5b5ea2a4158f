//! Enables units by the links that `systemctl enable` makes.
//!
//! Presets only count when systemd boots the target for the first time. Where it will not, because the target has
//! a machine id, the preset line of a unit alone has no effect.

use super::op::{AlreadyRight, Owner, Permissions, SymlinkAct};
use super::paths::PlannedTree;
use super::{Access, Claim, ClaimedResource, Draft, Effect, OpKind, Phase, Subject, Warning};
use crate::config::Origin;
use crate::config::model::Unit;
use crate::facts::NodeKind;
use crate::facts::install::{self, EnableError, EnableLink, Enabling};
use crate::layout::PRESET_FILE;
use crate::paths::{clean, parent};
use std::collections::{BTreeMap, BTreeSet};

/// Drafts the links of every unit to enable, and warns of units that will not be enabled. `planned` is the tree as all
/// operations so far leave it.
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
    let taken = taken_along(draft);
    let is_disabling = draft.operations().iter().any(is_disabling);
    // Units whose links are right when it is their turn: what takes them along need not look again.
    let mut settled = BTreeSet::new();
    for (index, unit) in enabled {
        let origin = draft.origin(&format!("$.systemd.units.{index}"));
        let taken_along_by = taken.get(&unit.name).map(String::as_str);
        let enabling = match taken_along_by {
            Some(_) => install::enable(facts, &unit.name),
            None => install::enable_besides(facts, &unit.name, &settled),
        };
        warn(draft, unit, &enabling, &origin);
        let wish = LinkWish {
            unit,
            enabling: &enabling,
            taken_along_by,
            is_disabling,
            origin: &origin,
        };
        let is_settled = facts.is_first_boot || links(draft, planned, &wish);
        if is_settled && enabling.problems.is_empty() {
            settled.extend(enabling.names);
        }
    }
}

/// A unit whose links are to be made.
struct LinkWish<'w> {
    unit: &'w Unit,
    enabling: &'w Enabling,
    /// The unit that takes it along when it is disabled.
    taken_along_by: Option<&'w str>,
    /// Some unit is disabled before.
    is_disabling: bool,
    origin: &'w Option<Origin>,
}

/// Units whose links `systemctl disable` of another one removes, since `Also=` names them; with that one.
fn taken_along(draft: &Draft<'_>) -> BTreeMap<String, String> {
    let files = &draft.observed.root.units.files;
    let mut taken = BTreeMap::new();
    for operation in draft.operations() {
        let OpKind::DisableUnit(act) = &operation.kind else {
            continue;
        };
        let mut todo = vec![act.unit.clone()];
        let mut names = BTreeSet::new();
        while let Some(name) = todo.pop() {
            let also = install::also(files, &name).into_iter();
            let also = also.filter(|name| !taken.contains_key(name));
            if !install::follow(&mut names, &mut todo, also) {
                break;
            }
        }
        taken.extend(names.into_iter().map(|name| (name, act.unit.clone())));
    }
    taken
}

/// A target without any directory of units is not complete: nothing can be said about it.
fn warn(draft: &mut Draft<'_>, unit: &Unit, enabling: &Enabling, origin: &Option<Origin>) {
    let facts = &draft.observed.root.units;
    for problem in &enabling.problems {
        let is_sure = facts.has_systemd || !matches!(problem, EnableError::Nowhere);
        // The preset line enables what cannot be judged yet.
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
        EnableError::Nowhere => {
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

/// Drafts the links of a unit. False if some of them cannot be made.
fn links<'a>(draft: &mut Draft<'a>, planned: &mut PlannedTree<'a>, wish: &LinkWish<'_>) -> bool {
    let (unit, origin) = (wish.unit, wish.origin);
    let mut all_right = !wish.enabling.links.is_empty();
    let mut all_made = true;
    for link in &wish.enabling.links {
        let Some(path) = planned.resolve_or_refuse(draft, &link.path, origin) else {
            return false;
        };
        match judge(planned, &path, link) {
            LinkState::Right if wish.taken_along_by.is_none() || planned.is_made(&path) => {}
            LinkState::Occupied(what) => {
                all_right = false;
                all_made = false;
                draft.warn(Warning {
                    what: format!("unit {}", unit.name),
                    cause: format!("it is not enabled as {}: {what} is there", link.path),
                    origin: origin.clone(),
                    hint: "remove what is there, or the setting of the [Install] section".into(),
                });
            }
            judgement => {
                all_right = false;
                let differs = match (judgement, wish.taken_along_by) {
                    (LinkState::Right, Some(by)) => Some(format!("disabling {by} removes it")),
                    (LinkState::Other, _) => Some("leads to another file".to_owned()),
                    _ => None,
                };
                push(draft, planned, wish, (&path, link), differs);
                all_made &= planned.is_made(&path);
            }
        }
    }
    if all_right {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Unit(unit.name.clone()),
            because: "enabled".into(),
        });
        let claims = Vec::new();
        draft.push(Phase::Units, Effect::Keep, kind, origin.clone(), claims);
    }
    all_made
}

/// What is at the place of a link.
#[derive(Debug, PartialEq, Eq)]
enum LinkState {
    Missing,
    Right,
    /// A link that leads elsewhere, and may be replaced.
    Other,
    /// Something that systemctl would not replace.
    Occupied(String),
}

fn judge(planned: &PlannedTree<'_>, path: &str, link: &EnableLink) -> LinkState {
    if planned.is_made(path) {
        // Another unit of the config needs the same link, or the config makes something of its own there.
        return LinkState::Right;
    }
    match planned.node(path).map(|node| &node.kind) {
        None => LinkState::Missing,
        Some(NodeKind::Symlink { target }) if leads_to(path, target, &link.target) => {
            LinkState::Right
        }
        Some(NodeKind::Symlink { .. }) if link.replaces => LinkState::Other,
        Some(NodeKind::Symlink { target }) => LinkState::Occupied(format!("a link to {target}")),
        Some(NodeKind::Directory { .. }) => LinkState::Occupied("a directory".into()),
        Some(NodeKind::File { .. } | NodeKind::Other) => LinkState::Occupied("a file".into()),
    }
}

/// Two texts of links may lead to the same unit: `/lib` is `/usr/lib` on most systems.
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
    wish: &LinkWish<'_>,
    (path, link): (&str, &EnableLink),
    differs: Option<String>,
) {
    let origin = wish.origin;
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
        && wish.is_disabling
    {
        claims.push(Claim::new(
            Access::Release,
            ClaimedResource::Path(preset.into()),
        ));
    }
    let kind = OpKind::Symlink(SymlinkAct {
        path: path.into(),
        target: link.target.clone(),
        permissions: Permissions {
            user: Owner::Keep,
            group: Owner::Keep,
            mode: None,
        },
        replace: differs.is_some(),
        differs: differs.clone().into_iter().collect(),
        unit: Some(wish.unit.name.clone()),
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
