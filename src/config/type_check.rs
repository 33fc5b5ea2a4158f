//! Structure: the JSON Schema of the document's version says which types values have.
//!
//! The schema looks at an outline of our tree, without texts, and only if something in it can be wrong. (The crate could
//! look at the tree itself, but its code for that is another 500 kB: it needs the one for `serde_json` in any case, to
//! check schemas.) Integers are integer literals within 64 bits here: `420.0`, which JSON Schema by itself would call an
//! integer, is none in this language.

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
    if !may_misfit(root) {
        return Vec::new();
    }
    let validator = match validator(version) {
        Ok(validator) => validator,
        // A schema that does not compile would be our mistake; a test compiles all of them.
        Err(message) => return vec![(String::new(), message.clone())],
    };
    let outline = outline(root);
    let errors = validator.iter_errors(&outline);
    errors
        .map(|e| (e.instance_path().to_string(), expected(e.kind())))
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
    let Value::MismatchedValue(alien) = &tree.value else {
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

fn message(expected: &str, alien: &MismatchedValue) -> String {
    let found = match alien {
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
fn help(path: &JsonPath, expected: &str, alien: &MismatchedValue) -> Option<String> {
    let last = path.parts().last().unwrap_or_default();
    match (expected, alien) {
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

/// Findings for the alien values in `tree`, which the schema will not see.
pub(crate) fn aliens(
    tree: &Tree<'_>,
    kind: Kind,
    path: &Path<'_>,
    lines: &Lines,
    out: &mut Vec<Finding>,
) {
    match &tree.value {
        Value::MismatchedValue(alien) => out.push(Finding {
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

/// True if the schema can object to something: it speaks of types, reading gives values the types of the table that it is
/// made from, and null may be everywhere but at the root.
fn may_misfit(root: &Tree<'_>) -> bool {
    !matches!(root.value, Value::Object(_)) || has_alien(root)
}

fn has_alien(tree: &Tree<'_>) -> bool {
    match &tree.value {
        Value::MismatchedValue(_) => true,
        Value::List(elements) => elements.iter().any(has_alien),
        Value::Object(members) => members.iter().any(|(_, tree)| has_alien(tree)),
        _ => false,
    }
}

/// What the schema looks at: the types of all values, with nothing in the scalars.
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

    /// [`may_misfit`] relies on it.
    #[test]
    fn schemas_speak_of_types_only_and_allow_null_below_the_root() {
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
