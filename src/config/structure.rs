//! Structure: the JSON Schema of the document's version says which types values have.
//!
//! The schema looks at our tree directly, through the crate's door for foreign representations, so
//! nothing is copied. Integers are integer literals within 64 bits here: `420.0`, which JSON Schema
//! by itself would call an integer, is none in this language.

use super::finding::{Finding, Severity};
use super::lines::Lines;
use super::origin::JsonPath;
use super::path::Path;
use super::schema;
use super::shape::Kind;
use super::tree::{Alien, Tree, Value};
use super::version::Version;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};
use jsonschema::{JsonType, Validator};
use std::borrow::Cow;
use std::sync::OnceLock;

/// Checks `root` against the schema of `version`. Every misfit gives a finding, in the order of the
/// text, and becomes null so that the rest of the document can be looked at as well.
pub(crate) fn check(root: &mut Tree<'_>, version: Version, lines: &Lines) -> Vec<Finding> {
    let mut misfits: Vec<(u32, Finding)> = Vec::new();
    for (pointer, message) in misfits_of(root, version) {
        let Some(tree) = locate(root, &pointer) else {
            continue;
        };
        let offset = tree.at.offset;
        let finding = finding(&pointer, tree, &message, lines.position(offset));
        tree.value = Value::Null;
        misfits.push((offset, finding));
    }
    misfits.sort_by_key(|(offset, _)| *offset);
    misfits.into_iter().map(|(_, finding)| finding).collect()
}

/// Pointer and expected types of each value the schema objects to.
fn misfits_of(root: &Tree<'_>, version: Version) -> Vec<(String, String)> {
    let validator = match validator(version) {
        Ok(validator) => validator,
        // A schema that does not compile would be our mistake; a test compiles all of them.
        Err(message) => return vec![(String::new(), message.clone())],
    };
    let errors = validator.iter_errors(root);
    errors
        .map(|e| (e.instance_path().to_string(), expected(e.kind())))
        .collect()
}

fn validator(version: Version) -> &'static Result<Validator<TreeJson>, String> {
    static VALIDATORS: [OnceLock<Result<Validator<TreeJson>, String>>; Version::ALL.len()] =
        [const { OnceLock::new() }; Version::ALL.len()];
    VALIDATORS[version as usize].get_or_init(|| {
        let schema = serde_json::from_str(&schema::text(version)).map_err(|e| e.to_string())?;
        jsonschema::options_for::<TreeJson>()
            .build(&schema)
            .map_err(|e| e.to_string())
    })
}

/// What the schema wants, in words.
fn expected(kind: &ValidationErrorKind) -> String {
    let types: Vec<JsonType> = match kind {
        ValidationErrorKind::Type {
            kind: TypeKind::Single(one),
        } => vec![*one],
        ValidationErrorKind::Type {
            kind: TypeKind::Multiple(set),
        } => set.iter().collect(),
        other => return format!("a value that satisfies `{}`", other.keyword()),
    };
    let words = types
        .into_iter()
        .filter(|t| *t != JsonType::Null)
        .map(|t| match t {
            JsonType::Array => "a list",
            JsonType::Boolean => "true or false",
            JsonType::Integer => "an integer",
            JsonType::Number => "a number",
            JsonType::Object => "an object",
            JsonType::String => "a string",
            JsonType::Null => "null",
        });
    words.collect::<Vec<_>>().join(" or ")
}

/// The tree a JSON pointer names. Member names of the language need no unescaping.
fn locate<'t, 'a>(root: &'t mut Tree<'a>, pointer: &str) -> Option<&'t mut Tree<'a>> {
    pointer
        .split('/')
        .skip(1)
        .try_fold(root, |tree, part| tree.part_mut(part))
}

fn finding(
    pointer: &str,
    tree: &Tree<'_>,
    expected: &str,
    position: super::finding::Position,
) -> Finding {
    let Value::Alien(alien) = &tree.value else {
        return Finding {
            severity: Severity::Error,
            path: Some(path_of(pointer)),
            position: Some(position),
            message: format!("expected {expected}"),
            help: None,
        };
    };
    let path = path_of(pointer);
    Finding {
        severity: Severity::Error,
        position: Some(position),
        message: message(expected, alien),
        help: help(&path, expected, alien),
        path: Some(path),
    }
}

fn path_of(pointer: &str) -> JsonPath {
    JsonPath::new(format!("${}", pointer.replace('/', ".")))
}

fn message(expected: &str, alien: &Alien) -> String {
    let found = match alien {
        Alien::Bool => "true or false",
        Alien::Int => "a number",
        Alien::Huge => return "this integer does not fit 64 bits".into(),
        Alien::Fraction if expected == "an integer" => {
            return "expected an integer, found a number with a fraction or an exponent".into();
        }
        Alien::Fraction => "a number",
        Alien::Text(_) => "a string",
        Alien::List => "a list",
        Alien::Object => "an object",
    };
    format!("expected {expected}, found {found}")
}

/// What the author probably meant, when that is clear.
fn help(path: &JsonPath, expected: &str, alien: &Alien) -> Option<String> {
    let last = path.parts().last().unwrap_or_default();
    match (expected, alien) {
        ("an integer", Alien::Text(Some(text))) if last == "mode" => {
            let octal = i64::from_str_radix(text.trim_start_matches("0o"), 8).ok()?;
            Some(format!("modes are decimal numbers: {text} is {octal}"))
        }
        ("an integer", Alien::Text(Some(text))) if text.parse::<i64>().is_ok() => {
            Some("leave out the quotes".into())
        }
        ("an integer", Alien::Fraction) => Some("write plain digits".into()),
        ("true or false", Alien::Text(Some(text))) if &**text == "true" || &**text == "false" => {
            Some("leave out the quotes".into())
        }
        ("a list", Alien::Object | Alien::Text(_)) => Some("put it in brackets: [ ... ]".into()),
        ("a string", Alien::Int | Alien::Bool | Alien::Fraction) => {
            Some("put it in double quotes".into())
        }
        ("a string", Alien::Object | Alien::List) if last == "advertisement" => {
            Some("the advertisement is JSON as text: quote it as one string".into())
        }
        _ => None,
    }
}

/// Findings for the alien values in `tree`, which the schema will not see.
pub(crate) fn aliens(
    tree: &Tree<'_>,
    kind: Kind,
    path: &Path<'_>,
    lines: &Lines,
    out: &mut Vec<Finding>,
) {
    match &tree.value {
        Value::Alien(alien) => out.push(Finding {
            severity: Severity::Error,
            path: Some(path.into()),
            position: Some(lines.position(tree.at.offset)),
            message: message(wanted(kind), alien),
            help: help(&path.into(), wanted(kind), alien),
        }),
        Value::List(elements) => {
            let element = match kind {
                Kind::Objects(of, _) => Kind::Object(of),
                _ => Kind::Text,
            };
            for (i, tree) in elements.iter().enumerate() {
                aliens(tree, element, &path.index(i), lines, out);
            }
        }
        Value::Object(members) => {
            for (field, tree) in members {
                aliens(tree, field.kind, &path.member(field.name), lines, out);
            }
        }
        _ => {}
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Int => "an integer",
        Kind::Bool => "true or false",
        Kind::Object(_) => "an object",
        Kind::Texts(_) | Kind::Objects(..) => "a list",
    }
}

/// Our tree as a representation of JSON.
struct TreeJson;

impl Json for TreeJson {
    type Node<'a> = &'a Tree<'a>;
    type PreparedKey = String;
    type StringBuffer = Tree<'static>;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(
        buffer: &mut Tree<'static>,
        string: &str,
        f: impl FnOnce(Self::Node<'_>) -> T,
    ) -> T {
        buffer.value = Value::Text(Cow::Owned(string.to_owned()));
        f(buffer)
    }
}

/// `None` stands for a number that is no integer of the language.
struct TreeNumber(Option<i64>);

impl JsonNumber for TreeNumber {
    fn as_u64(&self) -> Option<u64> {
        self.0.and_then(|n| u64::try_from(n).ok())
    }
    fn as_i64(&self) -> Option<i64> {
        self.0
    }
    fn as_f64(&self) -> Option<f64> {
        #[allow(
            clippy::cast_precision_loss,
            reason = "only whether it is a whole number is asked"
        )]
        Some(self.0.map_or(0.5, |n| n as f64))
    }
    fn as_str(&self) -> Cow<'_, str> {
        self.0
            .map_or(Cow::Borrowed("0.5"), |n| Cow::Owned(n.to_string()))
    }
    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        Cow::Owned(self.0.unwrap_or_default().into())
    }
    fn is_integer(&self) -> bool {
        self.0.is_some()
    }
}

impl<'a> Node<'a, TreeJson> for &'a Tree<'a> {
    type Object = TreeMembers<'a>;
    type Array = TreeElements<'a>;
    type Number = TreeNumber;

    fn as_object(&self) -> Option<TreeMembers<'a>> {
        match &self.value {
            Value::Object(members) => Some(TreeMembers(members)),
            Value::Alien(Alien::Object) => Some(TreeMembers(&[])),
            _ => None,
        }
    }
    fn as_array(&self) -> Option<TreeElements<'a>> {
        match &self.value {
            Value::List(elements) => Some(TreeElements(elements)),
            Value::Alien(Alien::List) => Some(TreeElements(&[])),
            _ => None,
        }
    }
    fn as_string(&self) -> Option<Cow<'a, str>> {
        match &self.value {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Alien(Alien::Text(_)) => Some(Cow::Borrowed("")),
            _ => None,
        }
    }
    fn as_number(&self) -> Option<TreeNumber> {
        match &self.value {
            Value::Int(n) => Some(TreeNumber(Some(*n))),
            Value::Alien(Alien::Int) => Some(TreeNumber(Some(0))),
            Value::Alien(Alien::Huge | Alien::Fraction) => Some(TreeNumber(None)),
            _ => None,
        }
    }
    fn as_boolean(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(b) => Some(*b),
            Value::Alien(Alien::Bool) => Some(false),
            _ => None,
        }
    }
    fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
    fn json_type(&self) -> JsonType {
        match &self.value {
            Value::Null => JsonType::Null,
            Value::Bool(_) | Value::Alien(Alien::Bool) => JsonType::Boolean,
            Value::Int(_) | Value::Alien(Alien::Int) => JsonType::Integer,
            Value::Alien(Alien::Huge | Alien::Fraction) => JsonType::Number,
            Value::Text(_) | Value::Alien(Alien::Text(_)) => JsonType::String,
            Value::List(_) | Value::Alien(Alien::List) => JsonType::Array,
            Value::Object(_) | Value::Alien(Alien::Object) => JsonType::Object,
        }
    }
    /// Only ever asked for by error texts, which we do not use: configs hold secrets.
    fn to_value(&self) -> Cow<'a, serde_json::Value> {
        Cow::Owned(serde_json::Value::Null)
    }
    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(
            std::ptr::from_ref::<Tree<'_>>(self).addr(),
        ))
    }
}

struct TreeMembers<'a>(&'a [(&'static super::shape::Field, Tree<'a>)]);

impl<'a> Object<'a, TreeJson> for TreeMembers<'a> {
    type Node = &'a Tree<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }
    fn get(&self, key: &String) -> Option<&'a Tree<'a>> {
        self.0
            .iter()
            .find(|(f, _)| f.name == key)
            .map(|(_, tree)| tree)
    }
    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.0.iter())
    }
}

struct MembersIter<'a>(std::slice::Iter<'a, (&'static super::shape::Field, Tree<'a>)>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, &'a Tree<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(field, tree)| (field.name, tree))
    }
}

struct TreeElements<'a>(&'a [Tree<'a>]);

impl<'a> Array<'a, TreeJson> for TreeElements<'a> {
    type Node = &'a Tree<'a>;
    type ElementsIter = std::slice::Iter<'a, Tree<'a>>;

    fn len(&self) -> usize {
        self.0.len()
    }
    fn elements(&self) -> std::slice::Iter<'a, Tree<'a>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_compiles() {
        for version in Version::ALL {
            assert_eq!(validator(version).as_ref().err(), None, "{version}");
        }
    }
}
