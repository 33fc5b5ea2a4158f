//! `users`, `user`, `system_info.default_user` and `groups`: the accounts.

use super::CloudInitContext;
use super::account;
use super::account_extras::AccountExtras;
use super::values;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::keyed::KeyedList;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;

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
    let default = default_account(root, context, remarks);
    for (entry, is_default) in entries(root, default, remarks) {
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
        let is_new = assembly.user_named(&member.text).is_none();
        let user = assembly.user(member.at, &member.text);
        user.join(member.at, &group);
        if is_new {
            // An account of the system is only made a member: it may have no home on purpose.
            user.set("noCreateHome", Node::flag(member.at, true));
        }
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
) -> Vec<(PlacedText, String)> {
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
                match (&element.value, PlacedText::of(element)) {
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

/// The default account, without its entries in `users`.
struct DefaultAccount<'t> {
    /// The fields of the distribution, overridden by `system_info` and then by `user`.
    fields: Node<'t>,
    /// True if the distribution locks its password.
    is_locked: bool,
}

fn default_account<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    remarks: &mut Remarks,
) -> DefaultAccount<'t> {
    let at = root.at;
    let own = context.target.distribution.default_user();
    let name = context.target.default_user.unwrap_or(own.name).to_owned();
    let mut fields = Node::mapping(at).with("name", Node::text(at, name.clone()));
    let is_locked = !(own.exists && name == own.name);
    if is_locked {
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
    DefaultAccount { fields, is_locked }
}

/// The name of the default account in `users`.
const DEFAULT: &str = "default";

/// The accounts in the order in which cloud-init creates them, which decides their ids: the default one comes last, and
/// only its flag is true.
fn entries<'t>(
    root: &Node<'t>,
    default: DefaultAccount<'t>,
    remarks: &mut Remarks,
) -> Vec<(Node<'t>, bool)> {
    let Some(value) = root.get("users") else {
        return vec![(default.fields, true)];
    };
    let mut list = match values::is_nothing(value) {
        true => Vec::new(),
        false => listed(value, remarks),
    };
    if value.is_null() {
        let message = "`users` without a value requests no account, not even the default one";
        remarks.warn_with_help(value.at, message, "leave `users` out, or write `[default]`");
    }
    // `user` requests the default account as well, unless `users` has a key `default`, which may disable it.
    let names_default = root
        .get("user")
        .is_some_and(|user| !values::is_nothing(user));
    if names_default && value.get(DEFAULT).is_none() {
        list.push(account_named(root.at, DEFAULT));
    }
    let mut list = merge_duplicates(list, remarks);
    let mut take = |name: &str| {
        let place = list.iter().position(|entry| entry.text_at("name") == name);
        place.map(|place| list.remove(place))
    };
    let merged = take(DEFAULT).map(|entry| {
        let own = take(default.fields.text_at("name"));
        with_entries(default, &entry, own.as_ref(), remarks)
    });
    let list = list.into_iter().map(|entry| (entry, false));
    list.chain(merged.map(|entry| (entry, true))).collect()
}

/// The accounts of `users`, in document order.
fn listed<'t>(value: &Node<'t>, remarks: &mut Remarks) -> Vec<Node<'t>> {
    let mut list = Vec::new();
    match &value.value {
        NodeContent::Scalar(_) => list.extend(accounts_named(value, remarks)),
        NodeContent::Mapping(entries) => {
            for entry in entries {
                let is_mapping = matches!(entry.value.value, NodeContent::Mapping(_));
                if entry.key.is_empty() || (!is_mapping && values::is_nothing(&entry.value)) {
                    continue;
                }
                let mut account = account_named(entry.key_at, &entry.key);
                if is_mapping {
                    let fields = values::canonical(entry.value.clone(), KEYS, remarks);
                    for member in fields.entries().iter().filter(|one| one.key != "name") {
                        account.set(member.key.clone(), member.value.clone());
                    }
                }
                list.push(account);
            }
        }
        NodeContent::List(elements) => {
            for element in elements {
                match &element.value {
                    NodeContent::Mapping(_) => list.push(entry(element, remarks)),
                    _ if element.is_null() => {
                        let message = "an account is a name or a mapping, not null";
                        remarks.error(element.at, message);
                    }
                    _ => list.extend(accounts_named(element, remarks)),
                }
            }
        }
    }
    list
}

/// An account that is a mapping in the list. One without a name is the default account.
fn entry<'t>(element: &Node<'t>, remarks: &mut Remarks) -> Node<'t> {
    let mut fields = values::canonical(element.clone(), KEYS, remarks);
    if fields.get("name").is_none() && fields.get("snapuser").is_none() {
        let message = "an account without a name is treated as the default account";
        remarks.warn_with_help(element.at, message, "add `name`");
        fields.set("name", Node::text(element.at, DEFAULT));
    }
    fields
}

/// Merges all entries of the same account. The earliest value of a key takes precedence.
fn merge_duplicates<'t>(list: Vec<Node<'t>>, remarks: &mut Remarks) -> Vec<Node<'t>> {
    let mut kept: KeyedList<Node<'t>> = KeyedList::default();
    for (index, entry) in list.into_iter().enumerate() {
        let name = match entry.text_at("name") {
            // Entries without a name are not merged.
            "" => format!("\0{index}"),
            name => name.to_owned(),
        };
        let Some(earlier) = kept.get_mut(&name) else {
            kept.insert(&name, entry);
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

/// The accounts that a name, several with commas between them, or a list of these requests.
fn accounts_named<'t>(node: &Node<'t>, remarks: &mut Remarks) -> Vec<Node<'t>> {
    let names = values::names_of(node, "users", remarks).into_iter();
    names
        .map(|name| account_named(name.at, &name.text))
        .collect()
}

fn account_named<'t>(at: u32, name: &str) -> Node<'t> {
    Node::mapping(at).with("name", Node::text(at, name.to_owned()))
}

/// The default account with its entries in `users`: `entry` is called `default`, `own` has its name. What the
/// distribution or `user` states takes precedence over them, except for the groups.
fn with_entries<'t>(
    default: DefaultAccount<'t>,
    entry: &Node<'t>,
    own: Option<&Node<'t>>,
    remarks: &mut Remarks,
) -> Node<'t> {
    let mut all = default.fields;
    for member in std::iter::once(entry).chain(own).flat_map(Node::entries) {
        let (key, value) = (&*member.key, &member.value);
        let is_locked_by_default = key == "lock_passwd" && default.is_locked;
        match all.get(key) {
            _ if matches!(key, "name" | "groups") => {}
            Some(earlier) if !is_same(earlier, value) => {
                let message =
                    format!("the default account already has `{key}`, which takes precedence");
                remarks.warn_with_help(value.at, message, OVERRIDE_HELP);
            }
            Some(_) => {}
            None if is_locked_by_default => {
                if values::is_nothing(value) {
                    let message = "the default account is locked, whatever its entry says";
                    remarks.warn_with_help(value.at, message, OVERRIDE_HELP);
                }
            }
            None => all.set(member.key.clone(), value.clone()),
        }
    }
    let own_groups = own.and_then(|own| own.get("groups"));
    let groups = match (entry.get("groups"), own, own_groups) {
        (Some(groups), _, lost) => {
            if let Some(lost) = lost {
                remarks.warn(lost.at, "the groups of the entry `default` are used");
            }
            Some(groups.clone())
        }
        (None, Some(own), Some(_)) => {
            let mut names = account::group_names(&all, remarks);
            names.extend(account::group_names(own, remarks));
            let names = names.into_iter().map(|name| Node::text(name.at, name.text));
            Some(Node::list(own.at, names.collect()))
        }
        _ => None,
    };
    if let Some(groups) = groups {
        all.remove("groups");
        all.set("groups", groups);
    }
    all
}

/// How to change what the default account has.
const OVERRIDE_HELP: &str = "set it in `user`, which changes the default account";

/// True if two values are the same text, or a list of only that.
fn is_same(a: &Node<'_>, b: &Node<'_>) -> bool {
    let text = |node: &Node<'_>| {
        let only = match node.elements() {
            [only] => PlacedText::of(only),
            _ => PlacedText::of(node),
        };
        only.map(|text| text.text)
    };
    text(a).is_some() && text(a) == text(b)
}
