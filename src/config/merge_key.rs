//! When two elements of a list are the same: they must not repeat, and they pair when merging.

use super::spec_table::ListKey;
use super::tree::{Tree, Value};

/// What identifies an element.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key<S> {
    Text(S),
    Number(i64),
    /// Partitions with neither number nor label.
    Empty,
}

impl Key<&str> {
    pub(crate) fn into_owned(self) -> Key<String> {
        match self {
            Key::Text(text) => Key::Text(text.to_owned()),
            Key::Number(n) => Key::Number(n),
            Key::Empty => Key::Empty,
        }
    }
}

/// The key of `element`; `None` if elements of such lists never pair.
pub(crate) fn key_of<'t>(element: &'t Tree<'_>, by: ListKey) -> Option<Key<&'t str>> {
    match by {
        ListKey::None => None,
        ListKey::Itself => Some(Key::Text(element.text())),
        ListKey::Member(name) => Some(Key::Text(element.member_text(name))),
        ListKey::Header => Some(Key::Text(element.member_text("name"))),
        ListKey::Partition => Some(partition_key(element)),
    }
}

/// The number; without one the label, which never meets a number.
fn partition_key<'t>(partition: &'t Tree<'_>) -> Key<&'t str> {
    match partition.member("number").map(|n| &n.value) {
        Some(Value::Int(n)) if *n != 0 => return Key::Number(*n),
        _ => {}
    }
    match partition.member("label").map(|l| &l.value) {
        Some(Value::Text(label)) => Key::Text(label),
        _ => Key::Empty,
    }
}
