//! The keys of a k3OS config and their spellings.

use crate::language::findings::Remarks;
use crate::language::node::{Content, Entry, Node};

/// A key.
pub(super) struct Key {
    /// In snake_case.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Other words for it.
    also: &'static [&'static str],
}

/// What a key has as its value.
pub(super) enum Kind {
    Text,
    Flag,
    Texts,
    /// Texts by names that are the user's.
    Map,
    Object(&'static [Key]),
    Objects(&'static [Key]),
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        also: &[],
    }
}

/// The whole config.
pub(super) static ROOT: &[Key] = &[
    key("ssh_authorized_keys", Kind::Texts),
    key("write_files", Kind::Objects(WRITE_FILE)),
    key("hostname", Kind::Text),
    key("k3os", Kind::Object(K3OS)),
    key("init_cmd", Kind::Texts),
    key("boot_cmd", Kind::Texts),
    key("run_cmd", Kind::Texts),
];

static WRITE_FILE: &[Key] = &[
    key("path", Kind::Text),
    key("content", Kind::Text),
    key("encoding", Kind::Text),
    key("permissions", Kind::Text),
    key("owner", Kind::Text),
];

static K3OS: &[Key] = &[
    key("data_sources", Kind::Texts),
    key("modules", Kind::Texts),
    key("sysctls", Kind::Map),
    key("ntp_servers", Kind::Texts),
    key("dns_nameservers", Kind::Texts),
    key("wifi", Kind::Objects(WIFI)),
    key("password", Kind::Text),
    key("server_url", Kind::Text),
    key("token", Kind::Text),
    key("labels", Kind::Map),
    key("k3s_args", Kind::Texts),
    key("environment", Kind::Map),
    key("taints", Kind::Texts),
    key("install", Kind::Object(INSTALL)),
];

static WIFI: &[Key] = &[
    key("name", Kind::Text),
    Key {
        also: &["pass", "password"],
        ..key("passphrase", Kind::Text)
    },
];

static INSTALL: &[Key] = &[
    key("device", Kind::Text),
    key("config_url", Kind::Text),
    key("iso_url", Kind::Text),
    key("silent", Kind::Flag),
    key("force_efi", Kind::Flag),
    key("power_off", Kind::Flag),
    key("no_format", Kind::Flag),
    key("debug", Kind::Flag),
    key("tty", Kind::Text),
];

/// The key of `keys` that `written` is a spelling of: snake_case, camelCase in any capitalisation, all in lower case,
/// and each of them without a final `s`.
pub(super) fn find<'k>(keys: &'k [Key], written: &str) -> Option<&'k Key> {
    let squashed_written = written.to_ascii_lowercase();
    keys.iter().find(|key| {
        let names = std::iter::once(key.name).chain(key.also.iter().copied());
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

/// The key that `written` is most like.
pub(super) fn closest(keys: &'static [Key], written: &str) -> Option<&'static str> {
    /// Names at least this alike are worth a suggestion.
    const ALIKE: f64 = 0.8;
    /// No key is longer than this, and comparing long ones takes time.
    const MAX_BYTES: usize = 40;
    if written.len() > MAX_BYTES {
        return None;
    }
    let written = squash(&written.replace('-', "_").to_ascii_lowercase());
    let names = keys.iter().map(|key| key.name);
    let ranked = names.map(|name| (strsim::jaro_winkler(&squash(name), &written), name));
    let best = ranked.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// `node` with every known key in snake_case; what is not known is warned of and left out.
///
/// A key in two spellings is an error, since which one counts was never told; the same spelling twice is a warning,
/// and the last one counts. Keys without a value are kept, since they take away what an earlier source says:
/// [`without_nulls`] is for when all sources are one.
pub(super) fn canonical<'t>(node: Node<'t>, of: &'static [Key], remarks: &mut Remarks) -> Node<'t> {
    let at = node.at;
    let Content::Mapping(entries) = node.value else {
        return node;
    };
    let mut kept: Vec<(Entry<'t>, String)> = Vec::new();
    for mut entry in entries {
        let Some(key) = find(of, &entry.key) else {
            unknown(&entry, of, remarks);
            continue;
        };
        let written = std::mem::replace(&mut entry.key, key.name.into()).into_owned();
        entry.value = match (&key.kind, entry.value.value) {
            (Kind::Object(of), value) => {
                let at = entry.value.at;
                canonical(Node { at, value }, of, remarks)
            }
            (Kind::Objects(of), Content::List(elements)) => {
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
        value: Content::Mapping(entries),
    }
}

fn unknown(entry: &Entry<'_>, of: &'static [Key], remarks: &mut Remarks) {
    let message = format!("unknown key `{}`: it does nothing", entry.key);
    /// Who has this many findings has other problems than a misspelling.
    const MAX_FINDINGS: usize = 200;
    let best = closest(of, &entry.key).filter(|_| remarks.count() < MAX_FINDINGS);
    match best {
        Some(name) => {
            remarks.warn_with_help(entry.value.at, message, format!("did you mean `{name}`?"));
        }
        None => remarks.warn(entry.value.at, message),
    }
}

/// `node`, which has canonical keys, without those that have no value.
pub(super) fn without_nulls<'t>(node: Node<'t>, of: &'static [Key]) -> Node<'t> {
    let at = node.at;
    let Content::Mapping(entries) = node.value else {
        return node;
    };
    let entries = entries.into_iter().filter(|entry| !entry.value.is_null());
    let entries = entries.map(|mut entry| {
        let value = std::mem::replace(&mut entry.value, Node::null(at));
        entry.value = match find(of, &entry.key).map(|key| &key.kind) {
            Some(Kind::Object(of)) => without_nulls(value, of),
            Some(Kind::Objects(of)) => match value.value {
                Content::List(elements) => {
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
        value: Content::Mapping(entries.collect()),
    }
}

/// `over` on top of `base`: objects key by key, everything else as a whole.
pub(super) fn merge<'t>(base: Node<'t>, over: Node<'t>, of: &'static [Key]) -> Node<'t> {
    let (Content::Mapping(mut merged), Content::Mapping(entries)) =
        (base.value, over.value.clone())
    else {
        return over;
    };
    for entry in entries {
        let key = find(of, &entry.key);
        match merged.iter_mut().find(|earlier| earlier.key == entry.key) {
            None => merged.push(entry),
            Some(earlier) => match key.map(|key| &key.kind) {
                Some(Kind::Object(of)) => {
                    let base = std::mem::replace(&mut earlier.value, Node::null(over.at));
                    earlier.value = merge(base, entry.value, of);
                }
                _ => *earlier = entry,
            },
        }
    }
    Node {
        at: over.at,
        value: Content::Mapping(merged),
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
