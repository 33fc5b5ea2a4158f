//! Type check: the JSON Schema of the document's version defines the types of values.
//!
//! The schema is applied to an outline of the tree, without texts, and only if something in it can be wrong. (The crate
//! could validate the tree itself, but that would add 500 kB of code: it needs its code for `serde_json` in any case,
//! to check schemas.) Integers are integer literals within 64 bits here: `420.0`, which is an integer for JSON Schema,
//! is not one in this language.

use super::finding::{Finding, Severity};
use super::lines::Lines;
use super::origin::JsonPath;
use super::path::Path;
use super::schema;
use super::spec_table::Kind;
use super::tree::{MismatchedValue, Tree, Value};
use super::version::Version;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, Validator};
use serde_json::{Map, Value as Json};
use std::sync::OnceLock;

/// Checks `root` against the schema of `version`. Every mismatch gives a finding, in text order, and becomes null so
/// that the rest of the document can be checked as well.
pub(crate) fn check(root: &mut Tree<'_>, version: Version, lines: &Lines) -> Vec<Finding> {
    let mut mismatched: Vec<(u32, Finding)> = Vec::new();
    for (pointer, message) in mismatches(root, version) {
        let Some(tree) = locate(root, &pointer) else {
            continue;
        };
        let offset = tree.at.offset;
        let finding = finding(&pointer, tree, &message, lines.position(offset));
        tree.value = Value::Null;
        mismatched.push((offset, finding));
    }
    mismatched.sort_by_key(|(offset, _)| *offset);
    mismatched.into_iter().map(|(_, finding)| finding).collect()
}

/// JSON pointer and expected types of each value that the schema rejects.
fn mismatches(root: &Tree<'_>, version: Version) -> Vec<(String, String)> {
    if !may_mismatch(root) {
        return Vec::new();
    }
    let validator = match validator(version) {
        Ok(validator) => validator,
        // A schema that does not compile would be a bug; a test compiles all of them.
        Err(message) => return vec![(String::new(), message.clone())],
    };
    let outline = outline(root);
    let errors = validator.iter_errors(&outline);
    errors
        .map(|e| (e.instance_path().to_string(), expected_types(e.kind())))
        .collect()
}

fn validator(version: Version) -> &'static Result<Validator, String> {
    static VALIDATORS: [OnceLock<Result<Validator, String>>; Version::ALL.len()] =
        [const { OnceLock::new() }; Version::ALL.len()];
    VALIDATORS[version as usize].get_or_init(|| {
        let schema = serde_json::from_str(&schema::text(version)).map_err(|e| e.to_string())?;
        jsonschema::validator_for(&schema).map_err(|e| e.to_string())
    })
}

/// Names of the types that the schema expects, for messages.
fn expected_types(kind: &ValidationErrorKind) -> String {
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

/// The subtree at a JSON pointer. Member names of the language need no unescaping.
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
    let Value::MismatchedValue(mismatch) = &tree.value else {
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
        message: message(expected, mismatch),
        help: help(&path, expected, mismatch),
        path: Some(path),
    }
}

fn path_of(pointer: &str) -> JsonPath {
    JsonPath::new(format!("${}", pointer.replace('/', ".")))
}

fn message(expected: &str, mismatch: &MismatchedValue) -> String {
    let found = match mismatch {
        MismatchedValue::Bool => "true or false",
        MismatchedValue::Int => "a number",
        MismatchedValue::Huge => return "this integer does not fit 64 bits".into(),
        MismatchedValue::Fraction if expected == "an integer" => {
            return "expected an integer, found a number with a fraction or an exponent".into();
        }
        MismatchedValue::Fraction => "a number",
        MismatchedValue::Text(_) => "a string",
        MismatchedValue::List => "a list",
        MismatchedValue::Object => "an object",
    };
    format!("expected {expected}, found {found}")
}

/// What the author probably meant, when that is clear.
fn help(path: &JsonPath, expected: &str, mismatch: &MismatchedValue) -> Option<String> {
    let last = path.parts().last().unwrap_or_default();
    match (expected, mismatch) {
        ("an integer", MismatchedValue::Text(Some(text))) if last == "mode" => {
            let octal = i64::from_str_radix(text.trim_start_matches("0o"), 8).ok()?;
            Some(format!("modes are decimal numbers: {text} is {octal}"))
        }
        ("an integer", MismatchedValue::Text(Some(text))) if text.parse::<i64>().is_ok() => {
            Some("leave out the quotes".into())
        }
        ("an integer", MismatchedValue::Fraction) => Some("write plain digits".into()),
        ("true or false", MismatchedValue::Text(Some(text)))
            if &**text == "true" || &**text == "false" =>
        {
            Some("leave out the quotes".into())
        }
        ("a list", MismatchedValue::Object | MismatchedValue::Text(_)) => {
            Some("put it in brackets: [ ... ]".into())
        }
        ("a string", MismatchedValue::Int | MismatchedValue::Bool | MismatchedValue::Fraction) => {
            Some("put it in double quotes".into())
        }
        ("a string", MismatchedValue::Object | MismatchedValue::List)
            if last == "advertisement" =>
        {
            Some("the advertisement is JSON as text: quote it as one string".into())
        }
        _ => None,
    }
}

/// Adds findings for the mismatched values in `tree`, which the schema is not applied to.
pub(crate) fn report_mismatches(
    tree: &Tree<'_>,
    kind: Kind,
    path: &Path<'_>,
    lines: &Lines,
    out: &mut Vec<Finding>,
) {
    match &tree.value {
        Value::MismatchedValue(mismatch) => out.push(Finding {
            severity: Severity::Error,
            path: Some(path.into()),
            position: Some(lines.position(tree.at.offset)),
            message: message(expected_type(kind), mismatch),
            help: help(&path.into(), expected_type(kind), mismatch),
        }),
        Value::List(elements) => {
            let element = match kind {
                Kind::Objects(ty, _) => Kind::Object(ty),
                _ => Kind::Text,
            };
            for (i, tree) in elements.iter().enumerate() {
                report_mismatches(tree, element, &path.index(i), lines, out);
            }
        }
        Value::Object(members) => {
            for (field, tree) in members {
                report_mismatches(tree, field.kind, &path.member(field.name), lines, out);
            }
        }
        _ => {}
    }
}

fn expected_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Int => "an integer",
        Kind::Bool => "true or false",
        Kind::Object(_) => "an object",
        Kind::Texts(_) | Kind::Objects(..) => "a list",
    }
}

/// True if the schema can reject something: it constrains types only, reading gives values the types of the table that
/// the schema is generated from, and null is allowed everywhere but at the root.
fn may_mismatch(root: &Tree<'_>) -> bool {
    !matches!(root.value, Value::Object(_)) || has_mismatch(root)
}

fn has_mismatch(tree: &Tree<'_>) -> bool {
    match &tree.value {
        Value::MismatchedValue(_) => true,
        Value::List(elements) => elements.iter().any(has_mismatch),
        Value::Object(members) => members.iter().any(|(_, tree)| has_mismatch(tree)),
        _ => false,
    }
}

/// What the schema is applied to: all values with their types, but with empty scalars.
fn outline(tree: &Tree<'_>) -> Json {
    match &tree.value {
        Value::Null => Json::Null,
        Value::Bool(_) | Value::MismatchedValue(MismatchedValue::Bool) => Json::Bool(false),
        Value::Int(_) | Value::MismatchedValue(MismatchedValue::Int) => Json::from(0),
        Value::MismatchedValue(MismatchedValue::Huge | MismatchedValue::Fraction) => {
            Json::from(0.5)
        }
        Value::Text(_) | Value::MismatchedValue(MismatchedValue::Text(_)) => {
            Json::String(String::new())
        }
        Value::MismatchedValue(MismatchedValue::List) => Json::Array(Vec::new()),
        Value::MismatchedValue(MismatchedValue::Object) => Json::Object(Map::new()),
        Value::List(elements) => Json::Array(elements.iter().map(outline).collect()),
        Value::Object(members) => {
            let members = members.iter();
            let outlines = members.map(|(field, tree)| (field.name.to_owned(), outline(tree)));
            Json::Object(outlines.collect())
        }
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

    /// [`may_mismatch`] relies on this.
    #[test]
    fn schemas_constrain_types_only_and_allow_null_below_the_root() {
        let keywords = ["type", "properties", "items", "$ref", "$defs"];
        let notes = ["$schema", "$id", "title", "description"];
        for version in Version::ALL {
            let schema = super::schema::generate(version);
            let mut rest = vec![&schema];
            while let Some(one) = rest.pop() {
                for (keyword, value) in one.as_object().expect("a schema") {
                    let keyword = keyword.as_str();
                    assert!(
                        keywords.contains(&keyword) || notes.contains(&keyword),
                        "{version}: {keyword}"
                    );
                    match keyword {
                        "properties" | "$defs" => {
                            rest.extend(value.as_object().expect(keyword).values())
                        }
                        "items" => rest.push(value),
                        "type" if one.get("$schema").is_none() => {
                            let types = value.as_array().expect("types");
                            assert!(types.contains(&Json::from("null")), "{version}: {value}");
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
