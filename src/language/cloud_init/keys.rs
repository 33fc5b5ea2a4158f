//! SSH: keys of accounts, host keys, and whether passwords are accepted.

use super::CloudInitContext;
use super::account_extras::AccountExtras;
use super::values::{self, ScalarKind};
use crate::language::assembly::{AssembledFile, Assembly, FileBody};
use crate::language::fetched_keys;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;

/// The drop-in of the SSH server.
const SSHD_FILE: &str = "/etc/ssh/sshd_config.d/50-cloud-init.conf";

/// Types of host keys.
const KEY_TYPES: [&str; 4] = ["rsa", "dsa", "ecdsa", "ed25519"];

/// Adds the keys of one account.
pub(super) fn add_user_keys<'t>(
    entry: &Node<'t>,
    name: &PlacedText,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let keys = match entry.get("ssh_authorized_keys").map(|keys| &keys.value) {
        // The names of keys in a mapping mean nothing.
        Some(NodeContent::Mapping(_)) => {
            let named = values::mapping_of_texts(entry, "ssh_authorized_keys", remarks);
            named.into_iter().map(|(_, key)| key).collect()
        }
        _ => values::texts(entry, "ssh_authorized_keys", remarks),
    };
    for key in keys {
        assembly
            .user(name.at, &name.text)
            .add_key(key.at, &key.text);
    }
    let imported = values::names(entry, "ssh_import_id", remarks);
    let home = values::filled(entry, "homedir", remarks).map(|home| home.text);
    import_keys(&imported, &name.text, home, assembly, remarks);
}

/// Adds keys to be fetched from accounts on GitHub or Launchpad.
fn import_keys<'t>(
    ids: &[PlacedText],
    name: &str,
    home: Option<String>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let Some(first) = ids.first() else { return };
    let mut bodies = Vec::new();
    for id in ids {
        let (kind, account) = id.text.split_once(':').unwrap_or(("lp", &id.text));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        if account.is_empty() || !account.chars().all(is_plain) {
            remarks.error(id.at, "not the name of an account");
            continue;
        }
        match kind {
            "gh" => bodies.push(FileBody::url(
                id.at,
                format!("https://github.com/{account}.keys"),
            )),
            "lp" => {
                let url = format!("https://launchpad.net/~{account}/+sshkeys");
                bodies.push(FileBody::url(id.at, url));
            }
            _ => {
                let help = "use gh:NAME for GitHub or lp:NAME for Launchpad";
                remarks.error_with_help(id.at, "unknown place to import keys from", help);
            }
        }
    }
    fetched_keys::add(first.at, name, home.as_deref(), bodies, assembly);
}

/// Adds the keys of the default account, also to root if it may log in.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    context: &CloudInitContext<'_>,
    accounts: &AccountExtras,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let keys = values::texts(root, "ssh_authorized_keys", remarks);
    let imported = values::names(root, "ssh_import_id", remarks);
    let platform_keys = match values::flag(root, "allow_public_ssh_keys", remarks) {
        Some(false) => &[],
        _ => context.instance.keys,
    };
    let platform_keys = platform_keys.iter().map(|key| PlacedText {
        at: root.at,
        text: key.clone(),
    });
    let keys: Vec<PlacedText> = keys.into_iter().chain(platform_keys).collect();
    let is_root_allowed = values::flag(root, "disable_root", remarks) == Some(false);
    if is_root_allowed {
        for key in &keys {
            assembly.user(key.at, "root").add_key(key.at, &key.text);
        }
    }
    if let Some(options) = root
        .get("disable_root_opts")
        .filter(|value| !value.is_null())
    {
        remarks.warn(
            options.at,
            "root has no keys, so there are no options for them",
        );
    }
    let Some(name) = &accounts.default else {
        for text in keys.iter().chain(&imported).filter(|_| !is_root_allowed) {
            let help = "add `default` to `users`";
            remarks.warn_with_help(
                text.at,
                "there is no default account to have these keys",
                help,
            );
        }
        return;
    };
    for key in &keys {
        assembly.user(key.at, name).add_key(key.at, &key.text);
    }
    let home = assembly.user_named(name);
    let home = home
        .and_then(|user| user.text("homeDir"))
        .map(str::to_owned);
    import_keys(&imported, name, home, assembly, remarks);
}

/// Adds settings and host keys of the SSH server.
pub(super) fn convert_server<'t>(
    root: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let mut settings = String::new();
    let mut at = None;
    if let Some(value) = root.get("ssh_pwauth").filter(|value| !value.is_null()) {
        let word = value
            .as_scalar()
            .map(|scalar| (values::kind(scalar), scalar.text.to_ascii_lowercase()));
        let setting = match word.as_ref().map(|(kind, word)| (kind, word.as_str())) {
            Some((ScalarKind::Flag(true), _) | (_, "true" | "yes" | "1" | "on")) => Some("yes"),
            Some((ScalarKind::Flag(false), _) | (_, "false" | "no" | "0" | "off")) => Some("no"),
            Some((_, "unchanged")) => None,
            _ => {
                let help = "use true, false or unchanged";
                remarks.warn_with_help(value.at, "an unknown value, so nothing is changed", help);
                None
            }
        };
        if let Some(setting) = setting {
            settings.push_str(&format!("PasswordAuthentication {setting}\n"));
            at = Some(value.at);
        }
    }
    for path in add_host_keys(root, assembly, remarks) {
        settings.push_str(&format!("HostCertificate {}\n", path.text));
        at = at.or(Some(path.at));
    }
    if let Some(at) = at {
        assembly.add_file(AssembledFile::new(at, SSHD_FILE, 0o600, settings));
    }
    let keys = [
        "ssh_deletekeys",
        "ssh_genkeytypes",
        "ssh_publish_hostkeys",
        "ssh",
    ];
    for key in keys {
        if let Some(value) = root.get(key).filter(|value| !value.is_null()) {
            let message = format!("{key} does nothing here: the system makes keys of its own");
            remarks.warn(value.at, message);
        }
    }
}

/// Adds the host keys and returns the paths of their certificates.
fn add_host_keys<'t>(
    root: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) -> Vec<PlacedText> {
    let mut certificates = Vec::new();
    let keys = values::mapping_of_texts(root, "ssh_keys", remarks);
    for (key, value) in &keys {
        let parts = key
            .split_once('_')
            .filter(|(kind, _)| KEY_TYPES.contains(kind));
        let (suffix, mode) = match parts {
            Some((_, "private")) => ("", 0o600),
            Some((_, "public")) => (".pub", 0o644),
            Some((_, "certificate")) => ("-cert.pub", 0o644),
            _ => {
                let help = "use for example ed25519_private, ed25519_public, ed25519_certificate";
                remarks.warn_with_help(
                    value.at,
                    format!("unknown key `{key}`: it does nothing"),
                    help,
                );
                continue;
            }
        };
        let kind = parts.map_or("", |(kind, _)| kind);
        let path = format!("/etc/ssh/ssh_host_{kind}_key{suffix}");
        let mut text = value.text.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        assembly.add_file(AssembledFile::new(value.at, path.clone(), mode, text));
        if suffix == "-cert.pub" {
            certificates.push(PlacedText {
                at: value.at,
                text: path,
            });
        }
        let has_public = keys
            .iter()
            .any(|(other, _)| *other == format!("{kind}_public"));
        if suffix.is_empty() && !has_public {
            let help = format!("add {kind}_public");
            remarks.warn_with_help(
                value.at,
                "the public key is not made from the private one",
                help,
            );
        }
    }
    certificates
}
