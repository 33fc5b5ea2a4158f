//! A text as a tree of values with offsets, in whatever language it is written.
//!
//! What scalars mean is up to the language: `0644` is a text in one member and a number in another. A language turns a
//! document into a tree of the same kind, in which each value keeps the offset of its origin.

use crate::text::is_same_name;
use std::borrow::Cow;

/// A value with its offset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node<'t> {
    /// Offset of its first byte in the text. For a mapping in block style, that is its first key.
    pub(crate) at: u32,
    pub(crate) value: NodeContent<'t>,
}

/// The content of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NodeContent<'t> {
    Scalar(Scalar<'t>),
    List(Vec<Node<'t>>),
    /// In the order of the text. Languages decide what repeated keys mean.
    Mapping(Vec<MappingEntry<'t>>),
}

/// A member of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MappingEntry<'t> {
    /// The text of the key. Keys that are not scalars are syntax errors.
    pub(crate) key: Cow<'t, str>,
    /// Offset of the key.
    pub(crate) key_at: u32,
    pub(crate) value: Node<'t>,
}

/// A scalar as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar<'t> {
    /// Without quotes, with escapes and folds resolved.
    pub(crate) text: Cow<'t, str>,
    pub(crate) style: Style,
    /// The part of a tag after `!!`, or a whole local tag.
    pub(crate) tag: Option<Box<str>>,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: its spelling decides its type.
    Plain,
    /// In quotes, or as a block: a text.
    Quoted,
}

impl<'t> Node<'t> {
    /// A text, whatever it looks like.
    pub(crate) fn text(at: u32, text: impl Into<Cow<'t, str>>) -> Self {
        Self::scalar(at, text.into(), Style::Quoted)
    }

    /// A number, a flag or null, as JSON spells it.
    pub(crate) fn plain(at: u32, text: impl Into<Cow<'t, str>>) -> Self {
        Self::scalar(at, text.into(), Style::Plain)
    }

    /// A number.
    pub(crate) fn int(at: u32, number: i64) -> Self {
        Self::plain(at, number.to_string())
    }

    pub(crate) fn flag(at: u32, value: bool) -> Self {
        Self::plain(at, if value { "true" } else { "false" })
    }

    /// A null.
    pub(crate) fn null(at: u32) -> Self {
        Self::plain(at, "null")
    }

    /// A list of `elements`.
    pub(crate) fn list(at: u32, elements: Vec<Node<'t>>) -> Self {
        Node {
            at,
            value: NodeContent::List(elements),
        }
    }

    /// A mapping without entries; see [`Node::set`].
    pub(crate) fn mapping(at: u32) -> Self {
        Node {
            at,
            value: NodeContent::Mapping(Vec::new()),
        }
    }

    fn scalar(at: u32, text: Cow<'t, str>, style: Style) -> Self {
        Node {
            at,
            value: NodeContent::Scalar(Scalar {
                text,
                style,
                tag: None,
            }),
        }
    }

    /// Appends an entry to a mapping; its key gets the offset of the value. Does nothing to other nodes.
    pub(crate) fn set(&mut self, key: impl Into<Cow<'t, str>>, value: Node<'t>) {
        if let NodeContent::Mapping(entries) = &mut self.value {
            entries.push(MappingEntry {
                key: key.into(),
                key_at: value.at,
                value,
            });
        }
    }

    /// Maps all offsets by `place`. Recurses as deep as a document can be.
    pub(crate) fn relocate(&mut self, place: &dyn Fn(u32) -> u32) {
        self.at = place(self.at);
        match &mut self.value {
            NodeContent::Scalar(_) => {}
            NodeContent::List(elements) => {
                elements.iter_mut().for_each(|node| node.relocate(place))
            }
            NodeContent::Mapping(entries) => entries.iter_mut().for_each(|entry| {
                entry.key_at = place(entry.key_at);
                entry.value.relocate(place);
            }),
        }
    }

    /// The same with owned texts. Recurses as deep as a document can be.
    pub(crate) fn into_owned(self) -> Node<'static> {
        let value = match self.value {
            NodeContent::Scalar(scalar) => NodeContent::Scalar(Scalar {
                text: Cow::Owned(scalar.text.into_owned()),
                style: scalar.style,
                tag: scalar.tag,
            }),
            NodeContent::List(elements) => {
                NodeContent::List(elements.into_iter().map(Node::into_owned).collect())
            }
            NodeContent::Mapping(entries) => {
                let entries = entries.into_iter().map(|entry| MappingEntry {
                    key: Cow::Owned(entry.key.into_owned()),
                    key_at: entry.key_at,
                    value: entry.value.into_owned(),
                });
                NodeContent::Mapping(entries.collect())
            }
        };
        Node { at: self.at, value }
    }

    /// An owned copy of a part of another text, with its offsets mapped by `place`.
    pub(crate) fn detached(mut self, place: &dyn Fn(u32) -> u32) -> Node<'static> {
        self.relocate(place);
        self.into_owned()
    }

    /// Takes the value out and leaves a null.
    pub(crate) fn take(&mut self) -> Node<'t> {
        let null = Node::null(self.at);
        std::mem::replace(self, null)
    }

    /// Removes all entries of `key` from a mapping and returns the value of the last one.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Node<'t>> {
        let NodeContent::Mapping(entries) = &mut self.value else {
            return None;
        };
        let mut removed = None;
        while let Some(index) = entries
            .iter()
            .position(|entry| is_same_name(&entry.key, key))
        {
            removed = Some(entries.remove(index).value);
        }
        removed
    }

    /// [`Node::set`] for method chains.
    #[must_use]
    pub(crate) fn with(mut self, key: impl Into<Cow<'t, str>>, value: Node<'t>) -> Self {
        self.set(key, value);
        self
    }

    /// The value of `key` in a mapping; of a repeated key, the last one.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.entries()
            .iter()
            .rev()
            .find(|entry| is_same_name(&entry.key, key))
            .map(|entry| &entry.value)
    }

    /// Mutable [`Node::get`].
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node<'t>> {
        match &mut self.value {
            NodeContent::Mapping(entries) => entries
                .iter_mut()
                .rev()
                .find(|entry| is_same_name(&entry.key, key))
                .map(|entry| &mut entry.value),
            _ => None,
        }
    }

    /// The value that the nested keys of `path` lead to.
    pub(crate) fn at_path(&self, path: &[&str]) -> Option<&Node<'t>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Mutable [`Node::at_path`].
    pub(crate) fn at_path_mut(&mut self, path: &[&str]) -> Option<&mut Node<'t>> {
        path.iter().try_fold(self, |node, key| node.get_mut(key))
    }

    /// The mutable elements of a list; of anything else, none.
    pub(crate) fn elements_mut(&mut self) -> &mut [Node<'t>] {
        match &mut self.value {
            NodeContent::List(elements) => elements,
            _ => &mut [],
        }
    }

    /// The text of a scalar; empty for anything else.
    pub(crate) fn as_text(&self) -> &str {
        self.as_scalar().map_or("", |scalar| &scalar.text)
    }

    /// The text of the scalar at `key`; empty if there is none.
    pub(crate) fn text_at(&self, key: &str) -> &str {
        self.get(key).map_or("", Node::as_text)
    }

    /// The entries of a mapping; of anything else, none.
    pub(crate) fn entries(&self) -> &[MappingEntry<'t>] {
        match &self.value {
            NodeContent::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; of anything else, none.
    pub(crate) fn elements(&self) -> &[Node<'t>] {
        match &self.value {
            NodeContent::List(elements) => elements,
            _ => &[],
        }
    }

    /// The scalar, if this is one.
    pub(crate) fn as_scalar(&self) -> Option<&Scalar<'t>> {
        match &self.value {
            NodeContent::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// True for null in its spellings (nothing, `~`, `null`), unquoted.
    pub(crate) fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// Its type with an article, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            NodeContent::Scalar(_) if self.is_null() => "null",
            NodeContent::Scalar(_) => "a scalar",
            NodeContent::List(_) => "a list",
            NodeContent::Mapping(_) => "a mapping",
        }
    }
}

impl Scalar<'_> {
    /// True for null in its spellings, unquoted and without a tag that makes it a text.
    pub(crate) fn is_null(&self) -> bool {
        let is_text = self.tag.as_deref() == Some("str");
        self.style == Style::Plain
            && !is_text
            && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}
