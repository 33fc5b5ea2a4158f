//! Users and groups.

use super::fields::{Fields, unique};
use super::step::{FirstOffsets, OldTranslation};
use super::version::OldVersion;
use crate::language::node::{Node, NodeContent};
use std::collections::HashMap;

/// Members that version 2.1 moved from `create` to the user.
const TEXTS: [&str; 4] = ["gecos", "homeDir", "primaryGroup", "shell"];
const FLAGS: [&str; 4] = ["noCreateHome", "noUserGroup", "noLogInit", "system"];

/// Checks and translates the users; entries with the same name become one.
pub(super) fn users<'t>(step: &mut OldTranslation<'_>, passwd: &Node<'t>) -> Vec<Node<'t>> {
    let mut users: Vec<Node<'t>> = Vec::new();
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for user in passwd.items("users") {
        check(step, user);
        let translated = translate_user(step, user);
        let name = user.text_of("name");
        let index = *index_of.entry(name).or_insert(users.len());
        match users.get_mut(index) {
            None => users.push(translated),
            Some(earlier) => {
                let message = format!("duplicate user {name}; the entries are merged");
                step.warn_of_merge(user.at, earlier.at, message, "merge the entries");
                merge_entries(earlier, translated);
            }
        }
    }
    users
}

fn check(step: &mut OldTranslation<'_>, user: &Node<'_>) {
    let Some(create) = user
        .get("create")
        .filter(|_| step.is_since(user, OldVersion::V2_1))
    else {
        return;
    };
    let is_described = user.get("uid").is_some()
        || TEXTS.iter().any(|key| !user.text_of(key).is_empty())
        || FLAGS.iter().any(|key| user.is_true(key))
        || !user.items("groups").is_empty();
    if is_described {
        let message = "`create` and members of the user that replace it exclude each other";
        step.error_with_help(create.at, message, "move what is in `create` up");
    } else {
        let help = "move what is in it up, and leave `create` out";
        step.warn(create.at, "`create` is deprecated", help);
    }
}

fn translate_user<'t>(step: &OldTranslation<'_>, user: &Node<'t>) -> Node<'t> {
    let mut out = Node::mapping(user.at);
    out.copy_or_empty(user, "name");
    match step.is_since(user, OldVersion::V2_1) {
        true => out.copy(user, "passwordHash"),
        false => out.copy_text(user, "passwordHash"),
    }
    let keys = unique(user.items("sshAuthorizedKeys"));
    out.set_list("sshAuthorizedKeys", user.at_of("sshAuthorizedKeys"), keys);
    let account = user.get("create").unwrap_or(user);
    out.copy(account, "uid");
    for key in TEXTS {
        out.copy_text(account, key);
    }
    for key in FLAGS {
        out.copy_flag_if_true(account, key);
    }
    let groups = unique(account.items("groups"));
    out.set_list("groups", account.at_of("groups"), groups);
    out
}

/// Merges a later entry into an earlier one, whose members it replaces.
fn merge_entries<'t>(earlier: &mut Node<'t>, later: Node<'t>) {
    if let (NodeContent::Mapping(old), NodeContent::Mapping(new)) =
        (&mut earlier.value, later.value)
    {
        for entry in new {
            match old.iter_mut().find(|e| e.key == entry.key) {
                Some(e) => *e = entry,
                None => old.push(entry),
            }
        }
    }
}

/// Checks and translates the groups.
pub(super) fn groups<'t>(step: &mut OldTranslation<'_>, passwd: &Node<'t>) -> Vec<Node<'t>> {
    let mut seen = FirstOffsets::new();
    let mut translated = Vec::new();
    for group in passwd.items("groups") {
        if let Some(first) = seen.record(group.text_of("name"), group.at) {
            step.report_conflict(group.at, first, "duplicate group", "merge the entries");
        }
        let mut out = Node::mapping(group.at);
        out.copy_or_empty(group, "name");
        out.copy(group, "gid");
        out.copy_text(group, "passwordHash");
        out.copy_flag_if_true(group, "system");
        translated.push(out);
    }
    translated
}
