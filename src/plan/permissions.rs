//! Owner and mode: wishes compared with what exists.

use super::op::{Owner, Permissions};
use super::{Claim, ClaimedResource, Draft, ErrorCode, Failure};
use crate::accounts::Space;
use crate::config::Origin;
use crate::config::model::NodeOwner;
use crate::facts::NodeFacts;
use crate::facts::privileges::Ids;
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

/// What the names in a plan mean when the tree is written.
#[derive(Debug)]
pub struct OwnerNames {
    users: HashMap<String, Option<u32>>,
    groups: HashMap<String, Option<u32>>,
    /// User and group of nodes that this process makes.
    maker: (u32, u32),
}

impl OwnerNames {
    /// Names of the target after the operations drafted so far.
    pub fn of(draft: &Draft<'_>) -> Self {
        OwnerNames {
            users: draft.accounts.names(Space::User),
            groups: draft.accounts.names(Space::Group),
            maker: maker(draft),
        }
    }

    fn look(&self, space: Space, name: &str) -> Option<Option<u32>> {
        let names = match space {
            Space::User => &self.users,
            Space::Group => &self.groups,
        };
        // `root` has its number without any database.
        let root = (name == "root").then_some(Some(0));
        names.get(name).copied().or(root)
    }

    /// The number of a name; `None` if there is none, or its account has been refused.
    pub fn id(&self, space: Space, name: &str) -> Option<u32> {
        self.look(space, name).flatten()
    }

    /// True if the name means something, or would if its account had not been refused already.
    fn is_known(&self, space: Space, name: &str) -> bool {
        self.look(space, name).is_some()
    }
}

/// User and group of what this process makes: root's, unless it may give nodes to nobody else.
fn maker(draft: &Draft<'_>) -> (u32, u32) {
    let own = |ids: &Ids| match ids {
        Ids::Own(ids) => ids.first().copied().unwrap_or(0),
        Ids::All | Ids::Mapped(_) => 0,
    };
    let privileges = draft.observed.privileges.as_ref();
    privileges.map_or((0, 0), |p| (own(&p.users), own(&p.groups)))
}

/// The permissions a new node gets below `above`, all spelt out: what `overwrite` would leave.
pub fn as_new(
    names: &OwnerNames,
    wish: Permissions,
    mode: u32,
    above: Option<&NodeFacts>,
) -> Permissions {
    let (user, own_group) = names.maker;
    let or = |owner, id| match owner {
        Owner::Keep => Owner::Id(id),
        other => other,
    };
    // New nodes in a directory with setgid get its group.
    let group = above
        .filter(|node| node.mode & 0o2000 != 0)
        .map_or(own_group, |node| node.gid);
    Permissions {
        user: or(wish.user, user),
        group: or(wish.group, group),
        mode: wish.mode.or(Some(mode)),
    }
}

/// Refuses names that neither the target nor the config knows.
pub fn refuse_unknown(
    draft: &mut Draft<'_>,
    names: &OwnerNames,
    object: impl Fn() -> String,
    wish: &Permissions,
    origin: impl Fn(&Draft<'_>) -> Option<Origin>,
) {
    for (space, owner) in [(Space::User, &wish.user), (Space::Group, &wish.group)] {
        let Owner::Name(name) = owner else { continue };
        if names.is_known(space, name) {
            continue;
        }
        let word = space;
        let origin = origin(draft);
        draft.refuse(Failure {
            act: "set the owner of".into(),
            object: object(),
            cause: format!("the target has no {word} {name:?} and the config makes none"),
            origin,
            remedy: format!("add the {word} to the config, or give its number as `id`"),
            code: Some(ErrorCode::PERMISSIONS),
        });
    }
}

/// Claims that come with looking up names.
pub fn claims(wish: &Permissions) -> Option<Claim> {
    let by_name = |owner: &Owner| matches!(owner, Owner::Name(_));
    (by_name(&wish.user) || by_name(&wish.group))
        .then(|| Claim::new(super::Access::Use, ClaimedResource::Accounts))
}

/// What of `wish` the node does not have, in words; empty if all is right. [`Owner::Keep`] and no
/// mode accept whatever is there.
pub fn differences(names: &OwnerNames, wish: &Permissions, node: &NodeFacts) -> Vec<String> {
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

fn owner_difference(names: &OwnerNames, space: Space, wish: &Owner, id: u32) -> Option<String> {
    let word = space;
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
