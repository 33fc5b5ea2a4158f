//! `users`, `user`, `system_info.default_user` and `groups`: the accounts.

use super::CloudInitContext;
use super::account;
use super::account_extras::AccountExtras;
use super::values::{self, Text};
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::keyed::KeyedList;
use crate::language::node::{Node, NodeContent};

/// Keys of an account.
pub(super) const KEYS: &[&str] = &[
    "name",
    "gecos",
    "homedir",
    "primary_group",
    "groups",
    "shell",
    "uid",
    "no_create_home",
    "no_user_group",
    "no_log_init",
    "system",
    "create_groups",
    "passwd",
    "hashed_passwd",
    "plain_text_passwd",
    "lock_passwd",
    "ssh_authorized_keys",
    "ssh_import_id",
    "ssh_redirect_user",
    "sudo",
    "doas",
    "expiredate",
    "inactive",
    "selinux_user",
    "snapuser",
];

/// Warning about a group with an empty name.
const NAMELESS_GROUP: &str = "a group without a name is left out";

/// Adds groups and accounts.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) -> AccountExtras {
    let mut accounts = AccountExtras::default();
    let memberships = add_groups(root, assembly, remarks);
    let default = default_user(root, context, remarks);
    for (entry, is_default) in entries(root, &default, remarks) {
        account::convert(
            &entry,
            is_default,
            context,
            (assembly, &mut accounts),
            remarks,
        );
    }
    for (member, group) in memberships {
        let exists =
            assembly.user_named(&member.text).is_some() || context.target.has_account(&member.text);
        if !exists {
            let message = format!(
                "there is no account {} to be in the group {group}",
                member.text
            );
            remarks.error_with_help(member.at, message, "add the account to `users`");
            continue;
        }
        assembly
            .user(member.at, &member.text)
            .join(member.at, &group);
    }
    if let Some(at) = accounts.rules_at {
        if !accounts.sudo.is_empty() {
            let text = format!("# Made from the users of a cloud-config\n{}", accounts.sudo);
            let path = "/etc/sudoers.d/90-cloud-init-users";
            assembly.add_file(AssembledFile::new(at, path, 0o440, text));
        }
        if !accounts.doas.is_empty() {
            let text = format!("# Made from the users of a cloud-config\n{}", accounts.doas);
            assembly.add_file(AssembledFile::new(at, "/etc/doas.conf", 0o440, text));
        }
    }
    accounts
}

/// Adds the groups and returns their members.
fn add_groups<'t>(
    root: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) -> Vec<(Text, String)> {
    let mut memberships = Vec::new();
    let Some(value) = root.get("groups").filter(|value| !value.is_null()) else {
        return memberships;
    };
    let mut with_members =
        |entries: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks| {
            for entry in entries.entries() {
                if entry.key.is_empty() {
                    remarks.warn(entry.value.at, NAMELESS_GROUP);
                    continue;
                }
                assembly.add_group(entry.key_at, &entry.key);
                if entry.value.is_null() {
                    continue;
                }
                for member in values::names_of(&entry.value, "the members of a group", remarks) {
                    memberships.push((member, entry.key.clone().into_owned()));
                }
            }
        };
    match &value.value {
        NodeContent::Mapping(_) => with_members(value, assembly, remarks),
        NodeContent::Scalar(_) => {
            for name in values::names(root, "groups", remarks) {
                assembly.add_group(name.at, &name.text);
            }
        }
        NodeContent::List(elements) => {
            for element in elements {
                match (&element.value, values::as_text(element)) {
                    (NodeContent::Mapping(_), _) => with_members(element, assembly, remarks),
                    (_, Some(name)) if name.text.trim().is_empty() => {
                        remarks.warn(name.at, NAMELESS_GROUP);
                    }
                    (_, Some(name)) => assembly.add_group(name.at, name.text.trim()),
                    _ => remarks.error(
                        element.at,
                        format!("a group is a name or a mapping, not {}", element.kind()),
                    ),
                }
            }
        }
    }
    memberships
}

/// The fields of the default account: those of the distribution, overridden by `system_info` and then by `user`.
fn default_user<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> Node<'t> {
    let at = root.at;
    let own = context.target.distribution.default_user();
    let name = context.target.default_user.unwrap_or(own.name).to_owned();
    let mut fields = Node::mapping(at).with("name", Node::text(at, name.clone()));
    if !(own.exists && name == own.name) {
        let groups = own.groups.iter().map(|group| Node::text(at, *group));
        fields.set("gecos", Node::text(at, own.gecos));
        fields.set("groups", Node::list(at, groups.collect()));
        fields.set("shell", Node::text(at, own.shell));
        fields.set("sudo", Node::text(at, "ALL=(ALL) NOPASSWD:ALL"));
    }
    let system = root
        .get("system_info")
        .and_then(|info| info.get("default_user"));
    for over in [system, root.get("user")].into_iter().flatten() {
        match &over.value {
            NodeContent::Mapping(_) => {
                let over = values::canonical(over.clone(), KEYS, remarks);
                for entry in over.entries() {
                    fields.remove(&entry.key);
                    fields.set(entry.key.clone(), entry.value.clone());
                }
            }
            NodeContent::Scalar(_) if over.is_null() => {}
            NodeContent::Scalar(scalar) => {
                fields.remove("name");
                fields.set("name", Node::text(over.at, scalar.text.clone()));
            }
            NodeContent::List(_) => {
                let message = format!("user must be a name or a mapping, not {}", over.kind());
                remarks.error(over.at, message);
            }
        }
    }
    fields
}

/// The accounts in the order in which cloud-init creates them, which decides their ids: the default one comes last, and
/// only its flag is true.
fn entries<'t>(
    root: &Node<'t>,
    default: &Node<'t>,
    remarks: &mut Remarks,
) -> Vec<(Node<'t>, bool)> {
    let Some(value) = root.get("users").filter(|value| !value.is_null()) else {
        return vec![(default.clone(), true)];
    };
    let mut list = listed(value, default, remarks);
    // `user` requests the default account as well, unless `users` has a key `default`, which may disable it.
    let names_default = root
        .get("user")
        .is_some_and(|user| !values::is_nothing(user));
    let is_listed = value.get("default").is_some() || list.iter().any(|(_, is_it)| *is_it);
    if names_default && !is_listed {
        list.push((default.clone(), true));
    }
    let mut list = merge_duplicates(list, remarks);
    list.sort_by_key(|(_, is_default)| *is_default);
    list
}

/// The accounts of `users`, in document order.
fn listed<'t>(
    value: &Node<'t>,
    default: &Node<'t>,
    remarks: &mut Remarks,
) -> Vec<(Node<'t>, bool)> {
    let of_names = |at: u32, names: &str| -> Vec<(Node<'t>, bool)> {
        names
            .split(',')
            .filter_map(|name| account_named(at, name.trim(), default))
            .collect()
    };
    let mut list = Vec::new();
    match &value.value {
        NodeContent::Scalar(scalar) => list = of_names(value.at, &scalar.text),
        NodeContent::Mapping(entries) => {
            for entry in entries {
                let is_mapping = matches!(entry.value.value, NodeContent::Mapping(_));
                if !is_mapping && values::is_nothing(&entry.value) {
                    continue;
                }
                let Some((node, is_default)) = account_named(entry.key_at, &entry.key, default)
                else {
                    continue;
                };
                let fields = match is_mapping {
                    true => values::canonical(entry.value.clone(), KEYS, remarks),
                    false => Node::mapping(entry.key_at),
                };
                list.push((with_fields(&node, &fields), is_default));
            }
        }
        NodeContent::List(elements) => {
            for element in elements {
                match &element.value {
                    NodeContent::Scalar(scalar) if !element.is_null() => {
                        list.extend(of_names(element.at, &scalar.text));
                    }
                    NodeContent::Mapping(_) => list.push(entry(element, default, remarks)),
                    _ => {
                        let message =
                            format!("an account is a name or a mapping, not {}", element.kind());
                        remarks.error(element.at, message);
                    }
                }
            }
        }
    }
    list
}

/// An account that is a mapping in the list; true if it is the default one.
fn entry<'t>(element: &Node<'t>, default: &Node<'t>, remarks: &mut Remarks) -> (Node<'t>, bool) {
    let fields = values::canonical(element.clone(), KEYS, remarks);
    match fields.text_at("name") == "default" {
        true => (with_fields(default, &fields), true),
        false => (fields, false),
    }
}

/// Merges all entries of the same account. The earliest value of a key takes precedence.
fn merge_duplicates<'t>(
    list: Vec<(Node<'t>, bool)>,
    remarks: &mut Remarks,
) -> Vec<(Node<'t>, bool)> {
    let mut kept: KeyedList<(Node<'t>, bool)> = KeyedList::default();
    for (index, (entry, is_default)) in list.into_iter().enumerate() {
        let name = match (entry.text_at("name"), is_default) {
            // Entries without a name and the default account are not merged.
            ("", _) | (_, true) => format!("\0{index}"),
            (name, false) => name.to_owned(),
        };
        let Some((earlier, _)) = kept.get_mut(&name) else {
            kept.insert(&name, (entry, is_default));
            continue;
        };
        for member in entry.entries().iter().filter(|member| member.key != "name") {
            if earlier.get(&member.key).is_some() {
                let message = format!(
                    "an earlier entry of {name} has `{}`, which takes precedence",
                    member.key
                );
                remarks.warn(member.value.at, message);
            } else {
                earlier.set(member.key.clone(), member.value.clone());
            }
        }
    }
    kept.into_values().collect()
}

/// The account called `name`, and whether it is the default one; `None` for an empty name.
fn account_named<'t>(at: u32, name: &str, default: &Node<'t>) -> Option<(Node<'t>, bool)> {
    match name {
        "default" => Some((default.clone(), true)),
        "" => None,
        name => {
            let node = Node::mapping(at).with("name", Node::text(at, name.to_owned()));
            Some((node, false))
        }
    }
}

/// The default account with the fields of its entry in `users`.
fn with_fields<'t>(default: &Node<'t>, fields: &Node<'t>) -> Node<'t> {
    let mut all = default.clone();
    for entry in fields.entries().iter().filter(|entry| entry.key != "name") {
        all.remove(&entry.key);
        all.set(entry.key.clone(), entry.value.clone());
    }
    all
}
