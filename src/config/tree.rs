//! A config as a tree that follows the spec table, each value with its place.
//!
//! The tree borrows strings from the text it was read from. The type check and merging work on it, and the typed model
//! is made from it.

use super::spec_table::{Class, Field, Kind, ObjectType};
use super::version::Version;
use crate::text::is_same_name;
use std::borrow::Cow;

/// A place in one of the texts a document was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Index into the sources of the document.
    pub(crate) source: u32,
    /// Byte a finding points at: the first one of a scalar, the one after an opening bracket.
    pub(crate) offset: u32,
}

/// A value and its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) at: Place,
    pub(crate) value: Value<'a>,
}

/// A value of the kind that the table defines, or `MismatchedValue`.
#[derive(Debug, Clone, Default)]
pub(crate) enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    Object(Vec<(&'static Field, Tree<'a>)>),
    /// A value whose JSON type is not the one of its member.
    MismatchedValue(MismatchedValue),
}

/// The type of a value that should be of another kind; contents are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MismatchedValue {
    Bool,
    Int,
    Huge,
    Fraction,
    /// Short texts are kept for better messages.
    Text(Option<Box<str>>),
    List,
    Object,
}

impl<'a> Tree<'a> {
    /// The member called `name` of an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Tree<'a>> {
        match &self.value {
            Value::Object(members) => {
                let mut members = members.iter();
                members
                    .find(|(f, _)| is_same_name(f.name, name))
                    .map(|m| &m.1)
            }
            _ => None,
        }
    }

    /// The part of this value with the given member name or index.
    pub(crate) fn part_mut(&mut self, part: &str) -> Option<&mut Tree<'a>> {
        match &mut self.value {
            Value::Object(members) => members
                .iter_mut()
                .find(|(f, _)| f.name == part)
                .map(|m| &mut m.1),
            Value::List(elements) => elements.get_mut(part.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Maps the place of every value that has one, by its offset.
    pub(crate) fn relocate(&mut self, place: &dyn Fn(u32) -> Place) {
        if self.at.source != u32::MAX {
            self.at = place(self.at.offset);
        }
        match &mut self.value {
            Value::List(elements) => elements.iter_mut().for_each(|tree| tree.relocate(place)),
            Value::Object(members) => members
                .iter_mut()
                .for_each(|(_, tree)| tree.relocate(place)),
            _ => {}
        }
    }

    /// False for null, empty lists, and objects without content.
    pub(crate) fn has_content(&self) -> bool {
        match &self.value {
            Value::Null | Value::MismatchedValue(_) => false,
            Value::List(elements) => !elements.is_empty(),
            Value::Object(members) => members.iter().any(|(_, tree)| tree.has_content()),
            _ => true,
        }
    }

    /// The text, or the empty one.
    pub(crate) fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// The text of member `name`; absent counts as empty.
    pub(crate) fn member_text(&self, name: &str) -> &str {
        self.member(name).map_or("", Tree::text)
    }

    /// Sets absent plain texts of an object to the empty text if later versions distinguish the two. This is how a text
    /// that could not be absent in an old version becomes a present one in the latest.
    pub(crate) fn fill_plain_texts(&mut self, ty: &'static ObjectType, version: Version) {
        let Value::Object(members) = &mut self.value else {
            return;
        };
        for field in ty.fields_in(version) {
            let became_optional = matches!(field.kind, Kind::Text)
                && field.class == Class::Optional
                && field.class_in(version) == Class::Plain;
            if !became_optional {
                continue;
            }
            let empty = Tree {
                at: self.at,
                value: Value::Text(Cow::Borrowed("")),
            };
            match members.iter_mut().find(|(f, _)| f.name == field.name) {
                None => members.push((field, empty)),
                Some((_, tree)) if matches!(tree.value, Value::Null) => tree.value = empty.value,
                Some(_) => {}
            }
        }
    }
}
