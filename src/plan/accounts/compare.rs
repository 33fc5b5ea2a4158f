//! What differs between a wish and an account that exists.

use super::{id, non_empty};
use crate::accounts::{Databases, Group, GroupRequest, NO_PASSWORD, User, UserRequest};
use crate::config::model::{PasswdGroup, PasswdUser};
use std::collections::BTreeSet;

/// The hash that a wish stands for.
pub(super) fn hash(wish: &str) -> String {
    if wish.is_empty() { NO_PASSWORD } else { wish }.to_owned()
}

/// Puts the fields that differ into `request` and names them.
pub(super) fn compare_group(
    wish: &PasswdGroup,
    present: &Group,
    request: &mut GroupRequest,
) -> Vec<String> {
    let mut differs = Vec::new();
    if let Some(gid) = id(wish.gid).filter(|gid| *gid != present.gid) {
        differs.push(format!("gid {} -> {gid}", present.gid));
        request.gid = Some(gid);
    }
    if let Some(hash) = non_empty(&wish.password_hash)
        && present.password_hash.as_ref() != Some(&hash)
    {
        differs.push("password".into());
        request.password_hash = Some(hash);
    }
    differs
}

/// Puts the fields that differ into `request` and names them.
pub(super) fn compare_user(
    wish: &PasswdUser,
    present: &User,
    databases: &Databases,
    request: &mut UserRequest,
) -> Vec<String> {
    let mut differs = Vec::new();
    if let Some(uid) = id(wish.uid).filter(|uid| *uid != present.uid) {
        differs.push(format!("uid {} -> {uid}", present.uid));
        request.uid = Some(uid);
    }
    let mut text = |name: &str, wish: &Option<String>, present: &str| {
        let wish = non_empty(wish).filter(|wish| wish != present)?;
        differs.push(format!("{name} {present:?} -> {wish:?}"));
        Some(wish)
    };
    request.gecos = text("comment", &wish.gecos, &present.gecos);
    request.home = text("home", &wish.home_dir, &present.home);
    request.shell = text("shell", &wish.shell, &present.shell);
    let primary = non_empty(&wish.primary_group);
    if let Some(group) = primary.filter(|group| !is_group(group, present.gid, databases)) {
        differs.push(format!("primary group {} -> {group}", present.gid));
        request.primary_group = Some(group);
    }
    if !wish.groups.is_empty() && !has_groups(wish, databases) {
        differs.push(format!("groups -> {}", wish.groups.join(",")));
        request.groups.clone_from(&wish.groups);
    }
    if let Some(hash) = wish.password_hash.as_deref().map(hash)
        && present.password_hash.as_ref() != Some(&hash)
    {
        differs.push("password".into());
        request.password_hash = Some(hash);
    }
    differs
}

fn is_group(name: &str, gid: u32, databases: &Databases) -> bool {
    // A primary group may have a number and no entry.
    name.parse() == Ok(gid) || databases.named_group(name).is_some_and(|(_, id)| id == gid)
}

/// True if the supplementary groups are exactly the wanted ones, names and numbers alike.
fn has_groups(wish: &PasswdUser, databases: &Databases) -> bool {
    let named = |group: &String| databases.named_group(group).map(|(name, _)| name);
    let wanted: Option<BTreeSet<&str>> = wish.groups.iter().map(named).collect();
    let present: BTreeSet<&str> = databases.groups_of(&wish.name).into_iter().collect();
    wanted.is_some_and(|wanted| wanted == present)
}
