//! What has the same meaning in Ignition: names change, texts and local files become URLs. Sugar is left out here.

use super::children;
use super::context::Context;
use super::fields::{AUTHORITY, Kind, REFERENCE, RESOURCE, Type};
use super::names;
use crate::language::node::{Content, Entry, Node};
use std::borrow::Cow;

/// Keys whose text is in a local file that another key names, which is not in Ignition.
const CONTENTS_LOCAL: &str = "contents_local";
const KEYS_LOCAL: &str = "ssh_authorized_keys_local";

/// `node`, an object of type `of`, with the names of Ignition. What can stay where it is in memory does: a large config
/// is not there twice.
pub(super) fn object<'t>(
    mut node: Node<'t>,
    of: &'static Type,
    context: &mut Context<'_, '_>,
) -> Node<'t> {
    if [&RESOURCE, &AUTHORITY, &REFERENCE]
        .iter()
        .any(|one| is(of, one))
    {
        return resource(node, of, context);
    }
    let contents = node.remove(CONTENTS_LOCAL);
    let keys = node.remove(KEYS_LOCAL);
    let mut object = members(node, of, context);
    if let Some(local) = contents.filter(|local| !local.as_text().is_empty())
        && let Some(text) = context.local_text(&local)
    {
        object.set("contents", Node::text(local.at, text));
    }
    if let Some(locals) = keys.filter(|locals| !locals.elements().is_empty()) {
        add_local_keys(&mut object, locals.elements(), context);
    }
    object
}

/// True if these are the same object of the table.
fn is(one: &'static Type, other: &'static Type) -> bool {
    std::ptr::eq(one, other)
}

/// The members that Ignition has, too.
fn members<'t>(node: Node<'t>, of: &'static Type, context: &mut Context<'_, '_>) -> Node<'t> {
    let at = node.at;
    let Content::Mapping(entries) = node.value else {
        return Node::mapping(at);
    };
    let entries = entries.into_iter().filter_map(|entry| {
        let field = of.field(&entry.key).filter(|field| field.is_ignition)?;
        let value = match field.kind {
            Kind::Object(of) => object(entry.value, of, context),
            Kind::Objects(of) => objects(entry.value, of, context),
            _ => entry.value,
        };
        Some(Entry {
            key: names::in_ignition(field.name),
            key_at: value.at,
            value,
        })
    });
    Node {
        at,
        value: Content::Mapping(entries.collect()),
    }
}

/// A list of objects of type `of`; see [`object`].
pub(super) fn objects<'t>(
    list: Node<'t>,
    of: &'static Type,
    context: &mut Context<'_, '_>,
) -> Node<'t> {
    let elements = match list.value {
        Content::List(elements) => elements,
        _ => Vec::new(),
    };
    let elements = elements
        .into_iter()
        .map(|element| object(element, of, context));
    Node::list(list.at, elements.collect())
}

/// A resource: what is inline or local becomes its source.
fn resource<'t>(mut node: Node<'t>, of: &'static Type, context: &mut Context<'_, '_>) -> Node<'t> {
    let inline = node.remove("inline");
    let local = node.remove("local");
    let compression = node.get("compression").cloned();
    let mut resource = members(node, of, context);
    let bytes = match (&inline, &local) {
        (Some(inline), _) => Some((inline.at, Cow::Borrowed(inline.as_text().as_bytes()))),
        (None, Some(local)) => context.local(local).map(|bytes| (local.at, bytes.into())),
        (None, None) => None,
    };
    if let Some((at, mut bytes)) = bytes {
        let is_packed = compression
            .as_ref()
            .is_some_and(|node| !node.as_text().is_empty());
        if is(of, &REFERENCE) && !is_packed {
            let file = local.as_ref().map(Node::as_text);
            bytes = children::embedded(at, bytes.into_owned(), file, context).into();
        }
        let encoded = context.encoded(at, &bytes, compression.as_ref());
        resource.make_room(encoded.len());
        for (name, value) in encoded {
            resource.remove(name);
            resource.set(name, value);
        }
    }
    resource
}

/// Keys of local files, behind those that the config has itself.
fn add_local_keys<'t>(object: &mut Node<'t>, locals: &[Node<'t>], context: &mut Context<'_, '_>) {
    let stated = object.remove("sshAuthorizedKeys");
    let at = stated.as_ref().map_or(object.at, |keys| keys.at);
    let mut keys: Vec<Node<'t>> = match stated.map(|keys| keys.value) {
        Some(Content::List(keys)) => keys,
        _ => Vec::new(),
    };
    for local in locals {
        let Some(text) = context.local_text(local) else {
            continue;
        };
        let lines = text.lines().filter(|line| !line.is_empty());
        keys.extend(lines.map(|line| Node::text(local.at, line.to_owned())));
    }
    object.set("sshAuthorizedKeys", Node::list(at, keys));
}
