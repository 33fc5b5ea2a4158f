//! One account of `users`.

use super::CloudInitContext;
use super::account_extras::AccountExtras;
use super::values::{self, ScalarKind};
use super::{keys, modules};
use crate::language::assembly::Assembly;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::password;
use crate::language::placed_text::PlacedText;

/// Keys that only take effect when an account is created.
const NEW_ACCOUNT_KEYS: [&str; 10] = [
    "gecos",
    "homedir",
    "primary_group",
    "groups",
    "shell",
    "uid",
    "no_create_home",
    "no_user_group",
    "no_log_init",
    "passwd",
];

/// Groups of a fresh Debian system, on which the behaviour of the original was observed.
const BASE_GROUPS: [&str; 16] = [
    "root", "daemon", "adm", "disk", "mail", "dialout", "cdrom", "floppy", "sudo", "audio", "dip",
    "video", "plugdev", "users", "games", "nogroup",
];

/// Adds one account.
pub(super) fn convert<'t>(
    entry: &Node<'t>,
    is_default: bool,
    context: &CloudInitContext<'_>,
    (assembly, accounts): (&mut Assembly<'t>, &mut AccountExtras),
    remarks: &mut Remarks,
) {
    if let Some(snap) = entry.get("snapuser") {
        let message = "snapuser is not supported: it asks a service for the account".to_owned();
        modules::report_unsupported(snap.at, message, context.ignore_unsupported, remarks);
    }
    let Some(name) = values::filled(entry, "name", remarks) else {
        remarks.warn_with_help(
            entry.at,
            "an account without a name is left out",
            "add `name`",
        );
        return;
    };
    if is_default {
        accounts.default = Some(name.text.clone());
    }
    let exists = context.target.has_account(&name.text);
    let at = if is_default { name.at } else { entry.at };
    assembly.user(at, &name.text);
    if exists {
        for key in NEW_ACCOUNT_KEYS {
            if let Some(value) = entry.get(key) {
                let message = format!("{key} does nothing for {}, which exists already", name.text);
                remarks.warn(value.at, message);
            }
        }
    } else {
        set_fields(entry, &name, assembly, remarks);
        add_groups(entry, &name, assembly, remarks);
    }
    let has_lock = entry.get("lock_passwd").is_some();
    // A default account that the image already has keeps its password and lock unless the config says otherwise.
    let keeps_password = is_default && exists && !has_lock;
    set_password(entry, &name, (exists, keeps_password), assembly, remarks);
    keys::add_user_keys(entry, &name, assembly, remarks);
    add_rules(entry, &name, accounts, remarks);
    warn_of_ignored_keys(entry, remarks);
}

/// Sets what an account is created with.
fn set_fields<'t>(
    entry: &Node<'t>,
    name: &PlacedText,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let texts = [
        ("gecos", "gecos"),
        ("homedir", "homeDir"),
        ("primary_group", "primaryGroup"),
        ("shell", "shell"),
    ];
    for (key, member) in texts {
        if let Some(text) = values::filled(entry, key, remarks) {
            assembly
                .user(name.at, &name.text)
                .set(member, Node::text(text.at, text.text));
        }
    }
    let flags = [
        ("no_create_home", "noCreateHome"),
        ("no_user_group", "noUserGroup"),
        ("no_log_init", "noLogInit"),
        ("system", "system"),
    ];
    for (key, member) in flags {
        if values::flag(entry, key, remarks) == Some(true) {
            let at = entry.get(key).map_or(entry.at, |value| value.at);
            assembly
                .user(name.at, &name.text)
                .set(member, Node::flag(at, true));
        }
    }
    // A system account has no home unless the config asks for one.
    let has_home = entry.get("no_create_home").is_some();
    if values::flag(entry, "system", remarks) == Some(true) && !has_home {
        assembly
            .user(name.at, &name.text)
            .set("noCreateHome", Node::flag(entry.at, true));
    }
    if let Some(uid) = values::filled(entry, "uid", remarks) {
        let number = match entry.get("uid").and_then(Node::as_scalar).map(values::kind) {
            Some(ScalarKind::Int(number)) => u32::try_from(number).ok(),
            _ => uid.text.parse::<u32>().ok(),
        };
        match number {
            Some(number) => {
                let number = Node::int(uid.at, i64::from(number));
                assembly.user(name.at, &name.text).set("uid", number);
            }
            None => remarks.error(uid.at, "the uid is not a number from 0 to 4294967295"),
        }
    }
}

/// Adds the account to its groups and creates missing ones.
fn add_groups<'t>(
    entry: &Node<'t>,
    name: &PlacedText,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let creates_groups = values::flag(entry, "create_groups", remarks) != Some(false);
    let mut groups = group_names(entry, remarks);
    for group in &groups {
        assembly
            .user(name.at, &name.text)
            .join(group.at, &group.text);
    }
    groups.extend(values::filled(entry, "primary_group", remarks));
    for group in groups {
        let is_number = group.text.bytes().all(|b| b.is_ascii_digit());
        if is_number || assembly.has_group(&group.text) {
            continue;
        }
        if creates_groups {
            // An existing group is left as it is.
            assembly.add_group(group.at, &group.text);
        } else if !BASE_GROUPS.contains(&&*group.text) {
            let message = format!("the group {} is neither known nor created", group.text);
            let help = "add it to `groups`, or leave `create_groups` out";
            remarks.error_with_help(group.at, message, help);
        }
    }
}

/// The groups that an account is to be a member of.
pub(super) fn group_names(entry: &Node<'_>, remarks: &mut Remarks) -> Vec<PlacedText> {
    match entry.get("groups").map(|value| &value.value) {
        // A mapping to members, as in the top-level `groups`; only the names matter here.
        Some(NodeContent::Mapping(entries)) => entries
            .iter()
            .map(|entry| PlacedText {
                at: entry.key_at,
                text: entry.key.clone().into_owned(),
            })
            .collect(),
        _ => values::names(entry, "groups", remarks),
    }
}

/// Sets the password of an account and whether it is locked.
fn set_password<'t>(
    entry: &Node<'t>,
    name: &PlacedText,
    (exists, keeps_password): (bool, bool),
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let passwd = values::filled(entry, "passwd", remarks).filter(|_| !exists);
    let hashed = values::filled(entry, "hashed_passwd", remarks);
    let plain = values::filled(entry, "plain_text_passwd", remarks);
    if let Some(plain) = &plain {
        warn_of_clear_text(plain.at, remarks);
    }
    let plain = plain.map(|plain| PlacedText {
        text: password::hash(&name.text, &plain.text),
        ..plain
    });
    let given = plain.or(hashed).or(passwd);
    if let Some(hash) = given
        .as_ref()
        .filter(|hash| hash.text.contains([':', '\n']))
    {
        remarks.error(hash.at, "the hash has a colon or a line end");
    }
    let is_locked = values::flag(entry, "lock_passwd", remarks) != Some(false);
    let user = assembly.user(name.at, &name.text);
    match given {
        Some(hash) if is_locked && !keeps_password => {
            let locked = format!("!{}", hash.text);
            user.replace("passwordHash", Node::text(hash.at, locked));
        }
        Some(hash) => user.replace("passwordHash", Node::text(hash.at, hash.text)),
        None if is_locked && !keeps_password => {
            let at = entry.get("lock_passwd").map_or(name.at, |lock| lock.at);
            user.set("passwordHash", Node::text(at, "!"));
            if exists {
                let message = format!(
                    "the password of {} is locked; its hash is not kept",
                    name.text
                );
                remarks.warn_with_help(at, message, "`lock_passwd: false` leaves it alone");
            }
        }
        None => {}
    }
}

/// Warns of a password in clear text.
pub(super) fn warn_of_clear_text(at: u32, remarks: &mut Remarks) {
    remarks.warn_with_help(
        at,
        "the password is in clear text; its hash is what is stored",
        "write the hash that `mkpasswd -m sha-512` makes",
    );
}

/// Collects the rules of sudo and doas for the account.
fn add_rules(
    entry: &Node<'_>,
    name: &PlacedText,
    accounts: &mut AccountExtras,
    remarks: &mut Remarks,
) {
    let rules = sudo(entry, remarks);
    if let Some(first) = rules.first() {
        accounts.rules_at.get_or_insert(first.at);
        accounts
            .sudo
            .push_str(&format!("\n# User rules for {}\n", name.text));
    }
    for rule in rules {
        if rule.text.contains('\n') {
            remarks.error(rule.at, "a rule of sudo must be one line");
        }
        accounts
            .sudo
            .push_str(&format!("{} {}\n", name.text, rule.text));
    }
    let rules = values::texts(entry, "doas", remarks);
    if let Some(first) = rules.first() {
        accounts.rules_at.get_or_insert(first.at);
        accounts
            .doas
            .push_str(&format!("\n# User rules for {}\n", name.text));
    }
    for rule in rules {
        accounts.doas.push_str(&format!("{}\n", rule.text));
    }
}

/// The sudo rules of an account. If a file contains anything else, sudo ignores all of it.
fn sudo(entry: &Node<'_>, remarks: &mut Remarks) -> Vec<PlacedText> {
    let Some(value) = entry.get("sudo").filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    match value.as_scalar().map(values::kind) {
        Some(ScalarKind::Flag(false)) => return Vec::new(),
        Some(ScalarKind::Flag(true)) => {
            let help = "write for example \"ALL=(ALL) NOPASSWD:ALL\"";
            remarks.error_with_help(value.at, "sudo must be a rule, not true", help);
            return Vec::new();
        }
        _ => {}
    }
    let mut rules = values::texts_of(value, "sudo", remarks);
    rules.retain(|rule| {
        let text = rule.text.trim();
        if text.eq_ignore_ascii_case("false") {
            remarks.warn(rule.at, "this text is not a rule and is ignored");
        }
        !text.is_empty() && !text.eq_ignore_ascii_case("false")
    });
    rules
}

/// Speaks of keys that have no effect.
fn warn_of_ignored_keys(entry: &Node<'_>, remarks: &mut Remarks) {
    let keys = [
        ("expiredate", "accounts do not expire"),
        ("inactive", "accounts do not expire"),
        ("selinux_user", "the SELinux user is not set"),
        (
            "ssh_redirect_user",
            "there are no keys of the platform to be redirected",
        ),
    ];
    for (key, why) in keys {
        let value = entry.get(key).filter(|value| !values::is_nothing(value));
        if let Some(value) = value {
            remarks.warn(value.at, format!("{key} does nothing here: {why}"));
        }
    }
}
