//! State and rules that the parts of the translation share.

use super::fields::Fields;
use super::version::OldVersion;
use crate::config::{MAX_PATH_BYTES, Severity};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::surroundings::Surroundings;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// The translation of one config.
pub(super) struct OldTranslation<'s> {
    /// The offset at which each text of the config begins, and its version.
    pub(super) versions: &'s [(u32, OldVersion)],
    pub(super) surroundings: &'s Surroundings<'s>,
    pub(super) remarks: &'s mut Remarks,
}

impl OldTranslation<'_> {
    /// The version of the text that `node` is in.
    pub(super) fn version_of(&self, node: &Node<'_>) -> OldVersion {
        let after = self
            .versions
            .partition_point(|(start, _)| *start <= node.at);
        let text = self.versions.get(after.saturating_sub(1));
        text.map_or(OldVersion::V2_4, |(_, version)| *version)
    }

    /// True if `node` is written in `version` or a later one.
    pub(super) fn is_since(&self, node: &Node<'_>, version: OldVersion) -> bool {
        self.version_of(node) >= version
    }

    pub(super) fn error(&mut self, at: u32, message: impl Into<String>) {
        self.remarks.error(at, message);
    }

    pub(super) fn error_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.remarks.error_with_help(at, message, help);
    }

    pub(super) fn warn(&mut self, at: u32, message: impl Into<String>, help: impl Into<String>) {
        self.remarks.warn_with_help(at, message, help);
    }

    /// Warns of something that the old converters reject or get wrong; in strict mode, that is an error.
    pub(super) fn warn_of_extension(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        match self.surroundings.is_strict {
            true => self
                .remarks
                .error_with_help(at, strict_message(message), help),
            false => self.remarks.warn_with_help(at, message, help),
        }
    }

    /// Reports that the values at `at` and `other` exclude each other.
    pub(super) fn report_conflict(
        &mut self,
        at: u32,
        other: u32,
        message: impl Into<String>,
        help: &str,
    ) {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.remarks
            .add_about_two(Severity::Error, (at, other), message, help);
    }

    /// Warns that the value at `at` is merged with the one at `other`, which the old converters do not do; in strict
    /// mode, that is an error.
    pub(super) fn warn_of_merge(
        &mut self,
        at: u32,
        other: u32,
        message: impl Into<String>,
        help: &str,
    ) {
        match self.surroundings.is_strict {
            true => self.report_conflict(at, other, strict_message(message), help),
            false => self.warn_of_repetition(at, other, message, help),
        }
    }

    /// Warns that the value at `at` repeats the one at `other`.
    pub(super) fn warn_of_repetition(
        &mut self,
        at: u32,
        other: u32,
        message: impl Into<String>,
        help: &str,
    ) {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.remarks
            .add_about_two(Severity::Warning, (at, other), message, help);
    }

    /// Checks that text `key` of `node` is an absolute path; messages call it `what`. True if it is.
    pub(super) fn check_absolute(&mut self, node: &Node<'_>, key: &str, what: &str) -> bool {
        let path = node.text_of(key);
        let at = node.at_of(key);
        if path.is_empty() {
            self.error(at, format!("{what} is required"));
        } else if !path.starts_with('/') {
            self.error(at, format!("{what} must be absolute"));
        } else if path.len() > MAX_PATH_BYTES {
            let message = format!("{what} has more than {MAX_PATH_BYTES} bytes");
            self.error(at, message);
        } else {
            return true;
        }
        false
    }
}

/// The message for something that is rejected only in strict mode.
pub(super) fn strict_message(message: impl Into<String>) -> String {
    format!("{}; this is refused, as extensions are off", message.into())
}

/// Keys with the offsets of their first occurrences.
pub(super) struct FirstOffsets<K>(HashMap<K, u32>);

impl<K: Hash + Eq> FirstOffsets<K> {
    pub(super) fn new() -> Self {
        FirstOffsets(HashMap::new())
    }

    /// The offset at which `key` occurred first; `None` if this is its first occurrence, which is recorded.
    pub(super) fn record(&mut self, key: K, at: u32) -> Option<u32> {
        match self.0.entry(key) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(free) => {
                free.insert(at);
                None
            }
        }
    }
}

/// The part after the last dot of the last component of a path.
pub(super) fn extension(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// True if two values are equal, regardless of their offsets.
pub(super) fn is_same(a: &Node<'_>, b: &Node<'_>) -> bool {
    let entries = (a.entries(), b.entries());
    let elements = (a.elements(), b.elements());
    let texts = (a.as_scalar(), b.as_scalar());
    entries.0.len() == entries.1.len()
        && elements.0.len() == elements.1.len()
        && texts.0.map(|s| (&s.text, s.style)) == texts.1.map(|s| (&s.text, s.style))
        && (entries.0.iter()).all(|e| b.get(&e.key).is_some_and(|other| is_same(&e.value, other)))
        && (elements.0.iter().zip(elements.1)).all(|(x, y)| is_same(x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions() {
        let cases = [
            ("a.service", "service"),
            ("a.b.conf", "conf"),
            ("a", ""),
            ("", ""),
            (".conf", "conf"),
            ("a.service/b", ""),
            ("a.", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(extension(name), expected, "{name}");
        }
    }
}
