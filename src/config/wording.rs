//! The keys that messages name, in the language of the config.
//!
//! Rules and plans know only Ignition, and their messages name its keys. Where a config is written in another language,
//! these are replaced by the keys of that language.

use super::spec_table::{ObjectType, ROOT};
use super::suggest::snake_case;
use serde::{Deserialize, Serialize};

/// The language whose keys messages name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wording {
    #[default]
    Ignition,
    Butane,
    ContainerLinux,
    CloudInit,
    CoreosCloudinit,
    K3os,
}

/// Keys of Ignition, or paths of them, each with its equivalent in another language.
type Words = &'static [(&'static str, &'static str)];

const BUTANE: Words = &[("contents.source", "contents.inline")];

const CONTAINER_LINUX: Words = &[
    ("contents.source", "contents.inline"),
    ("sizeMiB", "size"),
    ("startMiB", "start"),
];

const CLOUD_INIT: Words = &[
    ("homeDir", "homedir"),
    ("mountOptions", "the options in mounts"),
    ("noCreateHome", "no_create_home"),
    ("noLogInit", "no_log_init"),
    ("noUserGroup", "no_user_group"),
    ("passwd.groups", "groups"),
    ("passwd.users", "users"),
    ("passwordHash", "hashed_passwd"),
    ("primaryGroup", "primary_group"),
    ("sizeMiB", "size"),
    ("sshAuthorizedKeys", "ssh_authorized_keys"),
    ("storage.disks", "disk_setup"),
    ("storage.files", "write_files"),
    ("storage.filesystems", "fs_setup"),
    ("wipeFilesystem", "overwrite in fs_setup"),
    ("wipeTable", "overwrite in disk_setup"),
];

const COREOS_CLOUDINIT: Words = &[
    ("homeDir", "homedir"),
    ("noCreateHome", "no_create_home"),
    ("noLogInit", "no_log_init"),
    ("noUserGroup", "no_user_group"),
    ("passwd.users", "users"),
    ("passwordHash", "passwd"),
    ("primaryGroup", "primary_group"),
    ("sshAuthorizedKeys", "ssh_authorized_keys"),
    ("storage.files", "write_files"),
    ("systemd.units", "coreos.units"),
];

const K3OS: Words = &[
    ("passwordHash", "password"),
    ("sshAuthorizedKeys", "ssh_authorized_keys"),
    ("storage.files", "write_files"),
];

impl Wording {
    fn words(self) -> Words {
        match self {
            Wording::Ignition => &[],
            Wording::Butane => BUTANE,
            Wording::ContainerLinux => CONTAINER_LINUX,
            Wording::CloudInit => CLOUD_INIT,
            Wording::CoreosCloudinit => COREOS_CLOUDINIT,
            Wording::K3os => K3OS,
        }
    }

    /// True if keys that are not listed are those of Ignition in snake case.
    fn is_snake_case(self) -> bool {
        matches!(self, Wording::Butane | Wording::ContainerLinux)
    }

    /// True if the language has octal numbers, so that messages show modes in octal.
    pub(crate) fn has_octal_numbers(self) -> bool {
        self != Wording::Ignition
    }

    /// Replaces the keys in `texts` by those of this language.
    pub(crate) fn reword<'t>(self, texts: impl IntoIterator<Item = &'t mut String>) {
        for text in texts {
            *text = self.apply(std::mem::take(text));
        }
    }

    /// `text` with the keys of this language.
    pub(crate) fn apply(self, text: String) -> String {
        if self == Wording::Ignition {
            return text;
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(is_in_word) {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c| !is_in_word(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            // The end of a sentence does not belong to its last word.
            let stem = word.trim_end_matches(['.', ':']);
            out.push_str(before);
            match self.word(stem) {
                Some(own) => out.push_str(&own),
                None => out.push_str(stem),
            }
            out.push_str(word.get(stem.len()..).unwrap_or_default());
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// The equivalent of `word` in this language, unless it is the same.
    fn word(self, word: &str) -> Option<String> {
        if let Some((_, own)) = self.words().iter().find(|(key, _)| *key == word) {
            return Some((*own).to_owned());
        }
        let is_candidate = self.is_snake_case() && word.contains(|c: char| c.is_ascii_uppercase());
        let is_known = |part: &str| is_key(&ROOT, part) || part.parse::<usize>().is_ok();
        if !is_candidate || !word.split('.').all(is_known) {
            return None;
        }
        let parts: Vec<String> = word.split('.').map(snake_case).collect();
        Some(parts.join("."))
    }
}

/// True for characters of keys and of paths of keys. Those of file names and URLs are included, so that no part of one
/// is mistaken for a key.
fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':' | '=' | '@' | '%' | '\\')
}

/// True for a member of `ty`, or of what is in it.
fn is_key(ty: &'static ObjectType, name: &str) -> bool {
    let mut inner = ty.fields.iter().filter_map(|field| field.object_type());
    ty.field(name).is_some() || inner.any(|inner| is_key(inner, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_exchanged_and_nothing_else() {
        let cases = [
            (
                "set wipeTable, or `wipeFilesystem`.",
                "set wipe_table, or `wipe_filesystem`.",
            ),
            (
                "give contents.source; or not",
                "give contents.inline; or not",
            ),
            (
                "raise ignition.timeouts.httpTotal",
                "raise ignition.timeouts.http_total",
            ),
            (
                "same value as kernelArguments.shouldExist.0",
                "same value as kernel_arguments.should_exist.0",
            ),
            ("\"passwordHash\": \"\"", "\"password_hash\": \"\""),
            ("set sizeMiB: at most 5", "set size_mib: at most 5"),
            // Names of the user, and words that are not keys.
            ("/etc/wipeTable is", "/etc/wipeTable is"),
            (
                "unit wipeTable@sizeMiB.service",
                "unit wipeTable@sizeMiB.service",
            ),
            ("fooBar and UUID", "fooBar and UUID"),
            ("write /sizeMiB", "write /sizeMiB"),
            ("é wipeTable é", "é wipe_table é"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(Wording::Butane.apply(text.to_owned()), expected);
            assert_eq!(Wording::Ignition.apply(text.to_owned()), text);
        }
    }

    #[test]
    fn hints_are_in_the_words_of_their_language() {
        let cases = [
            (
                Wording::Butane,
                "set wipe_table or size_mib, or give another home_dir",
            ),
            (
                Wording::ContainerLinux,
                "set wipe_table or size, or give another home_dir",
            ),
            (
                Wording::CloudInit,
                "set overwrite in disk_setup or size, or give another homedir",
            ),
            (
                Wording::CoreosCloudinit,
                "set wipeTable or sizeMiB, or give another homedir",
            ),
        ];
        for (wording, want) in cases {
            let hint = "set wipeTable or sizeMiB, or give another homeDir".to_owned();
            assert_eq!(wording.apply(hint), want);
        }
    }

    #[test]
    fn words_stand_for_keys_of_ignition() {
        for words in [BUTANE, CONTAINER_LINUX, CLOUD_INIT, COREOS_CLOUDINIT, K3OS] {
            for (word, own) in words {
                assert!(word.split('.').all(|part| is_key(&ROOT, part)), "{word}");
                assert_ne!(word, own);
            }
        }
    }
}
