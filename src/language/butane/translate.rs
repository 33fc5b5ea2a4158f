//! Translates what has the same meaning in Ignition: names change, texts and local files become URLs. Sugar is left
//! out.

use super::children;
use super::context::ButaneContext;
use super::fields::{AUTHORITY, ButaneField, ButaneFieldKind, REFERENCE, RESOURCE, Type};
use super::names;
use crate::language::node::{Node, NodeContent, Scalar};
use crate::text::{find_in_turn, is_same_name};
use std::borrow::Cow;

/// Keys that name local files, which Ignition does not have.
const CONTENTS_LOCAL: &str = "contents_local";
const KEYS_LOCAL: &str = "ssh_authorized_keys_local";

/// `node`, an object of type `of`, with the names of Ignition. Works in place as far as possible, so that a large
/// config is not in memory twice.
pub(super) fn object<'t>(
    mut node: Node<'t>,
    of: &'static Type,
    context: &mut ButaneContext<'_, '_>,
) -> Node<'t> {
    if [&RESOURCE, &AUTHORITY, &REFERENCE]
        .iter()
        .any(|one| is_same(of, one))
    {
        return resource(node, of, context);
    }
    let contents = node.remove(CONTENTS_LOCAL);
    let keys = node.remove(KEYS_LOCAL);
    let mut object = members(node, of, context);
    if let Some(local) = contents.filter(|local| !local.as_text().is_empty())
        && let Some(text) = context.read_local_text(&local)
    {
        object.set("contents", Node::text(local.at, text));
    }
    if let Some(locals) = keys.filter(|locals| !locals.elements().is_empty()) {
        add_local_keys(&mut object, locals.elements(), context);
    }
    object
}

/// True if both are the same type of the table.
fn is_same(one: &'static Type, other: &'static Type) -> bool {
    std::ptr::eq(one, other)
}

/// The members that Ignition also has.
fn members<'t>(node: Node<'t>, of: &'static Type, context: &mut ButaneContext<'_, '_>) -> Node<'t> {
    let at = node.at;
    let NodeContent::Mapping(mut entries) = node.value else {
        return Node::mapping(at);
    };
    let mut next = 0;
    // In place, as in `read`.
    entries.retain_mut(|entry| {
        let is_match =
            |f: &ButaneField| is_same_name(f.name, &entry.key) && f.is_in(context.dialect);
        let Some(field) = find_in_turn(of.fields, &mut next, is_match) else {
            return false;
        };
        match field.kind {
            ButaneFieldKind::Object(of) => entry.value = object(entry.value.take(), of, context),
            ButaneFieldKind::Objects(of) => entry.value = objects(entry.value.take(), of, context),
            _ => {}
        }
        entry.key = names::in_ignition(field.name);
        entry.key_at = entry.value.at;
        field.is_ignition
    });
    Node {
        at,
        value: NodeContent::Mapping(entries),
    }
}

/// A list of objects of type `of`; see [`object`].
pub(super) fn objects<'t>(
    list: Node<'t>,
    of: &'static Type,
    context: &mut ButaneContext<'_, '_>,
) -> Node<'t> {
    let elements = match list.value {
        NodeContent::List(elements) => elements,
        _ => Vec::new(),
    };
    let elements = elements
        .into_iter()
        .map(|element| object(element, of, context));
    Node::list(list.at, elements.collect())
}

/// A resource, with inline text or a local file turned into its source.
fn resource<'t>(
    mut node: Node<'t>,
    of: &'static Type,
    context: &mut ButaneContext<'_, '_>,
) -> Node<'t> {
    let inline = node.remove("inline");
    let local = node.remove("local");
    let compression = node.get("compression").cloned();
    let mut resource = members(node, of, context);
    let bytes = match (inline, &local) {
        (Some(inline), _) => Some((inline.at, bytes_of(inline))),
        (None, Some(local)) => context
            .read_local(local)
            .map(|bytes| (local.at, bytes.into())),
        (None, None) => None,
    };
    if let Some((at, mut bytes)) = bytes {
        let is_packed = compression
            .as_ref()
            .is_some_and(|node| !node.as_text().is_empty());
        if is_same(of, &REFERENCE) && !is_packed {
            let file = local.as_ref().map(Node::as_text);
            bytes = children::embedded(at, bytes.into_owned(), file, context).into();
        }
        let encoded = context.encoded(at, bytes, compression.as_ref());
        for (name, value) in encoded {
            resource.remove(name);
            resource.set(name, value);
        }
    }
    resource
}

/// The bytes of a text.
fn bytes_of(text: Node<'_>) -> Cow<'_, [u8]> {
    match text.value {
        NodeContent::Scalar(Scalar {
            text: Cow::Owned(text),
            ..
        }) => Cow::Owned(text.into_bytes()),
        NodeContent::Scalar(Scalar {
            text: Cow::Borrowed(text),
            ..
        }) => Cow::Borrowed(text.as_bytes()),
        _ => Cow::default(),
    }
}

/// Appends the keys in local files to those that the config has itself.
fn add_local_keys<'t>(
    object: &mut Node<'t>,
    locals: &[Node<'t>],
    context: &mut ButaneContext<'_, '_>,
) {
    let stated = object.remove("sshAuthorizedKeys");
    let at = stated.as_ref().map_or(object.at, |keys| keys.at);
    let mut keys: Vec<Node<'t>> = match stated.map(|keys| keys.value) {
        Some(NodeContent::List(keys)) => keys,
        _ => Vec::new(),
    };
    for local in locals {
        let Some(text) = context.read_local_text(local) else {
            continue;
        };
        let lines = text.lines().filter(|line| !line.is_empty());
        keys.extend(lines.map(|line| Node::text(local.at, line.to_owned())));
    }
    object.set("sshAuthorizedKeys", Node::list(at, keys));
}
