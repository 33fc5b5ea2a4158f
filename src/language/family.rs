//! Determines which of the programs that read `#cloud-config` a text is for, by its keys.

use super::cloud_init::modules::MODULES;
use super::languages::Language;
use super::node::{Node, NodeContent};
use super::target::{Distribution, Target};

/// Keys that only k3OS has, in lower case and without underscores.
const K3OS_KEYS: [&str; 3] = ["k3os", "bootcmd", "initcmd"];

/// Keys that mean the same, or nearly, to all of the programs.
const SHARED_KEYS: [&str; 5] = [
    "hostname",
    "ssh_authorized_keys",
    "users",
    "write_files",
    "manage_etc_hosts",
];

/// Keys of cloud-init that belong to no module.
const MERGE_KEYS: [&str; 2] = ["merge_how", "merge_type"];

/// Keys of a user that only cloud-init has.
const CLOUD_INIT_USER_KEYS: [&str; 4] =
    ["plain_text_passwd", "hashed_passwd", "uid", "create_groups"];

/// Keys of a file that only cloud-init has.
const CLOUD_INIT_FILE_KEYS: [&str; 3] = ["append", "defer", "source"];

/// Prefix of the keys of a user that only coreos-cloudinit has.
const COREOS_USER_KEY_PREFIX: &str = "coreos_ssh_import_";

/// The programs that a cloud-config can be for, by its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Of(Language),
    /// All keys mean the same to all programs.
    Shared,
    /// It has keys of two programs, which cannot be in one config.
    Mixed,
}

/// The family of `root`.
pub(super) fn of(root: &Node<'_>) -> Family {
    let keys: Vec<String> = root.entries().iter().map(|e| snake(&e.key)).collect();
    let has = |key: &str| keys.iter().any(|known| known == key);
    match (
        has("coreos"),
        root.entries().iter().any(|e| is_k3os_key(&e.key)),
    ) {
        (true, true) => return Family::Mixed,
        (true, false) => return Family::Of(Language::CoreosCloudinit),
        (false, true) => return Family::Of(Language::K3os),
        (false, false) => {}
    }
    let is_cloud_init_key = |key: &String| {
        let mut all = MODULES.iter().flat_map(|module| module.keys);
        let is_shared = SHARED_KEYS.contains(&key.as_str());
        !is_shared && (MERGE_KEYS.contains(&key.as_str()) || all.any(|known| known == key))
    };
    if keys.iter().any(is_cloud_init_key) || is_for_cloud_init(root) {
        return Family::Of(Language::CloudInit);
    }
    let users = root.get("users").map(Node::elements).unwrap_or_default();
    let mut keys = users.iter().flat_map(Node::entries);
    match keys.any(|e| snake(&e.key).starts_with(COREOS_USER_KEY_PREFIX)) {
        true => Family::Of(Language::CoreosCloudinit),
        false => Family::Shared,
    }
}

/// The language of a text that has shared keys only.
pub(super) fn of_target(target: &Target<'_>) -> Language {
    match target.distribution {
        Distribution::CoreOs | Distribution::Flatcar => Language::CoreosCloudinit,
        _ => Language::CloudInit,
    }
}

/// True for `k3os` and the command lists of k3OS, which also accepts `bootcmd` and `runcmd`; but these are cloud-init's
/// spellings.
pub(super) fn is_k3os_key(key: &str) -> bool {
    if matches!(key, "bootcmd" | "runcmd") {
        return false;
    }
    let squashed = key.replace('_', "").to_ascii_lowercase();
    K3OS_KEYS.contains(&squashed.as_str()) || squashed == "runcmd"
}

/// True if a shared key has a value that only cloud-init accepts.
fn is_for_cloud_init(root: &Node<'_>) -> bool {
    let users = root.get("users");
    // A mapping, or a text with comma-separated names.
    let is_other_form = users.is_some_and(|users| match &users.value {
        NodeContent::Mapping(entries) => !entries.is_empty(),
        NodeContent::Scalar(_) => !users.is_null(),
        NodeContent::List(_) => false,
    });
    let is_user = |user: &Node<'_>| {
        let is_default = user.as_scalar().is_some_and(|name| name.text == "default");
        let has_key = user.entries().iter().any(|e| {
            let key = snake(&e.key);
            CLOUD_INIT_USER_KEYS.contains(&key.as_str()) || (key == "sudo" && !e.value.is_null())
        });
        is_default || has_key
    };
    let files = root.get("write_files").map(Node::elements);
    let is_file = |file: &Node<'_>| {
        let entries = file.entries();
        entries
            .iter()
            .any(|e| CLOUD_INIT_FILE_KEYS.contains(&&*e.key))
    };
    is_other_form
        || users.is_some_and(|users| users.elements().iter().any(is_user))
        || files.unwrap_or_default().iter().any(is_file)
}

fn snake(key: &str) -> String {
    key.replace('-', "_")
}
