//! Owner and mode: what is requested, compared with what exists.

use super::op::{Owner, Permissions};
use super::{Claim, Draft, ErrorCode, Failure};
use crate::accounts::AccountKind;
use crate::config::Origin;
use crate::config::model::NodeOwner;
use crate::facts::NodeFacts;
use crate::facts::privileges::Ids;
use std::collections::HashMap;

/// Mode of a new file if none is requested.
pub const FILE_MODE: u32 = 0o644;

/// Permission bits of the config; validation has checked the range.
pub fn mode(desired: Option<i64>) -> Option<u32> {
    desired
        .and_then(|mode| u32::try_from(mode).ok())
        .map(|mode| mode & 0o7777)
}

/// An owner of the config: an id takes precedence over a name, an empty name counts as none.
pub fn owner(desired: &NodeOwner) -> Owner {
    match (desired.id, desired.name.as_deref()) {
        (Some(id), _) => u32::try_from(id).map_or(Owner::Keep, Owner::Id),
        (None, None | Some("")) => Owner::Keep,
        (None, Some(name)) => Owner::Name(name.into()),
    }
}

/// The ids of names in a plan when the tree is written.
#[derive(Debug)]
pub struct OwnerNames {
    users: HashMap<String, Option<u32>>,
    groups: HashMap<String, Option<u32>>,
    /// User and group of nodes that this process creates.
    creator: (u32, u32),
}

impl OwnerNames {
    /// Names of the target after the operations drafted so far.
    pub fn of(draft: &Draft<'_>) -> Self {
        OwnerNames {
            users: draft.accounts.names(AccountKind::User),
            groups: draft.accounts.names(AccountKind::Group),
            creator: creator(draft),
        }
    }

    fn lookup(&self, kind: AccountKind, name: &str) -> Option<Option<u32>> {
        let names = match kind {
            AccountKind::User => &self.users,
            AccountKind::Group => &self.groups,
        };
        // `root` has its id without any database.
        let root = (name == "root").then_some(Some(0));
        names.get(name).copied().or(root)
    }

    /// The id of a name; `None` if there is none, or its account has been refused.
    pub fn id(&self, kind: AccountKind, name: &str) -> Option<u32> {
        self.lookup(kind, name).flatten()
    }

    /// True if the name is known, or would be if its account had not been refused.
    fn is_known(&self, kind: AccountKind, name: &str) -> bool {
        self.lookup(kind, name).is_some()
    }
}

/// User and group of nodes that this process creates: root's, unless it may not change owners.
fn creator(draft: &Draft<'_>) -> (u32, u32) {
    let own = |ids: &Ids| match ids {
        Ids::Own(ids) => ids.first().copied().unwrap_or(0),
        Ids::All | Ids::Mapped(_) => 0,
    };
    let privileges = draft.observed.privileges.as_ref();
    privileges.map_or((0, 0), |p| (own(&p.users), own(&p.groups)))
}

/// The permissions that a new node gets below `above`, with all values explicit: what `overwrite` would result in.
pub fn of_new_node(
    names: &OwnerNames,
    desired: Permissions,
    mode: u32,
    above: Option<&NodeFacts>,
) -> Permissions {
    let (user, own_group) = names.creator;
    let or = |owner, id| match owner {
        Owner::Keep => Owner::Id(id),
        other => other,
    };
    // New nodes in a directory with setgid get its group.
    let group = above
        .filter(|node| node.mode & 0o2000 != 0)
        .map_or(own_group, |node| node.gid);
    Permissions {
        user: or(desired.user, user),
        group: or(desired.group, group),
        mode: desired.mode.or(Some(mode)),
    }
}

/// Refuses names that neither the target nor the config knows.
pub fn refuse_unknown(
    draft: &mut Draft<'_>,
    names: &OwnerNames,
    object: impl Fn() -> String,
    desired: &Permissions,
    origin: impl Fn(&Draft<'_>) -> Option<Origin>,
) {
    for (kind, owner) in [
        (AccountKind::User, &desired.user),
        (AccountKind::Group, &desired.group),
    ] {
        let Owner::Name(name) = owner else { continue };
        if names.is_known(kind, name) {
            continue;
        }
        let origin = origin(draft);
        draft.refuse(Failure {
            act: "set the owner of".into(),
            object: object(),
            cause: format!("the target has no {kind} {name:?} and the config does not create it"),
            origin,
            remedy: format!("add the {kind} to the config, or give its number as `id`"),
            code: Some(ErrorCode::PERMISSIONS),
        });
    }
}

/// The claim for looking up names.
pub fn claims(desired: &Permissions) -> Option<Claim> {
    let by_name = |owner: &Owner| matches!(owner, Owner::Name(_));
    (by_name(&desired.user) || by_name(&desired.group)).then(Claim::use_accounts)
}

/// Describes what of `desired` the node does not have; empty if it has all. [`Owner::Keep`] and no mode accept any
/// value.
pub fn differences(names: &OwnerNames, desired: &Permissions, node: &NodeFacts) -> Vec<String> {
    if node.fixed_permissions {
        return Vec::new();
    }
    let owner = owner_difference(names, AccountKind::User, &desired.user, node.uid);
    let group = owner_difference(names, AccountKind::Group, &desired.group, node.gid);
    let mode = desired
        .mode
        .filter(|mode| *mode != node.mode)
        .map(|mode| format!("mode {:04o} -> {mode:04o}", node.mode));
    owner.into_iter().chain(group).chain(mode).collect()
}

fn owner_difference(
    names: &OwnerNames,
    kind: AccountKind,
    desired: &Owner,
    id: u32,
) -> Option<String> {
    match desired {
        Owner::Keep => None,
        Owner::Id(wanted) => (*wanted != id).then(|| format!("{kind} {id} -> {wanted}")),
        Owner::Name(name) => match names.id(kind, name) {
            Some(wanted) if wanted == id => None,
            Some(wanted) => Some(format!("{kind} {id} -> {name} ({wanted})")),
            None => Some(format!("{kind} {id} -> {name}")),
        },
    }
}
/// The permissions of a node that replaces `node` and keeps what the config leaves open.
pub fn of_replacement(desired: Permissions, node: &NodeFacts) -> Permissions {
    let or = |owner: Owner, id: u32| match owner {
        Owner::Keep => Owner::Id(id),
        other => other,
    };
    Permissions {
        user: or(desired.user, node.uid),
        group: or(desired.group, node.gid),
        mode: desired.mode.or(Some(node.mode)),
    }
}
