//! Refuses ids that no user, group or file can have. Validation accepts them, as Ignition's does; with Ignition,
//! useradd fails later, and chown(2) takes the lower 32 bits.

use super::{Draft, ErrorCode, Failure};
use crate::config::model::{Config, NodeOwner};

/// The highest id: the one above it means "leave the owner alone" to the kernel.
const MAX_ID: i64 = u32::MAX as i64 - 1;
/// The id that leaves the owner of a file alone.
const KEEP_OWNER: i64 = -1;

/// Refuses every such id in the sections that create accounts and nodes.
pub(super) fn refuse(draft: &mut Draft<'_>) {
    let config = draft.document.config();
    for (act, object, id, path) in account_ids(config).chain(node_ids(config)) {
        if (0..=MAX_ID).contains(&id) {
            continue;
        }
        let origin = draft.origin(&path);
        draft.refuse(Failure {
            act: act.into(),
            object: object.into(),
            cause: format!("{id} is not an id"),
            origin,
            remedy: format!("give a number from 0 to {MAX_ID}"),
            code: Some(ErrorCode::ACCOUNT),
        });
    }
}

/// An action, its object, the id, and the place of the id in the config.
type RequestedId<'a> = (&'static str, &'a str, i64, String);

fn account_ids(config: &Config) -> impl Iterator<Item = RequestedId<'_>> {
    let groups = config.passwd.groups.iter().enumerate();
    let groups = groups.filter(|(_, group)| group.should_exist != Some(false));
    let groups = groups.filter_map(|(index, group)| {
        let path = format!("$.passwd.groups.{index}.gid");
        Some(("create group", &*group.name, group.gid?, path))
    });
    let users = config.passwd.users.iter().enumerate();
    let users = users.filter(|(_, user)| user.should_exist != Some(false));
    let users = users.filter_map(|(index, user)| {
        let path = format!("$.passwd.users.{index}.uid");
        Some(("create user", &*user.name, user.uid?, path))
    });
    groups.chain(users)
}

fn node_ids(config: &Config) -> impl Iterator<Item = RequestedId<'_>> {
    let storage = &config.storage;
    let files = storage.files.iter().enumerate();
    let files = files.map(|(n, node)| ("files", n, &*node.path, &node.user, &node.group));
    let directories = storage.directories.iter().enumerate();
    let directories =
        directories.map(|(n, node)| ("directories", n, &*node.path, &node.user, &node.group));
    let links = storage.links.iter().enumerate();
    let links = links.map(|(n, node)| ("links", n, &*node.path, &node.user, &node.group));
    let nodes = files.chain(directories).chain(links);
    nodes.flat_map(|(list, n, node, user, group)| {
        let owners: [(&str, &NodeOwner); 2] = [("user", user), ("group", group)];
        owners.into_iter().filter_map(move |(member, owner)| {
            let id = owner.id.filter(|id| *id != KEEP_OWNER)?;
            let path = format!("$.storage.{list}.{n}.{member}.id");
            Some(("set the owner of", node, id, path))
        })
    })
}
