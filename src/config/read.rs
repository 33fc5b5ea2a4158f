//! Reads a text as the table of the language defines it.
//!
//! Known members become a tree; anything else is checked for syntax and dropped, so that memory use depends on the
//! config and not on the size of the text. Keys that differ only in letter case are accepted, and reported as unknown;
//! null and repeated keys have the meaning that the language defines.

use super::finding::{Finding, Severity};
use super::json::{Cursor, Number, Start, SyntaxError};
use super::lines::{Lines, offset};
use super::path::Path;
use super::spec_table::{Class, Field, Kind, ObjectType};
use super::suggest;
use super::tree::{MismatchedValue, Place, Tree, Value};
use super::type_check;
use super::unknown_keys::UnknownKeyCount;
use super::version::Version;
use crate::text::folds_to;
use std::borrow::Cow;

/// Texts in place of another type are kept for messages up to this length in bytes.
const MAX_KEPT_TEXT_BYTES: usize = 16;

/// The result of reading.
pub(crate) struct Reading<'a> {
    pub(crate) root: Tree<'a>,
    /// Unknown keys and null objects.
    pub(crate) warnings: Vec<Finding>,
    /// Values of a wrong type that a later occurrence of the same key replaced.
    pub(crate) shadowed: Vec<Finding>,
}

/// Reads `text` as an object of type `ty`.
pub(crate) fn read<'a>(
    text: &'a [u8],
    lines: &Lines,
    ty: &'static ObjectType,
    version: Version,
) -> Result<Reading<'a>, SyntaxError> {
    let mut reader = ConfigReader {
        cursor: Cursor::new(text),
        lines,
        version,
        shadowed: Vec::new(),
        unknown_keys: UnknownKeyCount::default(),
    };
    let mut warnings = Vec::new();
    let root = reader.value(
        Kind::Object(ty),
        UnknownKeys::Report,
        &Path::Root,
        &mut warnings,
    )?;
    reader.cursor.finish()?;
    warnings.extend(reader.omitted_keys());
    Ok(Reading {
        root,
        warnings,
        shadowed: reader.shadowed,
    })
}

/// Whether unknown keys are reported. Inside an object with a misspelled key they are not: that key itself is reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnknownKeys {
    Report,
    Ignore,
}

struct ConfigReader<'a, 'l> {
    cursor: Cursor<'a>,
    lines: &'l Lines,
    version: Version,
    shadowed: Vec<Finding>,
    unknown_keys: UnknownKeyCount,
}

/// The members of an object in the order they are read.
#[derive(Default)]
struct ObjectMembers<'a> {
    found: Vec<(&'static Field, Tree<'a>)>,
    /// Warnings about the object itself.
    own: Vec<Finding>,
    /// Warnings from inside a member; those of its last occurrence.
    inner: Vec<(&'static str, Vec<Finding>)>,
}

impl<'a> ConfigReader<'a, '_> {
    fn value(
        &mut self,
        kind: Kind,
        unknown_keys: UnknownKeys,
        path: &Path<'_>,
        warnings: &mut Vec<Finding>,
    ) -> Result<Tree<'a>, SyntaxError> {
        let at = offset(self.cursor.offset());
        let start = self.cursor.start()?;
        let after_bracket = at.saturating_add(1);
        let place = |offset| Place { source: 0, offset };
        Ok(match (start, kind) {
            (Start::Null, _) => Tree {
                at: place(at),
                value: Value::Null,
            },
            (Start::Bool(b), Kind::Bool) => Tree {
                at: place(at),
                value: Value::Bool(b),
            },
            (Start::Number(Number::Int(n)), Kind::Int) => Tree {
                at: place(at),
                value: Value::Int(n),
            },
            (Start::Text(text), Kind::Text) => Tree {
                at: place(at),
                value: Value::Text(text),
            },
            (Start::Object, Kind::Object(ty)) => {
                let members = self.object(ty, unknown_keys, path, warnings)?;
                let mut tree = Tree {
                    at: place(after_bracket),
                    value: Value::Object(members),
                };
                tree.fill_plain_texts(ty, self.version);
                tree
            }
            (Start::List, Kind::Texts(_) | Kind::Objects(..)) => {
                let elements = self.list(kind, unknown_keys, path, warnings)?;
                Tree {
                    at: place(after_bracket),
                    value: Value::List(elements),
                }
            }
            (start, _) => {
                let container = matches!(start, Start::List | Start::Object);
                self.cursor.skip_rest(&start)?;
                let at = if container { after_bracket } else { at };
                Tree {
                    at: place(at),
                    value: Value::MismatchedValue(mismatched_value(start)),
                }
            }
        })
    }

    fn list(
        &mut self,
        kind: Kind,
        unknown_keys: UnknownKeys,
        path: &Path<'_>,
        warnings: &mut Vec<Finding>,
    ) -> Result<Vec<Tree<'a>>, SyntaxError> {
        let element = match kind {
            Kind::Objects(ty, _) => Kind::Object(ty),
            _ => Kind::Text,
        };
        let mut elements = Vec::new();
        while self.cursor.element(elements.is_empty())? {
            let path = path.index(elements.len());
            let mut tree = self.value(element, unknown_keys, &path, warnings)?;
            if matches!(tree.value, Value::Null) {
                self.fill_null_element(element, &mut tree, unknown_keys, &path, warnings);
            }
            elements.push(tree);
        }
        Ok(elements)
    }

    /// Turns a null in a list into an empty element; it is not an absent one.
    fn fill_null_element(
        &self,
        kind: Kind,
        tree: &mut Tree<'a>,
        unknown_keys: UnknownKeys,
        path: &Path<'_>,
        warnings: &mut Vec<Finding>,
    ) {
        match kind {
            Kind::Object(ty) => {
                self.warn_null_object(tree.at, unknown_keys, path, warnings);
                tree.value = Value::Object(Vec::new());
                tree.fill_plain_texts(ty, self.version);
            }
            _ => tree.value = Value::Text(Cow::Borrowed("")),
        }
    }

    fn object(
        &mut self,
        ty: &'static ObjectType,
        unknown_keys: UnknownKeys,
        path: &Path<'_>,
        warnings: &mut Vec<Finding>,
    ) -> Result<Vec<(&'static Field, Tree<'a>)>, SyntaxError> {
        let mut members = ObjectMembers::default();
        let mut first = true;
        while let Some((at, key)) = self.cursor.key(first)? {
            first = false;
            let field = self.field_for_key(ty, &key);
            let exact = field.is_some_and(|f| f.name == key);
            if !exact && unknown_keys == UnknownKeys::Report && self.unknown_keys.add(offset(at)) {
                members
                    .own
                    .push(self.unknown_key(ty, field, at, path, &key));
            }
            match field {
                Some(field) if exact => self.member(field, unknown_keys, path, &mut members)?,
                Some(field) => self.member(field, UnknownKeys::Ignore, path, &mut members)?,
                None => {
                    let start = self.cursor.start()?;
                    self.cursor.skip_rest(&start)?;
                }
            }
        }
        Ok(members.into_table_order(ty, warnings))
    }

    fn member(
        &mut self,
        field: &'static Field,
        unknown_keys: UnknownKeys,
        path: &Path<'_>,
        members: &mut ObjectMembers<'a>,
    ) -> Result<(), SyntaxError> {
        let path = path.member(field.name);
        let mut warnings = Vec::new();
        let tree = self.value(field.kind, unknown_keys, &path, &mut warnings)?;
        let is_null_object = matches!(field.kind, Kind::Object(_))
            && matches!(tree.value, Value::Null)
            && field.class_in(self.version) == Class::Plain;
        if is_null_object {
            self.warn_null_object(tree.at, unknown_keys, &path, &mut warnings);
        }
        if unknown_keys == UnknownKeys::Report {
            members.set_warnings(field.name, warnings);
        }
        match members.found.iter_mut().find(|(f, _)| f.name == field.name) {
            Some((_, earlier)) => self.merge_repeated(field, earlier, tree, &path),
            None => members.found.push((field, tree)),
        }
        Ok(())
    }

    /// Handles a repeated key: scalars and lists are replaced, objects are merged.
    fn merge_repeated(
        &mut self,
        field: &'static Field,
        earlier: &mut Tree<'a>,
        later: Tree<'a>,
        path: &Path<'_>,
    ) {
        let later = match (&mut earlier.value, later) {
            (
                Value::Object(old),
                Tree {
                    at,
                    value: Value::Object(new),
                },
            ) => {
                for (field, tree) in new {
                    match old.iter_mut().find(|(f, _)| f.name == field.name) {
                        Some((_, earlier)) => {
                            self.merge_repeated(field, earlier, tree, &path.member(field.name));
                        }
                        None => old.push((field, tree)),
                    }
                }
                earlier.at = at;
                return;
            }
            (_, later) => later,
        };
        let keeps = matches!(later.value, Value::Null)
            && matches!(field.kind, Kind::Text | Kind::Int | Kind::Object(_))
            && field.class_in(self.version) == Class::Plain;
        if keeps {
            return;
        }
        let replaced = std::mem::replace(earlier, later);
        type_check::report_mismatches(&replaced, field.kind, path, self.lines, &mut self.shadowed);
    }

    /// The member that a key names, whatever its letter case.
    fn field_for_key(&self, ty: &'static ObjectType, key: &str) -> Option<&'static Field> {
        let exact = ty.fields_in(self.version).find(|f| f.name == key);
        exact.or_else(|| ty.fields_in(self.version).find(|f| folds_to(key, f.name)))
    }

    /// A finding for the unknown keys that were only counted, if there are any.
    fn omitted_keys(&self) -> Option<Finding> {
        let (omitted, first) = self.unknown_keys.omitted()?;
        Some(Finding {
            severity: Severity::Warning,
            path: None,
            position: Some(self.lines.position(first)),
            message: format!("{omitted} more unknown keys from here on"),
            help: None,
        })
    }

    fn unknown_key(
        &self,
        ty: &'static ObjectType,
        field: Option<&'static Field>,
        at: usize,
        path: &Path<'_>,
        key: &str,
    ) -> Finding {
        let help = match field {
            Some(field) => Some(format!(
                "it is taken as `{}`; spell it like that",
                field.name
            )),
            None => suggest::for_unknown_key(ty, key, self.version),
        };
        Finding {
            severity: Severity::Warning,
            path: Some((&path.member(key)).into()),
            position: Some(self.lines.position(offset(at))),
            message: format!("unknown key `{key}`"),
            help,
        }
    }

    fn warn_null_object(
        &self,
        at: Place,
        unknown_keys: UnknownKeys,
        path: &Path<'_>,
        warnings: &mut Vec<Finding>,
    ) {
        if unknown_keys == UnknownKeys::Report {
            warnings.push(Finding {
                severity: Severity::Warning,
                path: Some(path.into()),
                position: Some(self.lines.position(at.offset)),
                message: "expected an object, found null; it is read as an empty object".into(),
                help: Some("leave the key out, or write {}".into()),
            });
        }
    }
}

impl<'a> ObjectMembers<'a> {
    fn set_warnings(&mut self, name: &'static str, warnings: Vec<Finding>) {
        self.inner.retain(|(n, _)| *n != name);
        if !warnings.is_empty() {
            self.inner.push((name, warnings));
        }
    }

    /// The members in the order of the table, and their warnings likewise.
    fn into_table_order(
        mut self,
        ty: &'static ObjectType,
        warnings: &mut Vec<Finding>,
    ) -> Vec<(&'static Field, Tree<'a>)> {
        let rank = |name: &str| ty.fields.iter().position(|f| f.name == name);
        warnings.append(&mut self.own);
        self.inner.sort_by_key(|(name, _)| rank(name));
        for (_, mut inner) in self.inner {
            warnings.append(&mut inner);
        }
        self.found.sort_by_key(|(f, _)| rank(f.name));
        self.found
    }
}

fn mismatched_value(start: Start<'_>) -> MismatchedValue {
    match start {
        Start::Number(Number::Int(_)) => MismatchedValue::Int,
        Start::Number(Number::Huge) => MismatchedValue::Huge,
        Start::Number(Number::Fraction) => MismatchedValue::Fraction,
        Start::Text(text) => MismatchedValue::Text(
            (text.len() <= MAX_KEPT_TEXT_BYTES).then(|| text.into_owned().into()),
        ),
        Start::List => MismatchedValue::List,
        Start::Object => MismatchedValue::Object,
        // Null is accepted for every type.
        Start::Bool(_) | Start::Null => MismatchedValue::Bool,
    }
}
