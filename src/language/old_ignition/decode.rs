//! Checks a tree against the table of its version: names in their right spelling, values of the right types, nothing
//! unknown, nothing repeated, no null.

use super::shape::{OldField, OldFieldKind, OldObjectType};
use super::version::OldVersion;
use crate::config::{Severity, WrittenPaths};
use crate::language::findings::Remarks;
use crate::language::node::{MappingEntry, Node, NodeContent, Scalar, Style};
use crate::text::{did_you_mean, folds_to, most_similar};

/// `root` as `version` defines it. `paths` are those of the text, for remarks; without them, nothing is reported.
pub(super) fn decode<'t>(
    root: Node<'t>,
    version: OldVersion,
    paths: Option<&WrittenPaths>,
    is_strict: bool,
    remarks: &mut Remarks,
) -> Node<'t> {
    let mut decoder = OldDecoder {
        version,
        paths,
        is_strict,
        remarks,
    };
    let at = root.at;
    let decoded = decoder.value(root, OldFieldKind::Object(OldObjectType::of(version)));
    decoded.unwrap_or_else(|| Node::mapping(at))
}

struct OldDecoder<'p> {
    version: OldVersion,
    paths: Option<&'p WrittenPaths>,
    /// True if keys in another letter case are rejected.
    is_strict: bool,
    remarks: &'p mut Remarks,
}

impl OldDecoder<'_> {
    /// A value of `kind`; `None` for null, which counts as absent, and for anything of another type.
    fn value<'t>(&mut self, node: Node<'t>, kind: OldFieldKind) -> Option<Node<'t>> {
        let at = node.at;
        match (kind, node.value) {
            (_, NodeContent::Scalar(scalar)) if scalar.is_null() => None,
            (OldFieldKind::Object(shape), NodeContent::Mapping(entries)) => {
                Some(self.object(at, entries, shape))
            }
            (OldFieldKind::Objects(shape), NodeContent::List(elements)) => {
                let objects = elements.into_iter().map(|element| {
                    let at = element.at;
                    let object = self.value(element, OldFieldKind::Object(shape));
                    object.unwrap_or_else(|| Node::mapping(at))
                });
                Some(Node::list(at, objects.collect()))
            }
            (OldFieldKind::Texts, NodeContent::List(elements)) => {
                let texts = elements.into_iter().map(|element| {
                    let at = element.at;
                    let text = self.value(element, OldFieldKind::Text);
                    text.unwrap_or_else(|| Node::text(at, ""))
                });
                Some(Node::list(at, texts.collect()))
            }
            (kind, NodeContent::Scalar(scalar)) if self.fits(kind, &scalar) => Some(Node {
                at,
                value: NodeContent::Scalar(scalar),
            }),
            (kind, value) => {
                self.report_misfit(kind, &Node { at, value });
                None
            }
        }
    }

    fn fits(&self, kind: OldFieldKind, scalar: &Scalar<'_>) -> bool {
        match (kind, scalar.style) {
            (OldFieldKind::Text, Style::Quoted) => true,
            (OldFieldKind::Flag, Style::Plain) => matches!(&*scalar.text, "true" | "false"),
            (OldFieldKind::Int, Style::Plain) => scalar.text.parse::<i64>().is_ok(),
            (OldFieldKind::Count, Style::Plain) => {
                let number = scalar.text.parse::<i64>();
                number.is_ok_and(|n| n >= 0 || self.version > OldVersion::V2_0)
            }
            _ => false,
        }
    }

    fn report_misfit(&mut self, kind: OldFieldKind, node: &Node<'_>) {
        if self.paths.is_none() {
            return;
        }
        let expected = match kind {
            OldFieldKind::Text => "a string",
            OldFieldKind::Int => "an integer",
            OldFieldKind::Count => "an integer that is not negative",
            OldFieldKind::Flag => "true or false",
            OldFieldKind::Texts | OldFieldKind::Objects(_) => "a list",
            OldFieldKind::Object(_) => "an object",
        };
        let found = type_name(node);
        let message = format!("expected {expected}, found {found}");
        match (kind, found) {
            (OldFieldKind::Int | OldFieldKind::Count, "a string") => {
                let help = "write the number without quotes; modes are decimal, e.g. 420 for 0644";
                self.remarks.error_with_help(node.at, message, help);
            }
            _ => self.remarks.error(node.at, message),
        }
    }

    /// Of repeated keys the last value counts; objects are merged.
    fn object<'t>(
        &mut self,
        at: u32,
        entries: Vec<MappingEntry<'t>>,
        shape: &'static OldObjectType,
    ) -> Node<'t> {
        let mut decoded: Vec<MappingEntry<'t>> = Vec::new();
        for entry in entries {
            let Some(field) = self.find_field(shape, &entry.key) else {
                self.report_unknown(shape, &entry);
                continue;
            };
            if field.name != entry.key {
                self.report_letter_case(field, &entry);
            }
            let earlier = decoded.iter().position(|e| e.key == field.name);
            let value = self.value(entry.value, field.kind);
            match (value, earlier) {
                (Some(value), Some(index)) => {
                    if let Some(earlier) = decoded.get_mut(index) {
                        replace(&mut earlier.value, value);
                    }
                }
                (Some(value), None) => decoded.push(MappingEntry {
                    key: field.name.into(),
                    key_at: entry.key_at,
                    value,
                }),
                (None, Some(index)) => _ = decoded.remove(index),
                (None, None) => {}
            }
        }
        Node {
            at,
            value: NodeContent::Mapping(decoded),
        }
    }

    /// The member that a key names, in any letter case.
    fn find_field(&self, shape: &'static OldObjectType, key: &str) -> Option<&'static OldField> {
        let exact = shape.fields_in(self.version).find(|f| f.name == key);
        exact.or_else(|| {
            shape
                .fields_in(self.version)
                .find(|f| folds_to(key, f.name))
        })
    }

    fn report_letter_case(&mut self, field: &OldField, entry: &MappingEntry<'_>) {
        let help = format!("it is taken as `{0}`; spell it `{0}`", field.name);
        let severity = match self.is_strict {
            true => Severity::Error,
            false => Severity::Warning,
        };
        let what = "differs from a known key in letter case";
        self.report_key(severity, entry, what, Some(help));
    }

    fn report_unknown(&mut self, shape: &'static OldObjectType, entry: &MappingEntry<'_>) {
        let later = shape.field(&entry.key);
        let help = match later {
            Some(field) => Some(format!(
                "`{}` exists since version {}, this config is written in {}",
                field.name,
                field.since.name(),
                self.version.name()
            )),
            None => self.suggestion(shape, &entry.key),
        };
        let what = "is unknown and has no effect";
        self.report_key(Severity::Warning, entry, what, help);
    }

    fn suggestion(&self, shape: &'static OldObjectType, key: &str) -> Option<String> {
        let candidates = shape.fields_in(self.version).map(|f| (f.name, f.name));
        most_similar(&key.to_ascii_lowercase(), candidates).map(did_you_mean)
    }

    fn report_key(
        &mut self,
        severity: Severity,
        entry: &MappingEntry<'_>,
        what: &str,
        help: Option<String>,
    ) {
        let Some(paths) = self.paths else { return };
        let message = format!("key `{}` {what}", entry.key);
        match paths.path_to(entry.value.at, true) {
            Some(path) => self
                .remarks
                .add_at_path(severity, entry.key_at, path, message, help),
            None => self.remarks.warn(entry.key_at, message),
        }
    }
}

/// The JSON type of a value, for messages.
pub(super) fn type_name(node: &Node<'_>) -> &'static str {
    match &node.value {
        NodeContent::List(_) => "a list",
        NodeContent::Mapping(_) => "an object",
        NodeContent::Scalar(scalar) => match (&*scalar.text, scalar.style) {
            (_, Style::Quoted) => "a string",
            ("true" | "false", _) => "true or false",
            ("null", _) => "null",
            ("0.5", _) => "a number with a fraction",
            ("1e999", _) => "a number beyond 64 bits",
            (text, _) if text.starts_with('-') => "a negative number",
            _ => "a number",
        },
    }
}

/// Replaces `earlier` by `later`, or merges them if both are objects.
fn replace<'t>(earlier: &mut Node<'t>, later: Node<'t>) {
    match (&mut earlier.value, later.value) {
        (NodeContent::Mapping(old), NodeContent::Mapping(new)) => {
            for entry in new {
                match old.iter_mut().find(|e| e.key == entry.key) {
                    Some(e) => replace(&mut e.value, entry.value),
                    None => old.push(entry),
                }
            }
        }
        (_, value) => earlier.value = value,
    }
    earlier.at = later.at;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::old_ignition::fields::Fields;
    use crate::language::{json, paths};

    fn decoded(text: &str, version: OldVersion) -> (Node<'_>, bool) {
        let root = json::read(text.as_bytes()).expect(text);
        let paths = paths::of(&root);
        let mut remarks = Remarks::default();
        let decoded = decode(root, version, Some(&paths), false, &mut remarks);
        (decoded, remarks.is_fatal())
    }

    #[test]
    fn the_last_of_repeated_keys_counts_and_objects_are_merged() {
        let cases = [
            (r#"{"passwd":{"users":[{"name":"a","name":"b"}]}}"#, "b"),
            (r#"{"passwd":{"users":[{"name":"a","NAME":"b"}]}}"#, "b"),
            (r#"{"passwd":{"users":[{"name":"a","name":null}]}}"#, ""),
            (r#"{"passwd":{"users":[{"name":"a"}]},"passwd":{}}"#, "a"),
            (
                r#"{"passwd":{"users":[{"name":"a"}]},"Passwd":{"users":[{"name":"b"}]}}"#,
                "b",
            ),
            (r#"{"passwd":{"u\u017fers":[{"name":"a"}]}}"#, "a"),
        ];
        for (text, expected) in cases {
            let (root, is_fatal) = decoded(text, OldVersion::V2_3);
            let users = root.inner("passwd").items("users");
            let name = users.first().map(|user| user.text_of("name"));
            assert_eq!((name, is_fatal), (Some(expected), false), "{text}");
        }
    }

    #[test]
    fn types_are_those_of_the_version() {
        use OldVersion::{V1, V2_0, V2_1};
        let group = |gid: &str| format!(r#"{{"passwd":{{"groups":[{{"gid":{gid}}}]}}}}"#);
        let cases = [
            (group("5"), V2_0, true),
            (group("-5"), V1, false),
            (group("-5"), V2_0, false),
            (group("-5"), V2_1, true),
            (group("420.0"), V2_1, false),
            (group("9223372036854775808"), V2_1, false),
            (group("\"5\""), V2_1, false),
            (group("null"), V2_1, true),
            (r#"{"passwd":[]}"#.into(), V2_1, false),
            (r#"{"passwd":{"users":[null]}}"#.into(), V2_1, true),
            (r#"{"passwd":{"users":[1]}}"#.into(), V2_1, false),
            // Members that only a later version has are not checked.
            (r#"{"storage":{"links":1}}"#.into(), V2_0, true),
            (r#"{"storage":{"links":1}}"#.into(), V2_1, false),
        ];
        for (text, version, is_fine) in cases {
            let (_, is_fatal) = decoded(&text, version);
            assert_eq!(!is_fatal, is_fine, "{text} {}", version.name());
        }
    }
}
