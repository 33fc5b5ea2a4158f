//! The identity of list elements: equal ones must not repeat, and are paired when merging.

use super::spec_table::ListKey;
use super::tree::{Tree, Value};

/// What identifies an element.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum MergeKey<S> {
    Text(S),
    Number(i64),
    /// Partitions with neither number nor label.
    Empty,
}

impl MergeKey<&str> {
    pub(crate) fn into_owned(self) -> MergeKey<String> {
        match self {
            MergeKey::Text(text) => MergeKey::Text(text.to_owned()),
            MergeKey::Number(n) => MergeKey::Number(n),
            MergeKey::Empty => MergeKey::Empty,
        }
    }
}

/// The key of `element`; `None` if elements of such lists never pair.
pub(crate) fn key_of<'t>(element: &'t Tree<'_>, list_key: ListKey) -> Option<MergeKey<&'t str>> {
    match list_key {
        ListKey::None => None,
        ListKey::Itself => Some(MergeKey::Text(element.text())),
        ListKey::Member(name) => Some(MergeKey::Text(element.member_text(name))),
        ListKey::Header => Some(MergeKey::Text(element.member_text("name"))),
        ListKey::Partition => Some(partition_key(element)),
    }
}

/// The number; without one the label, which never equals a number.
fn partition_key<'t>(partition: &'t Tree<'_>) -> MergeKey<&'t str> {
    match partition.member("number").map(|n| &n.value) {
        Some(Value::Int(n)) if *n != 0 => return MergeKey::Number(*n),
        _ => {}
    }
    match partition.member("label").map(|l| &l.value) {
        Some(Value::Text(label)) => MergeKey::Text(label),
        _ => MergeKey::Empty,
    }
}
