//! Serializes the typed model back into a tree, with places, for merging.

use super::places::{NOWHERE, Places};
use super::spec_table::{Field, Kind, ObjectType};
use super::tree::{Place, Tree, Value};
use serde::Serialize;
use serde::de::value::Error;
use serde::ser::{Error as _, Impossible, SerializeSeq, SerializeStruct, Serializer};
use std::borrow::Cow;

/// Makes a tree of kind `kind`. `first_source` is added to the source indices of `places`.
pub(crate) fn tree<T: Serialize>(
    value: &T,
    kind: Kind,
    places: Places<'_>,
    first_source: u32,
) -> Result<Tree<'static>, Error> {
    value.serialize(TreeSerializer {
        kind,
        places: Some(places),
        first_source,
    })
}

#[derive(Clone, Copy)]
struct TreeSerializer<'p> {
    kind: Kind,
    places: Option<Places<'p>>,
    first_source: u32,
}

impl<'p> TreeSerializer<'p> {
    fn at(&self) -> Place {
        match self.places.map(|places| places.at()) {
            Some(at) if at != NOWHERE => Place {
                source: at.source + self.first_source,
                ..at
            },
            _ => NOWHERE,
        }
    }

    fn leaf(self, value: Value<'static>) -> Result<Tree<'static>, Error> {
        Ok(Tree {
            at: self.at(),
            value,
        })
    }

    fn part(&self, kind: Kind, part: &str) -> TreeSerializer<'p> {
        TreeSerializer {
            kind,
            places: self.places.and_then(|p| p.part(part)),
            ..*self
        }
    }
}

/// The error for other types: the model has strings, integers, flags, lists, options and structs only.
fn unsupported<T>() -> Result<T, Error> {
    Err(Error::custom("not a value of the config language"))
}

type Never = Impossible<Tree<'static>, Error>;

macro_rules! unsupported_types {
    ($($method:ident($($arg:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $arg),*) -> Result<$result, Error> { unsupported() })*
    };
}

impl<'p> Serializer for TreeSerializer<'p> {
    type Ok = Tree<'static>;
    type Error = Error;
    type SerializeSeq = ListSerializer<'p>;
    type SerializeStruct = ObjectSerializer<'p>;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStructVariant = Never;

    fn serialize_bool(self, v: bool) -> Result<Tree<'static>, Error> {
        self.leaf(Value::Bool(v))
    }

    fn serialize_i64(self, v: i64) -> Result<Tree<'static>, Error> {
        self.leaf(Value::Int(v))
    }

    fn serialize_str(self, v: &str) -> Result<Tree<'static>, Error> {
        self.leaf(Value::Text(Cow::Owned(v.to_owned())))
    }

    fn serialize_none(self) -> Result<Tree<'static>, Error> {
        self.leaf(Value::Null)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, v: &T) -> Result<Tree<'static>, Error> {
        v.serialize(self)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<ListSerializer<'p>, Error> {
        Ok(ListSerializer {
            here: self,
            elements: Vec::new(),
        })
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<ObjectSerializer<'p>, Error> {
        match self.kind {
            Kind::Object(ty) => Ok(ObjectSerializer {
                here: self,
                ty,
                members: Vec::new(),
            }),
            _ => unsupported(),
        }
    }

    unsupported_types! {
        serialize_i8(i8) -> Tree<'static>;
        serialize_i16(i16) -> Tree<'static>;
        serialize_i32(i32) -> Tree<'static>;
        serialize_u8(u8) -> Tree<'static>;
        serialize_u16(u16) -> Tree<'static>;
        serialize_u32(u32) -> Tree<'static>;
        serialize_u64(u64) -> Tree<'static>;
        serialize_f32(f32) -> Tree<'static>;
        serialize_f64(f64) -> Tree<'static>;
        serialize_char(char) -> Tree<'static>;
        serialize_bytes(&[u8]) -> Tree<'static>;
        serialize_unit() -> Tree<'static>;
        serialize_unit_struct(&'static str) -> Tree<'static>;
        serialize_unit_variant(&'static str, u32, &'static str) -> Tree<'static>;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Tree<'static>, Error> {
        unsupported()
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Tree<'static>, Error> {
        unsupported()
    }
}

struct ListSerializer<'p> {
    here: TreeSerializer<'p>,
    elements: Vec<Tree<'static>>,
}

impl SerializeSeq for ListSerializer<'_> {
    type Ok = Tree<'static>;
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, element: &T) -> Result<(), Error> {
        let kind = match self.here.kind {
            Kind::Objects(ty, _) => Kind::Object(ty),
            _ => Kind::Text,
        };
        let part = self.here.part(kind, &self.elements.len().to_string());
        self.elements.push(element.serialize(part)?);
        Ok(())
    }

    fn end(self) -> Result<Tree<'static>, Error> {
        self.here.leaf(Value::List(self.elements))
    }
}

struct ObjectSerializer<'p> {
    here: TreeSerializer<'p>,
    ty: &'static ObjectType,
    members: Vec<(&'static Field, Tree<'static>)>,
}

impl SerializeStruct for ObjectSerializer<'_> {
    type Ok = Tree<'static>;
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let Some(field) = self.ty.field(name) else {
            return unsupported();
        };
        let part = self.here.part(field.kind, name);
        self.members.push((field, value.serialize(part)?));
        Ok(())
    }

    fn end(self) -> Result<Tree<'static>, Error> {
        self.here.leaf(Value::Object(self.members))
    }
}
