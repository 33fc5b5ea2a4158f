//! Owner and mode: wishes compared with what exists.

use super::op::{Owner, Permissions};
use super::{Claim, Draft, Refusal, Resource};
use crate::config::Origin;
use crate::config::model::NodeOwner;
use crate::facts::{AccountFacts, NodeFacts};
use std::collections::HashMap;

/// Mode of a new file that asks for none.
pub const FILE_MODE: u32 = 0o644;

/// Permission bits of the config; validation has seen to the range.
pub fn mode(wish: Option<i64>) -> Option<u32> {
    wish.and_then(|mode| u32::try_from(mode).ok())
        .map(|mode| mode & 0o7777)
}

/// An owner of the config: an id wins over a name, an empty name means nothing.
pub fn owner(wish: &NodeOwner) -> Owner {
    match (wish.id, wish.name.as_deref()) {
        (Some(id), _) => u32::try_from(id).map_or(Owner::Keep, Owner::Id),
        (None, None | Some("")) => Owner::Keep,
        (None, Some(name)) => Owner::Name(name.into()),
    }
}

/// What the names in a plan mean: known ids, and names whose id is settled only while it runs.
#[derive(Debug)]
pub struct Names<'a> {
    facts: &'a AccountFacts,
    users: HashMap<&'a str, Option<i64>>,
    groups: HashMap<&'a str, Option<i64>>,
}

/// Which of the two name spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// User names.
    User,
    /// Group names.
    Group,
}

impl Space {
    fn word(self) -> &'static str {
        match self {
            Space::User => "user",
            Space::Group => "group",
        }
    }
}

impl<'a> Names<'a> {
    /// Names of the target, and those the config makes or changes.
    pub fn of(draft: &Draft<'a>) -> Self {
        let passwd = &draft.document.config().passwd;
        let facts = &draft.observed.root.accounts;
        let users = passwd
            .users
            .iter()
            .filter(|user| user.should_exist != Some(false))
            .map(|user| (user.name.as_str(), user.uid));
        let groups = passwd
            .groups
            .iter()
            .filter(|group| group.should_exist != Some(false))
            .map(|group| (group.name.as_str(), group.gid));
        let own_groups = passwd.users.iter().filter(|user| {
            user.should_exist != Some(false)
                && user.no_user_group != Some(true)
                && user.primary_group.as_deref().unwrap_or_default().is_empty()
        });
        Names {
            facts,
            groups: own_groups
                .map(|user| (user.name.as_str(), None))
                .chain(groups)
                .collect(),
            users: users.collect(),
        }
    }

    /// The id a name has when the tree is written: the config's wish before the present one.
    fn id(&self, space: Space, name: &str) -> Option<u32> {
        let (planned, present) = match space {
            Space::User => (&self.users, self.facts.users.get(name).map(|user| user.uid)),
            Space::Group => (
                &self.groups,
                self.facts.groups.get(name).map(|group| group.gid),
            ),
        };
        let wished = planned.get(name).copied().flatten();
        wished.and_then(|id| u32::try_from(id).ok()).or(present)
    }

    /// True if the name means something when the tree is written. `root` always does: databases
    /// written from nothing begin with it.
    fn is_known(&self, space: Space, name: &str) -> bool {
        let planned = match space {
            Space::User => &self.users,
            Space::Group => &self.groups,
        };
        planned.contains_key(name)
            || self.id(space, name).is_some()
            || (name == "root" && !self.facts.has_databases)
    }
}

/// The permissions a new node gets below `above`, all spelt out: what `overwrite` would leave.
pub fn as_new(wish: Permissions, mode: u32, above: Option<&NodeFacts>) -> Permissions {
    let or = |owner, id| match owner {
        Owner::Keep => Owner::Id(id),
        other => other,
    };
    // New nodes in a directory with setgid get its group.
    let group = above
        .filter(|node| node.mode & 0o2000 != 0)
        .map_or(0, |node| node.gid);
    Permissions {
        user: or(wish.user, 0),
        group: or(wish.group, group),
        mode: wish.mode.or(Some(mode)),
    }
}

/// Refuses names that neither the target nor the config knows.
pub fn refuse_unknown(
    draft: &mut Draft<'_>,
    names: &Names<'_>,
    object: &str,
    wish: &Permissions,
    origin: Option<&Origin>,
) {
    for (space, owner) in [(Space::User, &wish.user), (Space::Group, &wish.group)] {
        let Owner::Name(name) = owner else { continue };
        if names.is_known(space, name) {
            continue;
        }
        let word = space.word();
        draft.refuse(Refusal {
            act: "cannot set the owner of".into(),
            object: object.into(),
            cause: format!("the target has no {word} {name:?} and the config makes none"),
            origin: origin.cloned(),
            remedy: format!("add the {word} to the config, or give its number as `id`"),
        });
    }
}

/// Claims that come with looking up names.
pub fn claims(wish: &Permissions) -> Option<Claim> {
    let by_name = |owner: &Owner| matches!(owner, Owner::Name(_));
    (by_name(&wish.user) || by_name(&wish.group))
        .then(|| Claim::new(super::Access::Use, Resource::Accounts))
}

/// What of `wish` the node does not have, in words; empty if all is right. [`Owner::Keep`] and no
/// mode accept whatever is there.
pub fn differences(names: &Names<'_>, wish: &Permissions, node: &NodeFacts) -> Vec<String> {
    if node.fixed_permissions {
        return Vec::new();
    }
    let owner = owner_difference(names, Space::User, &wish.user, node.uid);
    let group = owner_difference(names, Space::Group, &wish.group, node.gid);
    let mode = wish
        .mode
        .filter(|mode| *mode != node.mode)
        .map(|mode| format!("mode {:04o} -> {mode:04o}", node.mode));
    owner.into_iter().chain(group).chain(mode).collect()
}

fn owner_difference(names: &Names<'_>, space: Space, wish: &Owner, id: u32) -> Option<String> {
    let word = space.word();
    match wish {
        Owner::Keep => None,
        Owner::Id(wanted) => (*wanted != id).then(|| format!("{word} {id} -> {wanted}")),
        Owner::Name(name) => match names.id(space, name) {
            Some(wanted) if wanted == id => None,
            Some(wanted) => Some(format!("{word} {id} -> {name} ({wanted})")),
            None => Some(format!("{word} {id} -> {name}")),
        },
    }
}
/// What a node gets that takes the place of `node` and keeps what the config leaves open.
pub fn kept(wish: Permissions, node: &NodeFacts) -> Permissions {
    let or = |owner: Owner, id: u32| match owner {
        Owner::Keep => Owner::Id(id),
        asked => asked,
    };
    Permissions {
        user: or(wish.user, node.uid),
        group: or(wish.group, node.gid),
        mode: wish.mode.or(Some(node.mode)),
    }
}
