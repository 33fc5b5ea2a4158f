//! Converts the tree of a language to one that follows the table of the config language.
//!
//! Languages give members their right types and names; anything else is dropped here as if it were absent, since a tree
//! must never hold what its type does not allow.

use super::node::{Node, NodeContent, Scalar};
use crate::config::Version;
use crate::config::spec_table::{FILE, Field, Kind, ObjectType, ROOT};
use crate::config::tree::{Place, Tree, Value};
use crate::text::{find_in_turn, is_same_name};

/// `node`, which has the names and types of `version`, as a config.
pub(crate) fn config(node: Node<'_>, version: Version) -> Tree<'_> {
    let shape = VersionShape {
        version,
        fills_defaults: true,
    };
    shape.object(node, &ROOT)
}

/// [`config`] without the default texts of absent members, for merging.
pub(crate) fn part(node: Node<'_>, version: Version) -> Tree<'_> {
    let shape = VersionShape {
        version,
        fills_defaults: false,
    };
    shape.object(node, &ROOT)
}

/// One file of a [`config`].
pub(crate) fn file(node: Node<'_>, version: Version) -> Tree<'_> {
    let shape = VersionShape {
        version,
        fills_defaults: true,
    };
    shape.object(node, &FILE)
}

/// The reverse: a config as a node.
pub(crate) fn node(tree: Tree<'_>) -> Node<'_> {
    let at = tree.at.offset;
    match tree.value {
        Value::Null | Value::MismatchedValue(_) => Node::null(at),
        Value::Bool(value) => Node::flag(at, value),
        Value::Int(number) => Node::int(at, number),
        Value::Text(text) => Node::text(at, text),
        Value::List(elements) => Node::list(at, elements.into_iter().map(node).collect()),
        Value::Object(members) => members
            .into_iter()
            .fold(Node::mapping(at), |mapping, (field, tree)| {
                mapping.with(field.name, node(tree))
            }),
    }
}

#[derive(Clone, Copy)]
struct VersionShape {
    version: Version,
    fills_defaults: bool,
}

impl VersionShape {
    fn object<'t>(self, node: Node<'t>, of: &'static ObjectType) -> Tree<'t> {
        let at = place(node.at);
        let NodeContent::Mapping(mut entries) = node.value else {
            return Tree {
                at,
                value: Value::Null,
            };
        };
        let mut next = 0;
        let mut members: Vec<(&'static Field, Tree<'t>)> = Vec::with_capacity(entries.len());
        for entry in &mut entries {
            let is_match =
                |f: &Field| is_same_name(f.name, &entry.key) && f.since() <= self.version;
            if let Some(field) = find_in_turn(of.fields, &mut next, is_match) {
                members.push((field, self.value(entry.value.take(), field.kind)));
            }
        }
        // Put them in the order of the table, which is that of its addresses. Of repeated members the last one is used.
        members.sort_by_key(|(field, _)| std::ptr::from_ref(*field).addr());
        members.dedup_by(|later, earlier| {
            let is_same = std::ptr::eq(later.0, earlier.0);
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        let mut tree = Tree {
            at,
            value: Value::Object(members),
        };
        if self.fills_defaults {
            tree.fill_plain_texts(of, self.version);
        }
        tree
    }

    fn value<'t>(self, node: Node<'t>, kind: Kind) -> Tree<'t> {
        let at = place(node.at);
        let value = match (kind, node.value) {
            (Kind::Object(of), value) => {
                let node = Node { at: node.at, value };
                return self.object(node, of);
            }
            (Kind::Text, NodeContent::Scalar(scalar)) if !scalar.is_null() => {
                Value::Text(scalar.text)
            }
            (Kind::Int, NodeContent::Scalar(scalar)) => int(&scalar),
            (Kind::Bool, NodeContent::Scalar(scalar)) => flag(&scalar),
            (Kind::Texts(_), NodeContent::List(elements)) => Value::List(
                elements
                    .into_iter()
                    .map(|element| self.value(element, Kind::Text))
                    .collect(),
            ),
            (Kind::Objects(of, _), NodeContent::List(elements)) => Value::List(
                elements
                    .into_iter()
                    .map(|element| self.object(element, of))
                    .collect(),
            ),
            _ => Value::Null,
        };
        Tree { at, value }
    }
}

fn int(scalar: &Scalar<'_>) -> Value<'static> {
    scalar.text.parse().map_or(Value::Null, Value::Int)
}

fn flag(scalar: &Scalar<'_>) -> Value<'static> {
    match &*scalar.text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Value::Null,
    }
}

fn place(offset: u32) -> Place {
    Place { source: 0, offset }
}
