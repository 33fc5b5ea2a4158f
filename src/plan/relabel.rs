//! SELinux labels of what a first boot creates. No policy is loaded before the real root, so nothing is labelled at
//! creation; `setfiles` sets the labels afterwards by the policy of the target.

use super::op::*;
use super::paths::PlannedTree;
use super::{Access, Claim, ClaimedResource, Draft, Effect, ErrorCode, Failure, OpKind, Phase};
use crate::facts::root::SelinuxFacts;
use crate::paths::{ancestors, parent};
use std::collections::BTreeSet;

/// The program that sets labels.
pub const SETFILES: &str = "setfiles";

/// Files that the account tools write, with their backups and locks.
const ACCOUNT_FILES: [&str; 7] = [
    "/etc/passwd*",
    "/etc/group*",
    "/etc/shadow*",
    "/etc/gshadow*",
    "/etc/subuid*",
    "/etc/subgid*",
    "/etc/.pwd.lock",
];

/// Whether labels are set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Labels {
    /// The target needs no labels.
    #[default]
    Off,
    /// They have to be right before the real root starts.
    On,
}

/// Decides by the settings of the target, unless `requested` overrides them. A target without `/etc/selinux/config`, or
/// with `SELINUX=disabled` in it, needs no labels.
pub fn decide(facts: &SelinuxFacts, requested: Option<bool>) -> Labels {
    let is_needed = facts.has_config && !facts.is_disabled;
    match requested.unwrap_or(is_needed) {
        true => Labels::On,
        false => Labels::Off,
    }
}

fn is_on(draft: &Draft) -> bool {
    let first_boot = draft.options.first_boot.as_ref();
    first_boot.is_some_and(|first_boot| first_boot.labels == Labels::On)
}

/// Drafts the labelling of everything that the operations so far create.
pub fn plan(draft: &mut Draft<'_>) {
    if !is_on(draft) {
        return;
    }
    let mut paths: BTreeSet<String> = created_paths(draft);
    paths.extend(account_paths(draft));
    if paths.is_empty() {
        return;
    }
    let claims = vec![Claim::new(
        Access::Release,
        ClaimedResource::Mount("/".into()),
    )];
    push(draft, paths.into_iter().collect(), claims, false);
}

/// Drafts the labelling of the directories that were missing on the way to a mount point: once something is mounted
/// there, they cannot be reached.
pub fn before_mounting(draft: &mut Draft<'_>, point: &str) {
    let missing = topmost_missing(draft, point).filter(|_| is_on(draft));
    if let Some(path) = missing {
        let claims = vec![Claim::new(
            Access::Make,
            ClaimedResource::Mount(point.into()),
        )];
        push(draft, vec![path], claims, false);
    }
}

/// Drafts the labelling of the root of a mounted file system, if that is new.
pub fn mounted_root(draft: &mut Draft<'_>, point: &str) {
    if is_on(draft) {
        let claims = vec![Claim::new(
            Access::Make,
            ClaimedResource::Mount(point.into()),
        )];
        push(draft, vec![point.to_owned()], claims, true);
    }
}

fn push(draft: &mut Draft<'_>, paths: Vec<String>, claims: Vec<Claim>, only_if_empty: bool) {
    let facts = &draft.observed.root.selinux;
    let Some(file_contexts) = facts.file_contexts.clone() else {
        let cause = match &facts.policy {
            Some(policy) => format!("policy {policy:?} has no file_contexts in the target"),
            None => "/etc/selinux/config of the target names no policy (SELINUXTYPE)".into(),
        };
        return refuse(
            draft,
            cause,
            "repair SELinux in the image, or set IGNITION_SELINUX_RELABEL=false",
        );
    };
    if !draft.observed.tools.contains(SETFILES) {
        let cause =
            format!("SELinux is on in the target, but there is no program {SETFILES} on PATH");
        return refuse(
            draft,
            cause,
            "add setfiles (package policycoreutils) to the initramfs",
        );
    }
    let kind = OpKind::Relabel(RelabelAct {
        paths,
        file_contexts,
        only_if_empty,
    });
    draft.push(Phase::Labels, Effect::Step, kind, None, claims);
}

/// Refuses once, however many paths there are to label.
fn refuse(draft: &mut Draft<'_>, cause: String, remedy: &str) {
    let refusal = Failure {
        act: "set".into(),
        object: "SELinux labels".into(),
        cause,
        origin: None,
        remedy: remedy.into(),
        code: Some(ErrorCode::LABELS),
    };
    if !draft.refusals().contains(&refusal) {
        draft.refuse(refusal);
    }
}

/// Topmost missing component of every path that is created. What replaces something is labelled itself.
fn created_paths(draft: &Draft<'_>) -> BTreeSet<String> {
    let claims = draft
        .operations()
        .iter()
        .flat_map(|operation| &operation.claims);
    let made = claims.filter_map(|claim| match (&claim.resource, claim.access) {
        (ClaimedResource::Path(path), Access::Make) => Some(path),
        _ => None,
    });
    made.map(|path| topmost_missing(draft, path).unwrap_or_else(|| (**path).to_owned()))
        .collect()
}

/// The topmost component of a resolved path that did not exist at first.
fn topmost_missing(draft: &Draft<'_>, path: &str) -> Option<String> {
    let nodes = &draft.observed.root.nodes;
    let all = std::iter::once(path).chain(ancestors(path));
    all.take_while(|at| *at != "/" && !nodes.contains_key(*at))
        .last()
        .map(str::to_owned)
}

/// Databases and homes, if the config has anything to do with accounts.
fn account_paths(draft: &Draft<'_>) -> Vec<String> {
    let config = draft.document.config();
    if config.passwd.users.is_empty() && config.passwd.groups.is_empty() {
        return Vec::new();
    }
    let planned = PlannedTree::of(draft);
    let facts = &draft.observed.root.accounts;
    let users = config.passwd.users.iter();
    let users = users.filter(|u| u.should_exist != Some(false) && u.no_create_home != Some(true));
    let homes = users.filter_map(|user| {
        let home = facts.home_of(user);
        // A home may itself be a link, such as /root on systems that keep it in /var.
        let below = planned.resolve(&format!("{home}/x")).ok()?;
        parent(&below).map(str::to_owned)
    });
    let files = ACCOUNT_FILES.iter().map(|file| (*file).to_owned());
    files.chain(homes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_decides_unless_overruled() {
        let facts = |has_config, is_disabled| SelinuxFacts {
            has_config,
            is_disabled,
            ..SelinuxFacts::default()
        };
        let cases = [
            (false, false, None, Labels::Off),
            (true, true, None, Labels::Off),
            (true, false, None, Labels::On),
            (true, false, Some(false), Labels::Off),
            (false, false, Some(true), Labels::On),
            (true, true, Some(true), Labels::On),
        ];
        for (has_config, is_disabled, requested, want) in cases {
            let got = decide(&facts(has_config, is_disabled), requested);
            assert_eq!(got, want, "{has_config} {is_disabled} {requested:?}");
        }
    }
}
