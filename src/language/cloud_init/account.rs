//! One account of `users`.

use super::CloudInitContext;
use super::account_extras::AccountExtras;
use super::values::{self, ScalarKind, Text};
use super::{keys, modules};
use crate::language::assembly::Assembly;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::password;

/// Keys that only count while an account is made.
const ONLY_FOR_NEW: [&str; 10] = [
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

/// Groups that a Debian system has from the start, which is where the rules of the original were learnt.
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
        modules::unsupported(snap.at, message, context.ignore_unsupported, remarks);
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
        for key in ONLY_FOR_NEW {
            if let Some(value) = entry.get(key) {
                let message = format!("{key} does nothing for {}, which exists already", name.text);
                remarks.warn(value.at, message);
            }
        }
    } else {
        fields(entry, &name, assembly, remarks);
        member_of(entry, &name, assembly, remarks);
    }
    let has_lock = entry.get("lock_passwd").is_some();
    // The default account of an image that has it stays as it is unless the config says otherwise.
    let is_left_alone = is_default && exists && !has_lock;
    secret(entry, &name, (exists, is_left_alone), assembly, remarks);
    keys::of_user(entry, &name, assembly, remarks);
    rules(entry, &name, accounts, remarks);
    not_kept(entry, remarks);
}

/// What an account is made with.
fn fields<'t>(entry: &Node<'t>, name: &Text, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
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
    // A system account has no home unless it is told to have one.
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

/// The groups of an account. Missing ones are made.
fn member_of<'t>(
    entry: &Node<'t>,
    name: &Text,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let makes_groups = values::flag(entry, "create_groups", remarks) != Some(false);
    let mut groups = match entry.get("groups").map(|value| &value.value) {
        // With members, as in the list of groups; the names are what counts here.
        Some(NodeContent::Mapping(entries)) => entries
            .iter()
            .map(|entry| Text {
                at: entry.key_at,
                text: entry.key.clone().into_owned(),
            })
            .collect(),
        _ => values::names(entry, "groups", remarks),
    };
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
        if makes_groups {
            // One that is there already stays as it is.
            assembly.group(group.at, &group.text);
        } else if !BASE_GROUPS.contains(&&*group.text) {
            let message = format!("the group {} is not made and not known", group.text);
            let help = "add it to `groups`, or leave `create_groups` out";
            remarks.error_with_help(group.at, message, help);
        }
    }
}

/// The password of an account, and whether it is locked.
fn secret<'t>(
    entry: &Node<'t>,
    name: &Text,
    (exists, is_left_alone): (bool, bool),
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let passwd = values::filled(entry, "passwd", remarks).filter(|_| !exists);
    let hashed = values::filled(entry, "hashed_passwd", remarks);
    let plain = values::filled(entry, "plain_text_passwd", remarks);
    if let Some(plain) = &plain {
        clear_text(plain.at, remarks);
    }
    let plain = plain.map(|plain| Text {
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
        Some(hash) if is_locked && !is_left_alone => {
            let locked = format!("!{}", hash.text);
            user.replace("passwordHash", Node::text(hash.at, locked));
        }
        Some(hash) => user.replace("passwordHash", Node::text(hash.at, hash.text)),
        None if is_locked && !is_left_alone => {
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

/// Warns of a password that can be read.
pub(super) fn clear_text(at: u32, remarks: &mut Remarks) {
    remarks.warn_with_help(
        at,
        "the password is in clear text; its hash is what is stored",
        "write the hash that `mkpasswd -m sha-512` makes",
    );
}

/// What the account may do as others.
fn rules(entry: &Node<'_>, name: &Text, accounts: &mut AccountExtras, remarks: &mut Remarks) {
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

/// The rules of sudo of an account. With anything else in its file, sudo reads none of them.
fn sudo(entry: &Node<'_>, remarks: &mut Remarks) -> Vec<Text> {
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
            remarks.warn(rule.at, "a text that is taken as no rule");
        }
        !text.is_empty() && !text.eq_ignore_ascii_case("false")
    });
    rules
}

/// Speaks of what is not done.
fn not_kept(entry: &Node<'_>, remarks: &mut Remarks) {
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
