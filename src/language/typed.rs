//! Checks a tree against the schema of a language: names in one spelling, values of the right types, nothing unknown,
//! no null.

use super::findings::Remarks;
use super::node::{MappingEntry, Node, NodeContent, Scalar};
use super::scalars;
use crate::config::{Severity, WrittenPaths};
use crate::text::{did_you_mean, most_similar};
use std::borrow::Cow;

/// An object type: its members.
#[derive(Debug)]
pub(crate) struct ObjectSchema(pub(crate) &'static [FieldSchema]);

/// A member: its name and what it holds.
#[derive(Debug)]
pub(crate) struct FieldSchema(pub(crate) &'static str, pub(crate) FieldKind);

/// What a member holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FieldKind {
    /// A scalar, as it is written.
    Text,
    /// A scalar that may be tagged as binary; kept as it is.
    Bytes,
    Int,
    /// A number that is not negative.
    Count,
    Flag,
    Texts,
    Object(&'static ObjectSchema),
    Objects(&'static ObjectSchema),
    /// A mapping that is checked elsewhere.
    Mapping,
    /// Anything; checked elsewhere.
    Any,
}

/// Checks trees against schemas.
pub(crate) struct Decoder<'p> {
    /// True if `-` in a key stands for `_`.
    pub(crate) has_dashes: bool,
    /// True if values of a wrong type are dropped with a warning rather than rejected.
    pub(crate) is_lenient: bool,
    /// Null in a list is an empty element; otherwise it is skipped.
    pub(crate) keeps_null: bool,
    /// Paths of the text.
    pub(crate) paths: &'p WrittenPaths,
    pub(crate) remarks: &'p mut Remarks,
}

impl Decoder<'_> {
    /// `node` as an object of `shape`; an empty one if it is not a mapping.
    pub(crate) fn root<'t>(&mut self, node: Node<'t>, shape: &'static ObjectSchema) -> Node<'t> {
        let at = node.at;
        match node.value {
            NodeContent::Mapping(entries) => self.object(at, entries, shape),
            value => {
                let found = type_name(&Node { at, value });
                let message = format!("a config is a mapping, not {found}");
                self.remarks.error(at, message);
                Node::mapping(at)
            }
        }
    }

    /// A value of `kind`; `None` for null, which counts as absent, and for anything of another type.
    fn value<'t>(&mut self, node: Node<'t>, kind: FieldKind, name: &str) -> Option<Node<'t>> {
        let at = node.at;
        if node.is_null() {
            return None;
        }
        match (kind, node.value) {
            (FieldKind::Any, value) => Some(Node { at, value }),
            (FieldKind::Mapping, value @ NodeContent::Mapping(_)) => Some(Node { at, value }),
            (FieldKind::Object(shape), NodeContent::Mapping(entries)) => {
                Some(self.object(at, entries, shape))
            }
            (FieldKind::Objects(shape), NodeContent::List(elements)) => Some(Node::list(
                at,
                self.elements(elements, FieldKind::Object(shape), name),
            )),
            (FieldKind::Texts, NodeContent::List(elements)) => Some(Node::list(
                at,
                self.elements(elements, FieldKind::Text, name),
            )),
            (FieldKind::Text, NodeContent::Scalar(scalar)) => match scalars::text(scalar) {
                Ok(text) => Some(Node::text(at, text)),
                Err(message) => self.left_out(at, message.into()),
            },
            (kind, NodeContent::Scalar(scalar)) => match scalar_of(at, kind, scalar) {
                Ok(node) => Some(node),
                Err(scalar) => {
                    let value = NodeContent::Scalar(scalar);
                    self.report_misfit(kind, &Node { at, value }, name)
                }
            },
            (kind, value) => self.report_misfit(kind, &Node { at, value }, name),
        }
    }

    /// Decodes the elements of the list `name`, each as `kind`.
    fn elements<'t>(
        &mut self,
        elements: Vec<Node<'t>>,
        kind: FieldKind,
        name: &str,
    ) -> Vec<Node<'t>> {
        let name = format!("an element of `{name}`");
        let elements = elements.into_iter().filter_map(|element| {
            let at = element.at;
            if !element.is_null() {
                return self.value(element, kind, &name);
            }
            match kind {
                FieldKind::Text => self.keeps_null.then(|| Node::text(at, "")),
                _ if self.keeps_null => Some(Node::mapping(at)),
                _ => {
                    self.remarks.warn(at, "an empty entry of a list is ignored");
                    None
                }
            }
        });
        elements.collect()
    }

    fn report_misfit<'t>(
        &mut self,
        kind: FieldKind,
        node: &Node<'_>,
        name: &str,
    ) -> Option<Node<'t>> {
        let expected = match kind {
            FieldKind::Text | FieldKind::Bytes => "a text",
            FieldKind::Int => "a whole number",
            FieldKind::Count => "a whole number that is not negative",
            FieldKind::Flag => "true or false",
            FieldKind::Texts | FieldKind::Objects(_) => "a list",
            FieldKind::Object(_) | FieldKind::Mapping | FieldKind::Any => "a mapping",
        };
        let name = match name.contains('`') {
            true => name.to_owned(),
            false => format!("`{name}`"),
        };
        let message = format!("{name} must be {expected}, not {}", type_name(node));
        self.left_out(node.at, message)
    }

    /// Reports why the value at `at` cannot be used: as a warning if lenient, otherwise as an error.
    fn left_out<'t>(&mut self, at: u32, message: String) -> Option<Node<'t>> {
        match self.is_lenient {
            true => {
                let help = "the value has no effect; correct or remove it";
                self.remarks.warn_with_help(at, message, help);
            }
            false => self.remarks.error(at, message),
        }
        None
    }

    /// Of repeated keys the last value counts.
    fn object<'t>(
        &mut self,
        at: u32,
        entries: Vec<MappingEntry<'t>>,
        shape: &'static ObjectSchema,
    ) -> Node<'t> {
        let mut decoded: Vec<MappingEntry<'t>> = Vec::new();
        for entry in entries {
            let key: Cow<'_, str> = match self.has_dashes && entry.key.contains('-') {
                true => entry.key.replace('-', "_").into(),
                false => Cow::Borrowed(&entry.key),
            };
            let Some(FieldSchema(name, kind)) = shape.0.iter().find(|field| field.0 == key) else {
                let names = shape.0.iter().map(|field| field.0);
                self.report_unknown(&entry, names);
                continue;
            };
            decoded.retain(|earlier| earlier.key != *name);
            if let Some(value) = self.value(entry.value, *kind, name) {
                decoded.push(MappingEntry {
                    key: Cow::Borrowed(name),
                    key_at: entry.key_at,
                    value,
                });
            }
        }
        Node {
            at,
            value: NodeContent::Mapping(decoded),
        }
    }

    /// Reports that the key of `entry` is none of `names`.
    pub(crate) fn report_unknown(
        &mut self,
        entry: &MappingEntry<'_>,
        names: impl Iterator<Item = &'static str>,
    ) {
        let message = format!("key `{}` is unknown and has no effect", entry.key);
        let candidates = names.map(|name| (name, name));
        let help = most_similar(&entry.key.to_ascii_lowercase(), candidates).map(did_you_mean);
        self.report_key(entry, message, help);
    }

    /// Warns about a key.
    pub(crate) fn report_key(
        &mut self,
        entry: &MappingEntry<'_>,
        message: String,
        help: Option<String>,
    ) {
        let severity = Severity::Warning;
        match (self.paths.path_to(entry.value.at, false), help) {
            (Some(path), help) => {
                let at = entry.key_at;
                self.remarks.add_at_path(severity, at, path, message, help);
            }
            (None, Some(help)) => self.remarks.warn_with_help(entry.key_at, message, help),
            (None, None) => self.remarks.warn(entry.key_at, message),
        }
    }
}

/// The type of a value with an article, for messages.
pub(crate) fn type_name(node: &Node<'_>) -> &'static str {
    let Some(scalar) = node.as_scalar() else {
        return node.kind();
    };
    match (scalars::int(scalar), scalars::flag(scalar)) {
        _ if scalar.is_null() => "null",
        (Some(number), _) if number < 0 => "a negative number",
        (Some(_), _) => "a number",
        (_, Some(_)) => "true or false",
        _ => "a text",
    }
}

fn scalar_of<'t>(at: u32, kind: FieldKind, scalar: Scalar<'t>) -> Result<Node<'t>, Scalar<'t>> {
    match kind {
        FieldKind::Bytes => Ok(Node {
            at,
            value: NodeContent::Scalar(scalar),
        }),
        FieldKind::Int | FieldKind::Count => match (scalars::int(&scalar), kind) {
            (Some(number), FieldKind::Int) => Ok(Node::int(at, number)),
            (Some(number), _) if number >= 0 => Ok(Node::int(at, number)),
            _ => Err(scalar),
        },
        FieldKind::Flag => match scalars::flag(&scalar) {
            Some(flag) => Ok(Node::flag(at, flag)),
            None => Err(scalar),
        },
        _ => Err(scalar),
    }
}

/// The text of member `key` with its offset, unless it is absent or empty.
pub(crate) fn text<'n>(object: &'n Node<'_>, key: &str) -> Option<(u32, &'n str)> {
    let node = object.get(key)?;
    let text = &*node.as_scalar()?.text;
    (!text.is_empty()).then_some((node.at, text))
}

/// True if member `key` is a flag and true.
pub(crate) fn is_set(object: &Node<'_>, key: &str) -> bool {
    let scalar = object.get(key).and_then(Node::as_scalar);
    scalar.is_some_and(|scalar| scalar.text == "true")
}

/// The elements of member `key`; none if there is no such list.
pub(crate) fn elements<'n, 't>(object: &'n Node<'t>, key: &str) -> &'n [Node<'t>] {
    object.get(key).map(Node::elements).unwrap_or_default()
}
