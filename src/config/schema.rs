//! The JSON Schemas (2020-12) of all versions, made from the table.
//!
//! They describe structure only: which members exist and which types they have. Null is allowed everywhere, and so are
//! unknown members, as in the language itself; what the members mean is checked in code. The files under `schemas/` are
//! generated; a test fails if they are stale, and writes them again if `KINDLING_WRITE_SCHEMAS` is set.

use super::spec_table::{Field, Kind, ObjectType, ROOT};
use super::version::Version;
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use std::io::Read;

/// The gzipped schema of one version; `build.rs` packs them.
macro_rules! packed {
    ($version:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/config-", $version, ".json.gz"))
    };
}

/// The schema of `version` as it is published.
pub fn text(version: Version) -> String {
    let packed: &[u8] = match version {
        Version::V3_0 => packed!("3.0.0"),
        Version::V3_1 => packed!("3.1.0"),
        Version::V3_2 => packed!("3.2.0"),
        Version::V3_3 => packed!("3.3.0"),
        Version::V3_4 => packed!("3.4.0"),
        Version::V3_5 => packed!("3.5.0"),
        Version::V3_6 => packed!("3.6.0"),
        Version::V3_7Experimental => packed!("3.7.0-experimental"),
    };
    let mut text = String::new();
    // Compressed by our own build, so this cannot fail; an empty schema would fail every test.
    let _ = GzDecoder::new(packed).read_to_string(&mut text);
    text
}

/// Makes the schema of `version`.
pub fn generate(version: Version) -> Value {
    let mut definitions = Map::new();
    define(&ROOT, version, &mut definitions);
    let root = definitions.remove(ROOT.name).unwrap_or_default();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:kindling:config:{version}"),
        "title": format!("Machine config, version {version}"),
        "$defs": definitions,
    });
    if let (Some(schema), Value::Object(root)) = (schema.as_object_mut(), root) {
        schema.extend(root);
        schema.insert("type".into(), json!("object"));
    }
    schema
}

fn define(ty: &'static ObjectType, version: Version, definitions: &mut Map<String, Value>) {
    if definitions.contains_key(ty.name) {
        return;
    }
    let members = ty
        .fields_in(version)
        .map(|f| (f.name.to_owned(), member(f)));
    let properties: Map<String, Value> = members.collect();
    let definition =
        json!({"description": ty.about, "type": ["object", "null"], "properties": properties});
    definitions.insert(ty.name.to_owned(), definition);
    for inner in ty.fields_in(version).filter_map(Field::object_type) {
        define(inner, version, definitions);
    }
}

fn member(field: &Field) -> Value {
    let reference = |ty: &ObjectType| json!({"$ref": format!("#/$defs/{}", ty.name)});
    let mut schema = match field.kind {
        Kind::Text => json!({"type": ["string", "null"]}),
        Kind::Int => json!({"type": ["integer", "null"]}),
        Kind::Bool => json!({"type": ["boolean", "null"]}),
        Kind::Object(ty) => reference(ty),
        Kind::Texts(_) => {
            json!({"type": ["array", "null"], "items": {"type": ["string", "null"]}})
        }
        Kind::Objects(ty, _) => json!({"type": ["array", "null"], "items": reference(ty)}),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".into(), json!(field.about));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_fresh() {
        for version in Version::ALL {
            let made = format!("{:#}\n", generate(version));
            if std::env::var_os("KINDLING_WRITE_SCHEMAS").is_some() {
                let path = format!(
                    "{}/schemas/config-{version}.json",
                    env!("CARGO_MANIFEST_DIR")
                );
                std::fs::write(path, &made).expect("writing the schema");
            } else {
                assert_eq!(
                    text(version),
                    made,
                    "set KINDLING_WRITE_SCHEMAS=1 and test again"
                );
            }
        }
    }
}
