//! From the tree that a language makes to a tree in the shape of the table of the config language.
//!
//! Languages give members their right types and names; anything else is dropped here as if it were not there, since a
//! tree must never hold what its type does not allow.

use super::node::{Content, Node, Scalar};
use crate::config::Version;
use crate::config::shape::{Field, Kind, ObjectType, ROOT};
use crate::config::tree::{Place, Tree, Value};

/// `node`, which has the names and types of `version`, as a config.
pub(crate) fn config(node: Node<'_>, version: Version) -> Tree<'_> {
    object(node, &ROOT, version)
}

fn object<'t>(node: Node<'t>, of: &'static ObjectType, version: Version) -> Tree<'t> {
    let at = place(node.at);
    let Content::Mapping(entries) = node.value else {
        return Tree {
            at,
            value: Value::Null,
        };
    };
    let mut members: Vec<(&'static Field, Tree<'t>)> = Vec::new();
    for entry in entries {
        let Some(field) = of.fields_in(version).find(|f| f.name == entry.key) else {
            continue;
        };
        let tree = value(entry.value, field.kind, version);
        match members.iter_mut().find(|(f, _)| f.name == field.name) {
            Some((_, earlier)) => *earlier = tree,
            None => members.push((field, tree)),
        }
    }
    let rank = |name: &str| of.fields.iter().position(|f| f.name == name);
    members.sort_by_key(|(field, _)| rank(field.name));
    let mut tree = Tree {
        at,
        value: Value::Object(members),
    };
    tree.fill_plain_texts(of, version);
    tree
}

fn value(node: Node<'_>, kind: Kind, version: Version) -> Tree<'_> {
    let at = place(node.at);
    let value = match (kind, node.value) {
        (Kind::Object(of), value) => {
            let node = Node { at: node.at, value };
            return object(node, of, version);
        }
        (Kind::Text, Content::Scalar(scalar)) if !scalar.is_null() => Value::Text(scalar.text),
        (Kind::Int, Content::Scalar(scalar)) => int(&scalar),
        (Kind::Bool, Content::Scalar(scalar)) => flag(&scalar),
        (Kind::Texts(_), Content::List(elements)) => Value::List(
            elements
                .into_iter()
                .map(|element| self::value(element, Kind::Text, version))
                .collect(),
        ),
        (Kind::Objects(of, _), Content::List(elements)) => Value::List(
            elements
                .into_iter()
                .map(|element| object(element, of, version))
                .collect(),
        ),
        _ => Value::Null,
    };
    Tree { at, value }
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
