//! Members of decoded objects: what is absent is empty, zero or false where that is the same.

use crate::language::node::Node;
use std::collections::HashSet;

/// Access to the members of a decoded object.
pub(super) trait Fields<'t> {
    /// The text of member `key`; empty if it is absent.
    fn text_of(&self, key: &str) -> &str;
    /// The number of member `key`.
    fn int_of(&self, key: &str) -> Option<i64>;
    /// True if member `key` is present and true.
    fn is_true(&self, key: &str) -> bool;
    /// The flag of member `key`.
    fn flag_of(&self, key: &str) -> Option<bool>;
    /// The elements of list `key`.
    fn items(&self, key: &str) -> &[Node<'t>];
    /// The object `key`.
    fn inner(&self, key: &str) -> &Node<'t>;
    /// The offset of member `key`; that of the object if it is absent.
    fn at_of(&self, key: &str) -> u32;
    /// The text of a scalar.
    fn as_text(&self) -> &str;
    /// Adds a copy of member `key` of `from`, if it is present.
    fn copy(&mut self, from: &Node<'t>, key: &'static str);
    /// Adds a copy of text `key` of `from`, or an empty text if it is absent.
    fn copy_or_empty(&mut self, from: &Node<'t>, key: &'static str);
    /// Adds a copy of text `key` of `from`, if it is not empty.
    fn copy_text(&mut self, from: &Node<'t>, key: &'static str);
    /// Adds a copy of flag `key` of `from`, if it is true.
    fn copy_flag_if_true(&mut self, from: &Node<'t>, key: &'static str);
    /// Adds a copy of list `key` of `from`, if it has elements.
    fn copy_list(&mut self, from: &Node<'t>, key: &'static str);
    /// Adds a list of `elements` with the offset `at`, if there are any.
    fn set_list(&mut self, key: &'static str, at: u32, elements: Vec<Node<'t>>);
    /// Adds the mapping `object`, unless it is empty.
    fn set_object(&mut self, key: &'static str, object: Node<'t>);
}

static ABSENT: Node<'static> = Node {
    at: 0,
    value: crate::language::node::NodeContent::Mapping(Vec::new()),
};

impl<'t> Fields<'t> for Node<'t> {
    fn text_of(&self, key: &str) -> &str {
        self.get(key).map_or("", Fields::as_text)
    }

    fn int_of(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_text().parse().ok()
    }

    fn is_true(&self, key: &str) -> bool {
        self.flag_of(key) == Some(true)
    }

    fn flag_of(&self, key: &str) -> Option<bool> {
        self.get(key).map(|flag| flag.as_text() == "true")
    }

    fn items(&self, key: &str) -> &[Node<'t>] {
        self.get(key).map_or(&[], Node::elements)
    }

    fn inner(&self, key: &str) -> &Node<'t> {
        self.get(key).unwrap_or(&ABSENT)
    }

    fn at_of(&self, key: &str) -> u32 {
        self.get(key).map_or(self.at, |member| member.at)
    }

    fn as_text(&self) -> &str {
        self.as_scalar().map_or("", |scalar| &scalar.text)
    }

    fn copy(&mut self, from: &Node<'t>, key: &'static str) {
        if let Some(member) = from.get(key) {
            self.set(key, member.clone());
        }
    }

    fn copy_or_empty(&mut self, from: &Node<'t>, key: &'static str) {
        match from.get(key) {
            Some(member) => self.set(key, member.clone()),
            None => self.set(key, Node::text(from.at, "")),
        }
    }

    fn copy_text(&mut self, from: &Node<'t>, key: &'static str) {
        if !from.text_of(key).is_empty() {
            self.copy(from, key);
        }
    }

    fn copy_flag_if_true(&mut self, from: &Node<'t>, key: &'static str) {
        if from.is_true(key) {
            self.copy(from, key);
        }
    }

    fn copy_list(&mut self, from: &Node<'t>, key: &'static str) {
        if !from.items(key).is_empty() {
            self.copy(from, key);
        }
    }

    fn set_list(&mut self, key: &'static str, at: u32, elements: Vec<Node<'t>>) {
        if !elements.is_empty() {
            self.set(key, Node::list(at, elements));
        }
    }

    fn set_object(&mut self, key: &'static str, object: Node<'t>) {
        if !object.entries().is_empty() {
            self.set(key, object);
        }
    }
}

/// The elements of a list of texts, without duplicates.
pub(super) fn unique<'t>(list: &[Node<'t>]) -> Vec<Node<'t>> {
    let mut seen = HashSet::new();
    let unique = list.iter().filter(|text| seen.insert(text.as_text()));
    unique.cloned().collect()
}
