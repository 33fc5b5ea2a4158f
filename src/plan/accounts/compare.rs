//! Differences between a requested account and the existing one.

use super::{id, non_empty};
use crate::accounts::{Databases, Group, GroupRequest, NO_PASSWORD, User, UserRequest};
use crate::config::model::{PasswdGroup, PasswdUser};
use std::collections::BTreeSet;

/// The hash of a requested password.
pub(super) fn hash(desired: &str) -> String {
    if desired.is_empty() {
        NO_PASSWORD
    } else {
        desired
    }
    .to_owned()
}

/// Puts the fields that differ into `request` and names them.
pub(super) fn compare_group(
    desired: &PasswdGroup,
    present: &Group,
    request: &mut GroupRequest,
) -> Vec<String> {
    let mut differs = Vec::new();
    if let Some(gid) = id(desired.gid).filter(|gid| *gid != present.gid) {
        differs.push(format!("gid {} -> {gid}", present.gid));
        request.gid = Some(gid);
    }
    if let Some(hash) = non_empty(&desired.password_hash)
        && present.password_hash.as_ref() != Some(&hash)
    {
        differs.push("password".into());
        request.password_hash = Some(hash);
    }
    differs
}

/// Puts the fields that differ into `request` and names them.
pub(super) fn compare_user(
    desired: &PasswdUser,
    present: &User,
    databases: &Databases,
    request: &mut UserRequest,
) -> Vec<String> {
    let mut differs = Vec::new();
    if let Some(uid) = id(desired.uid).filter(|uid| *uid != present.uid) {
        differs.push(format!("uid {} -> {uid}", present.uid));
        request.uid = Some(uid);
    }
    let mut text = |name: &str, desired: &Option<String>, present: &str| {
        let desired = non_empty(desired).filter(|desired| desired != present)?;
        differs.push(format!("{name} {present:?} -> {desired:?}"));
        Some(desired)
    };
    request.gecos = text("comment", &desired.gecos, &present.gecos);
    request.home = text("home", &desired.home_dir, &present.home);
    request.shell = text("shell", &desired.shell, &present.shell);
    let primary = non_empty(&desired.primary_group);
    if let Some(group) = primary.filter(|group| !is_group(group, present.gid, databases)) {
        differs.push(format!("primary group {} -> {group}", present.gid));
        request.primary_group = Some(group);
    }
    if !desired.groups.is_empty() && !has_groups(desired, databases) {
        differs.push(format!("groups -> {}", desired.groups.join(",")));
        request.groups.clone_from(&desired.groups);
    }
    if let Some(hash) = desired.password_hash.as_deref().map(hash)
        && present.password_hash.as_ref() != Some(&hash)
    {
        differs.push("password".into());
        request.password_hash = Some(hash);
    }
    differs
}

fn is_group(name: &str, gid: u32, databases: &Databases) -> bool {
    // A primary group may be a gid without an entry.
    name.parse() == Ok(gid) || databases.named_group(name).is_some_and(|(_, id)| id == gid)
}

/// True if the supplementary groups are exactly the requested ones, given by name or gid.
fn has_groups(desired: &PasswdUser, databases: &Databases) -> bool {
    let named = |group: &String| databases.named_group(group).map(|(name, _)| name);
    let wanted: Option<BTreeSet<&str>> = desired.groups.iter().map(named).collect();
    let present: BTreeSet<&str> = databases.groups_of(&desired.name).into_iter().collect();
    wanted.is_some_and(|wanted| wanted == present)
}
