//! `users` and `ssh_authorized_keys`.

use super::resolved;
use crate::language::assembly::{AssembledFile, AssembledUser, Assembly, FileBody};
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::quoting::shell;
use crate::language::target::Target;
use crate::language::typed::{self, is_set};
use std::fmt::Write as _;

/// The account that gets the top-level keys.
const CORE: &str = "core";

/// Directory of fetched lists of keys.
const FETCHED_KEYS_DIRECTORY: &str = "/var/lib/coreos-cloudinit/keys";

/// Members of a user that only apply to a new account, and their names in Ignition.
const TEXTS: [(&str, &str); 4] = [
    ("gecos", "gecos"),
    ("homedir", "homeDir"),
    ("primary_group", "primaryGroup"),
    ("shell", "shell"),
];
const FLAGS: [(&str, &str); 4] = [
    ("no_create_home", "noCreateHome"),
    ("no_user_group", "noUserGroup"),
    ("system", "system"),
    ("no_log_init", "noLogInit"),
];

/// Members that never had an effect.
const INEFFECTIVE_KEYS: [&str; 5] = [
    "inactive",
    "lock_passwd",
    "sudo",
    "selinux_user",
    "ssh_import_id",
];

/// A list of keys that is fetched for a user.
pub(super) struct FetchedKeys {
    at: u32,
    user: String,
    url: String,
}

/// Adds the accounts and the keys of `root`, in the order of its text.
pub(super) fn convert(
    root: &Node<'_>,
    target: &Target<'_>,
    assembly: &mut Assembly<'static>,
    fetched: &mut Vec<FetchedKeys>,
    remarks: &mut Remarks,
) {
    let users = root.get("users").map_or(u32::MAX, |users| users.at);
    let keys = root
        .get("ssh_authorized_keys")
        .map_or(u32::MAX, |keys| keys.at);
    if keys < users {
        add_core_keys(root, target, assembly, remarks);
    }
    for entry in typed::elements(root, "users") {
        add_user(entry, target, assembly, fetched, remarks);
    }
    if keys > users {
        add_core_keys(root, target, assembly, remarks);
    }
}

fn add_core_keys(
    root: &Node<'_>,
    target: &Target<'_>,
    assembly: &mut Assembly<'static>,
    remarks: &mut Remarks,
) {
    let name = target.default_user.unwrap_or(CORE);
    for key in typed::elements(root, "ssh_authorized_keys") {
        let text = key.as_scalar().map_or("", |scalar| &*scalar.text);
        let text = resolved(key.at, text, remarks);
        if !text.trim().is_empty() {
            assembly.user(key.at, name).add_key(key.at, &text);
        }
    }
}

fn add_user(
    entry: &Node<'_>,
    target: &Target<'_>,
    assembly: &mut Assembly<'static>,
    fetched: &mut Vec<FetchedKeys>,
    remarks: &mut Remarks,
) {
    let Some((at, name)) = typed::text(entry, "name") else {
        let message = "a user without a name is skipped";
        remarks.warn_with_help(entry.at, message, "add `name`");
        return;
    };
    for key in INEFFECTIVE_KEYS {
        if let Some(value) = entry.get(key) {
            let message = format!("`{key}` never had an effect");
            remarks.warn_with_help(value.at, message, "remove it");
        }
    }
    let exists = match target.accounts {
        Some(_) => target.has_account(name),
        None => name == CORE || target.has_account(name),
    };
    let user = assembly.user(at, name);
    if let Some((at, hash)) = typed::text(entry, "passwd") {
        user.replace("passwordHash", Node::text(at, hash.to_owned()));
    }
    for key in typed::elements(entry, "ssh_authorized_keys") {
        let text = key.as_scalar().map_or("", |scalar| &*scalar.text);
        user.add_key(key.at, &resolved(key.at, text, remarks));
    }
    match exists {
        true => warn_of_existing(entry, remarks),
        false => set_fields(entry, user, remarks),
    }
    collect_imports(entry, name, fetched, remarks);
}

fn warn_of_existing(entry: &Node<'_>, remarks: &mut Remarks) {
    let texts = TEXTS.iter().map(|(key, _)| *key);
    let flags = FLAGS.iter().map(|(key, _)| *key);
    for key in texts.chain(flags).chain(["groups"]) {
        if let Some(value) = entry.get(key) {
            let message = format!(
                "`{key}` has no effect: the account is there already, so only its password and keys are set"
            );
            remarks.warn_with_help(value.at, message, "remove it");
        }
    }
}

fn set_fields(entry: &Node<'_>, user: &mut AssembledUser<'static>, remarks: &mut Remarks) {
    for (key, member) in TEXTS {
        if let Some((at, text)) = typed::text(entry, key) {
            user.replace(member, Node::text(at, resolved(at, text, remarks)));
        }
    }
    for (key, member) in FLAGS {
        if is_set(entry, key) {
            let at = entry.get(key).map_or(entry.at, |value| value.at);
            user.replace(member, Node::flag(at, true));
        }
    }
    let Some(groups) = entry.get("groups") else {
        return;
    };
    match &groups.value {
        NodeContent::List(elements) => {
            for element in elements {
                if let Some(scalar) = element.as_scalar().filter(|scalar| !scalar.text.is_empty()) {
                    user.join(element.at, &scalar.text);
                }
            }
        }
        NodeContent::Scalar(scalar) => {
            let message = "groups in one text: the originals ignored or refused them";
            remarks.warn_with_help(groups.at, message, "write a list");
            for group in scalar.text.split(',').map(str::trim) {
                if !group.is_empty() {
                    user.join(groups.at, group);
                }
            }
        }
        NodeContent::Mapping(_) => {
            remarks.warn(groups.at, "`groups` must be a list, not a mapping");
        }
    }
}

fn collect_imports(
    entry: &Node<'_>,
    name: &str,
    fetched: &mut Vec<FetchedKeys>,
    remarks: &mut Remarks,
) {
    let one = ["coreos_ssh_import_github", "coreos_ssh_import_url"]
        .iter()
        .filter_map(|key| Some((*key, entry.get(key)?)));
    let several = typed::elements(entry, "coreos_ssh_import_github_users")
        .iter()
        .map(|node| ("coreos_ssh_import_github_users", node));
    for (key, node) in one.chain(several) {
        let text = node.as_scalar().map_or("", |scalar| &*scalar.text);
        if text.is_empty() {
            continue;
        }
        let message = format!("`{key}` is deprecated: without the network there are no keys");
        remarks.warn_with_help(node.at, message, "write the keys into ssh_authorized_keys");
        let text = resolved(node.at, text, remarks);
        let url = match key {
            "coreos_ssh_import_url" => text,
            _ => format!("https://api.github.com/users/{text}/keys"),
        };
        fetched.push(FetchedKeys {
            at: node.at,
            user: name.to_owned(),
            url,
        });
    }
}

/// Adds the files with lists of keys, and the unit that gives these keys to the users.
pub(super) fn add_fetched_keys(fetched: Vec<FetchedKeys>, assembly: &mut Assembly<'static>) {
    let Some(at) = fetched.first().map(|first| first.at) else {
        return;
    };
    let mut script = String::from(IMPORT_SCRIPT);
    for (index, one) in fetched.into_iter().enumerate() {
        let path = format!("{FETCHED_KEYS_DIRECTORY}/{}.json", index + 1);
        _ = writeln!(script, "import {} {path}", shell(&one.user));
        assembly.add_file(AssembledFile {
            body: Some(FileBody::url(one.at, one.url)),
            ..AssembledFile::new(one.at, path, 0o600, Vec::new())
        });
    }
    let path = format!("{FETCHED_KEYS_DIRECTORY}/import");
    assembly.add_file(AssembledFile::new(at, path.clone(), 0o700, script));
    let unit = format!(
        "[Unit]\nDescription=Keys that users are to have\nConditionPathExists=!{FETCHED_KEYS_DIRECTORY}/imported\n\
         Before=sshd.service\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh {path}\n\
         ExecStartPost=/bin/touch {FETCHED_KEYS_DIRECTORY}/imported\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    assembly.add_unit(at, "coreos-cloudinit-keys.service", unit);
}

/// Extracts the members `key` from lists of objects.
const IMPORT_SCRIPT: &str = r#"set -e
import() {
    home=$(getent passwd "$1" | cut -d: -f6)
    group=$(id -gn "$1")
    test -d "$home/.ssh" || install -d -m 0700 -o "$1" -g "$group" "$home/.ssh"
    tr '{' '\n' < "$2" | sed -n 's/.*"key"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' >> "$home/.ssh/authorized_keys"
    chown "$1:$group" "$home/.ssh/authorized_keys"
    chmod 0600 "$home/.ssh/authorized_keys"
}
"#;
