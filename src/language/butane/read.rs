//! Checks a document against the table of its dialect: known keys with values of the right types, nothing else.

use super::fields::{ButaneField, ButaneFieldKind, Type};
use super::scalars::{self, Int};
use super::variants::Dialect;
use crate::config::{JsonPath, Severity, UnknownKeyCount, WrittenPaths};
use crate::language::findings::Remarks;
use crate::language::node::{MappingEntry, Node, NodeContent};
use crate::text::{did_you_mean, find_in_turn, is_same_name, most_similar};

/// Prefix of top-level keys that only hold anchors.
const ANCHOR_PREFIX: &str = "x-";

/// Keys that define where bytes come from. If there are several, the first in this order is reported, as by the
/// original.
const SOURCES: [&str; 3] = ["source", "inline", "local"];

/// A document as its dialect defines it.
pub(super) struct ReadDocument<'t> {
    /// Its values: numbers and flags as JSON spells them, texts as quoted scalars, no null.
    pub(super) root: Node<'t>,
    /// Offsets of keys that give a second source for the same bytes, which `rules` reject. They are collected here
    /// because another pass over a large document takes time.
    pub(super) second_sources: Vec<u32>,
}

/// Reads `root` as an object of type `of` in `dialect`.
pub(super) fn read<'t>(
    root: Node<'t>,
    of: &'static Type,
    dialect: &'static Dialect,
    paths: &WrittenPaths,
    remarks: &mut Remarks,
) -> ReadDocument<'t> {
    let at = root.at;
    let mut reader = ButaneReader {
        dialect,
        paths,
        remarks,
        second_sources: Vec::new(),
        unused_keys: UnknownKeyCount::default(),
    };
    let root = reader.value(root, ButaneFieldKind::Object(of), 0);
    reader.report_omitted();
    ReadDocument {
        root: root.unwrap_or_else(|| Node::mapping(at)),
        second_sources: reader.second_sources,
    }
}

struct ButaneReader<'r> {
    dialect: &'static Dialect,
    paths: &'r WrittenPaths,
    remarks: &'r mut Remarks,
    second_sources: Vec<u32>,
    unused_keys: UnknownKeyCount,
}

impl ButaneReader<'_> {
    /// A value of `kind`; `None` if it is null, or of another type, which is reported.
    fn value<'t>(
        &mut self,
        node: Node<'t>,
        kind: ButaneFieldKind,
        depth: usize,
    ) -> Option<Node<'t>> {
        if node.is_null() {
            return None;
        }
        let at = node.at;
        match (kind, node.value) {
            (ButaneFieldKind::Text, NodeContent::Scalar(scalar)) => {
                self.or_report(at, scalars::text(scalar).map(|text| Node::text(at, text)))
            }
            (ButaneFieldKind::Int, NodeContent::Scalar(scalar)) => {
                let number = self.or_report(at, scalars::int(&scalar))?;
                Some(Node::int(at, self.exact_or_warn(at, number)))
            }
            (ButaneFieldKind::Bool, NodeContent::Scalar(scalar)) => self.or_report(
                at,
                scalars::flag(&scalar).map(|value| Node::flag(at, value)),
            ),
            (ButaneFieldKind::Object(of), NodeContent::Mapping(entries)) => {
                Some(self.object(at, entries, of, depth))
            }
            (ButaneFieldKind::TextMap, NodeContent::Mapping(entries)) => {
                Some(self.texts_by_key(at, entries))
            }
            (ButaneFieldKind::Texts, NodeContent::List(elements)) => {
                let texts = elements
                    .into_iter()
                    .filter_map(|element| self.value(element, ButaneFieldKind::Text, depth));
                Some(Node::list(at, texts.collect()))
            }
            (ButaneFieldKind::Objects(of), NodeContent::List(elements)) => {
                Some(Node::list(at, self.objects(elements, of, depth)))
            }
            (kind, value) => {
                let found = Node { at, value };
                let message = format!("expected {}, found {}", expected(kind), found.kind());
                let is_list = matches!(found.value, NodeContent::List(_));
                self.remarks
                    .about_value(Severity::Error, at, is_list, message);
                None
            }
        }
    }

    fn exact_or_warn(&mut self, at: u32, number: Int) -> i64 {
        match number {
            Int::Exact(number) => number,
            Int::Truncated(number) => {
                let message =
                    format!("expected an integer, found a fraction; it is read as {number}");
                self.remarks.warn(at, message);
                number
            }
        }
    }

    fn or_report<T>(&mut self, at: u32, result: Result<T, &'static str>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.remarks.error(at, message);
                None
            }
        }
    }

    fn object<'t>(
        &mut self,
        at: u32,
        mut entries: Vec<MappingEntry<'t>>,
        of: &'static Type,
        depth: usize,
    ) -> Node<'t> {
        let mut next = 0;
        // In place, since a large config has many entries.
        entries.retain_mut(|entry| {
            let is_match =
                |f: &ButaneField| is_same_name(f.name, &entry.key) && f.is_in(self.dialect);
            let Some(field) = find_in_turn(of.fields, &mut next, is_match) else {
                let holds_anchors = depth == 0 && entry.key.starts_with(ANCHOR_PREFIX);
                if !holds_anchors {
                    self.report_unused(entry, of);
                }
                return false;
            };
            let Some(value) = self.value(entry.value.take(), field.kind, depth + 1) else {
                return false;
            };
            entry.key = field.name.into();
            entry.key_at = value.at;
            entry.value = value;
            true
        });
        let object = Node {
            at,
            value: NodeContent::Mapping(entries),
        };
        self.note_second_source(&object);
        object
    }

    /// Skips null elements, as in lists of texts, but with a warning: a whole object may be missing.
    fn objects<'t>(
        &mut self,
        elements: Vec<Node<'t>>,
        of: &'static Type,
        depth: usize,
    ) -> Vec<Node<'t>> {
        let objects = elements.into_iter().filter_map(|element| {
            let at = element.at;
            if element.is_null() {
                self.remarks.warn(at, "an empty entry of a list is ignored");
                return None;
            }
            self.value(element, ButaneFieldKind::Object(of), depth)
        });
        objects.collect()
    }

    fn note_second_source(&mut self, object: &Node<'_>) {
        let mut given = SOURCES.iter().filter_map(|key| object.get(key));
        if let (Some(told), Some(_)) = (given.next(), given.next()) {
            self.second_sources.push(told.at);
        }
    }

    fn texts_by_key<'t>(&mut self, at: u32, entries: Vec<MappingEntry<'t>>) -> Node<'t> {
        let mut object = Node::mapping(at);
        for entry in entries {
            // A key without a value is kept: as a label, it has an empty value.
            let value = match entry.value.is_null() {
                true => Some(Node::text(entry.value.at, "")),
                false => self.value(entry.value, ButaneFieldKind::Text, 1),
            };
            if let Some(value) = value {
                object.set(entry.key, value);
            }
        }
        object
    }

    fn report_unused(&mut self, entry: &MappingEntry<'_>, of: &'static Type) {
        if !self.unused_keys.add(entry.key_at) {
            return;
        }
        let path = self
            .paths
            .path_to(entry.value.at, false)
            .unwrap_or_else(JsonPath::root);
        let message = format!("unused key `{}`", entry.key);
        let help = self.unused_key_help(&entry.key, of);
        self.remarks
            .add_at_path(Severity::Warning, entry.key_at, path, message, help);
    }

    /// Reports how many unused keys were only counted, if any.
    fn report_omitted(&mut self) {
        if let Some((omitted, at)) = self.unused_keys.omitted() {
            let message = format!("{omitted} more unused keys from here on");
            let path = JsonPath::root();
            self.remarks
                .add_at_path(Severity::Warning, at, path, message, None);
        }
    }

    fn unused_key_help(&self, key: &str, of: &'static Type) -> Option<String> {
        if of.field(key).is_some() {
            let (variant, version) = (self.dialect.variant.name(), self.dialect.version);
            return Some(format!("variant {variant} {version} does not have it"));
        }
        let candidates = of.fields_in(self.dialect).map(|f| (f.name, f.name));
        most_similar(key, candidates).map(did_you_mean)
    }
}

fn expected(kind: ButaneFieldKind) -> &'static str {
    match kind {
        ButaneFieldKind::Text => "a string",
        ButaneFieldKind::Int => "an integer",
        ButaneFieldKind::Bool => "true or false",
        ButaneFieldKind::Object(_) | ButaneFieldKind::TextMap => "a mapping",
        ButaneFieldKind::Texts | ButaneFieldKind::Objects(_) => "a list",
    }
}
