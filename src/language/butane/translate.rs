//! What has the same meaning in Ignition: names change, texts and local files become URLs. Sugar is left out here.

use super::children;
use super::context::{Context, list};
use super::fields::{AUTHORITY, Kind, REFERENCE, RESOURCE, Type};
use super::names;
use crate::language::node::Node;
use std::borrow::Cow;

/// Keys whose text is in a local file that another key names, which is not in Ignition.
const CONTENTS_LOCAL: &str = "contents_local";
const KEYS_LOCAL: &str = "ssh_authorized_keys_local";

/// `node`, an object of type `of`, with the names of Ignition.
pub(super) fn object<'t>(
    node: &Node<'t>,
    of: &'static Type,
    context: &mut Context<'_, '_>,
) -> Node<'t> {
    if [&RESOURCE, &AUTHORITY, &REFERENCE]
        .iter()
        .any(|one| is(of, one))
    {
        return resource(node, of, context);
    }
    let mut object = members(node, of, context);
    if let Some(local) = node.get(CONTENTS_LOCAL).filter(|n| !n.as_text().is_empty())
        && let Some(text) = context.local_text(local)
    {
        object.set("contents", Node::text(local.at, text));
    }
    let locals = list(node, KEYS_LOCAL);
    if !locals.is_empty() {
        add_local_keys(&mut object, node, locals, context);
    }
    object
}

/// True if these are the same object of the table.
fn is(one: &'static Type, other: &'static Type) -> bool {
    std::ptr::eq(one, other)
}

/// The members that Ignition has, too.
fn members<'t>(node: &Node<'t>, of: &'static Type, context: &mut Context<'_, '_>) -> Node<'t> {
    let mut object = Node::mapping_of(node.at, node.entries().len());
    for entry in node.entries() {
        let Some(field) = of.field(&entry.key).filter(|field| field.is_ignition) else {
            continue;
        };
        let value = match field.kind {
            Kind::Object(of) => self::object(&entry.value, of, context),
            Kind::Objects(of) => {
                let elements = entry.value.elements().iter();
                let elements = elements.map(|element| self::object(element, of, context));
                Node::list(entry.value.at, elements.collect())
            }
            _ => entry.value.clone(),
        };
        object.set(names::in_ignition(field.name), value);
    }
    object
}

/// A resource: what is inline or local becomes its source.
fn resource<'t>(node: &Node<'t>, of: &'static Type, context: &mut Context<'_, '_>) -> Node<'t> {
    let mut resource = members(node, of, context);
    let bytes = match (node.get("inline"), node.get("local")) {
        (Some(inline), _) => Some((inline.at, Cow::Borrowed(inline.as_text().as_bytes()))),
        (None, Some(local)) => context.local(local).map(|bytes| (local.at, bytes.into())),
        (None, None) => None,
    };
    if let Some((at, mut bytes)) = bytes {
        let is_packed = node
            .get("compression")
            .is_some_and(|n| !n.as_text().is_empty());
        if is(of, &REFERENCE) && !is_packed {
            let file = node.get("local").map(Node::as_text);
            bytes = children::embedded(at, bytes.into_owned(), file, context).into();
        }
        for (name, value) in context.encoded(at, &bytes, node.get("compression")) {
            resource.remove(name);
            resource.set(name, value);
        }
    }
    resource
}

/// Keys of local files, behind those that the config has itself.
fn add_local_keys<'t>(
    object: &mut Node<'t>,
    node: &Node<'t>,
    locals: &[Node<'t>],
    context: &mut Context<'_, '_>,
) {
    let stated = node.get("ssh_authorized_keys");
    let at = stated.map_or(node.at, |keys| keys.at);
    let mut keys: Vec<Node<'t>> = stated
        .map(|keys| keys.elements().to_vec())
        .unwrap_or_default();
    for local in locals {
        let Some(text) = context.local_text(local) else {
            continue;
        };
        let lines = text.lines().filter(|line| !line.is_empty());
        keys.extend(lines.map(|line| Node::text(local.at, line.to_owned())));
    }
    object.remove("sshAuthorizedKeys");
    object.set("sshAuthorizedKeys", Node::list(at, keys));
}
