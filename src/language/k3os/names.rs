//! The keys of a k3OS config and their spellings.

use crate::language::findings::Remarks;
use crate::language::node::{MappingEntry, Node, NodeContent};
use crate::text::{did_you_mean, most_similar};

pub(super) struct K3osKey {
    /// In snake_case.
    pub(super) name: &'static str,
    pub(super) kind: K3osValueKind,
    /// Other names for it.
    aliases: &'static [&'static str],
}

/// The type of a key's value.
pub(super) enum K3osValueKind {
    Text,
    Flag,
    Texts,
    /// Texts by names that the user chooses.
    Map,
    Object(&'static [K3osKey]),
    Objects(&'static [K3osKey]),
}

const fn key(name: &'static str, kind: K3osValueKind) -> K3osKey {
    K3osKey {
        name,
        kind,
        aliases: &[],
    }
}

/// The whole config.
pub(super) static ROOT: &[K3osKey] = &[
    key("ssh_authorized_keys", K3osValueKind::Texts),
    key("write_files", K3osValueKind::Objects(WRITE_FILE)),
    key("hostname", K3osValueKind::Text),
    key("k3os", K3osValueKind::Object(K3OS)),
    key("init_cmd", K3osValueKind::Texts),
    key("boot_cmd", K3osValueKind::Texts),
    key("run_cmd", K3osValueKind::Texts),
];

static WRITE_FILE: &[K3osKey] = &[
    key("path", K3osValueKind::Text),
    key("content", K3osValueKind::Text),
    key("encoding", K3osValueKind::Text),
    key("permissions", K3osValueKind::Text),
    key("owner", K3osValueKind::Text),
];

static K3OS: &[K3osKey] = &[
    key("data_sources", K3osValueKind::Texts),
    key("modules", K3osValueKind::Texts),
    key("sysctls", K3osValueKind::Map),
    key("ntp_servers", K3osValueKind::Texts),
    key("dns_nameservers", K3osValueKind::Texts),
    key("wifi", K3osValueKind::Objects(WIFI)),
    key("password", K3osValueKind::Text),
    key("server_url", K3osValueKind::Text),
    key("token", K3osValueKind::Text),
    key("labels", K3osValueKind::Map),
    key("k3s_args", K3osValueKind::Texts),
    key("environment", K3osValueKind::Map),
    key("taints", K3osValueKind::Texts),
    key("install", K3osValueKind::Object(INSTALL)),
];

static WIFI: &[K3osKey] = &[
    key("name", K3osValueKind::Text),
    K3osKey {
        aliases: &["pass", "password"],
        ..key("passphrase", K3osValueKind::Text)
    },
];

static INSTALL: &[K3osKey] = &[
    key("device", K3osValueKind::Text),
    key("config_url", K3osValueKind::Text),
    key("iso_url", K3osValueKind::Text),
    key("silent", K3osValueKind::Flag),
    key("force_efi", K3osValueKind::Flag),
    key("power_off", K3osValueKind::Flag),
    key("no_format", K3osValueKind::Flag),
    key("debug", K3osValueKind::Flag),
    key("tty", K3osValueKind::Text),
];

/// The key of `keys` that `written` is a spelling of: snake_case, camelCase in any capitalisation, all in lower case,
/// and each of them without a final `s`.
pub(super) fn find<'k>(keys: &'k [K3osKey], written: &str) -> Option<&'k K3osKey> {
    let squashed_written = written.to_ascii_lowercase();
    keys.iter().find(|key| {
        let names = std::iter::once(key.name).chain(key.aliases.iter().copied());
        let mut names = names.flat_map(|name| [Some(name), name.strip_suffix('s')]);
        names.any(|name| {
            let Some(name) = name else { return false };
            written == name || (!written.contains('_') && squashed_written == squash(name))
        })
    })
}

fn squash(name: &str) -> String {
    name.replace('_', "")
}

/// The key most similar to `written`, if it is similar enough.
pub(super) fn closest(keys: &'static [K3osKey], written: &str) -> Option<&'static str> {
    let written = squash(&written.replace('-', "_").to_ascii_lowercase());
    let candidates = keys.iter().map(|key| (squash(key.name), key.name));
    most_similar(&written, candidates)
}

/// `node` with every known key in snake_case; unknown keys are dropped with a warning.
///
/// A key in two spellings is an error, since it was never defined which one counts; the same spelling twice is a
/// warning, and the last one is used. Keys without a value are kept, since they remove what an earlier source states;
/// [`without_nulls`] drops them once all sources are merged.
pub(super) fn canonical<'t>(
    node: Node<'t>,
    of: &'static [K3osKey],
    remarks: &mut Remarks,
) -> Node<'t> {
    let at = node.at;
    let NodeContent::Mapping(entries) = node.value else {
        return node;
    };
    let mut kept: Vec<(MappingEntry<'t>, String)> = Vec::new();
    for mut entry in entries {
        let Some(key) = find(of, &entry.key) else {
            warn_of_unknown_key(&entry, of, remarks);
            continue;
        };
        let written = std::mem::replace(&mut entry.key, key.name.into()).into_owned();
        entry.value = match (&key.kind, entry.value.value) {
            (K3osValueKind::Object(of), value) => {
                let at = entry.value.at;
                canonical(Node { at, value }, of, remarks)
            }
            (K3osValueKind::Objects(of), NodeContent::List(elements)) => {
                let elements = elements.into_iter().map(|one| canonical(one, of, remarks));
                Node::list(entry.value.at, elements.collect())
            }
            (_, value) => Node {
                at: entry.value.at,
                value,
            },
        };
        match kept.iter_mut().find(|(earlier, _)| earlier.key == key.name) {
            Some(_) if entry.value.is_null() => {}
            Some((earlier, _)) if earlier.value.is_null() => *earlier = entry,
            Some((_, spelling)) if *spelling != written => remarks.error_with_help(
                entry.value.at,
                format!("`{written}` and `{spelling}` are spellings of one key"),
                format!("keep one of them: `{}`", key.name),
            ),
            Some((earlier, _)) => *earlier = entry,
            None => kept.push((entry, written)),
        }
    }
    let entries = kept.into_iter().map(|(entry, _)| entry).collect();
    Node {
        at,
        value: NodeContent::Mapping(entries),
    }
}

fn warn_of_unknown_key(entry: &MappingEntry<'_>, of: &'static [K3osKey], remarks: &mut Remarks) {
    let message = format!("unknown key `{}`: it does nothing", entry.key);
    /// With this many findings, misspelled keys are not the problem.
    const MAX_FINDINGS: usize = 200;
    let best = closest(of, &entry.key).filter(|_| remarks.count() < MAX_FINDINGS);
    match best {
        Some(name) => {
            remarks.warn_with_help(entry.value.at, message, did_you_mean(name));
        }
        None => remarks.warn(entry.value.at, message),
    }
}

/// `node`, which has canonical keys, without those that have no value.
pub(super) fn without_nulls<'t>(node: Node<'t>, of: &'static [K3osKey]) -> Node<'t> {
    let at = node.at;
    let NodeContent::Mapping(entries) = node.value else {
        return node;
    };
    let entries = entries.into_iter().filter(|entry| !entry.value.is_null());
    let entries = entries.map(|mut entry| {
        let value = std::mem::replace(&mut entry.value, Node::null(at));
        entry.value = match find(of, &entry.key).map(|key| &key.kind) {
            Some(K3osValueKind::Object(of)) => without_nulls(value, of),
            Some(K3osValueKind::Objects(of)) => match value.value {
                NodeContent::List(elements) => {
                    let elements = elements.into_iter().map(|one| without_nulls(one, of));
                    Node::list(value.at, elements.collect())
                }
                content => Node {
                    at: value.at,
                    value: content,
                },
            },
            _ => value,
        };
        entry
    });
    Node {
        at,
        value: NodeContent::Mapping(entries.collect()),
    }
}

/// `over` merged over `base`: objects key by key, everything else as a whole.
pub(super) fn merge<'t>(base: Node<'t>, over: Node<'t>, of: &'static [K3osKey]) -> Node<'t> {
    let (NodeContent::Mapping(mut merged), NodeContent::Mapping(entries)) =
        (base.value, over.value.clone())
    else {
        return over;
    };
    for entry in entries {
        let key = find(of, &entry.key);
        match merged.iter_mut().find(|earlier| earlier.key == entry.key) {
            None => merged.push(entry),
            Some(earlier) => match key.map(|key| &key.kind) {
                Some(K3osValueKind::Object(of)) => {
                    let base = std::mem::replace(&mut earlier.value, Node::null(over.at));
                    earlier.value = merge(base, entry.value, of);
                }
                _ => *earlier = entry,
            },
        }
    }
    Node {
        at: over.at,
        value: NodeContent::Mapping(merged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let root = [
            ("ssh_authorized_keys", Some("ssh_authorized_keys")),
            ("sshAuthorizedKeys", Some("ssh_authorized_keys")),
            ("sshauthorizedkey", Some("ssh_authorized_keys")),
            ("sshAuthorizedKey", Some("ssh_authorized_keys")),
            ("SSH_AUTHORIZED_KEYS", None),
            ("runcmd", Some("run_cmd")),
            ("runCmd", Some("run_cmd")),
            ("run_cmds", None),
            ("run-cmd", None),
            ("write_file", Some("write_files")),
            ("host_name", None),
        ];
        for (written, want) in root {
            assert_eq!(find(ROOT, written).map(|key| key.name), want, "{written}");
        }
        let k3os = [
            ("serverURL", Some("server_url")),
            ("k3sarg", Some("k3s_args")),
            ("dnsNameserver", Some("dns_nameservers")),
            ("datasource", Some("data_sources")),
            ("taint", Some("taints")),
            ("environments", None),
            ("passphrase", None),
        ];
        for (written, want) in k3os {
            assert_eq!(find(K3OS, written).map(|key| key.name), want, "{written}");
        }
        assert_eq!(find(WIFI, "pass").map(|k| k.name), Some("passphrase"));
        assert_eq!(closest(ROOT, "run-cmd"), Some("run_cmd"));
        assert_eq!(closest(ROOT, "zzz"), None);
    }
}
