//! The JSON Schemas (2020-12) of all versions, made from the table.
//!
//! They speak of structure only: which members exist and which types they have. Null is fine
//! everywhere and unknown members are allowed, as the language has it; what the members mean is
//! checked in code. The files under `schemas/` are generated; a test fails when they are stale,
//! and writes them anew when `KINDLING_WRITE_SCHEMAS` is set.

use super::shape::{Field, Kind, ObjectType, ROOT};
use super::version::Version;
use serde_json::{Map, Value, json};

/// The schema of `version` as it is published.
pub fn text(version: Version) -> &'static str {
    match version {
        Version::V3_0 => include_str!("../../schemas/config-3.0.0.json"),
        Version::V3_1 => include_str!("../../schemas/config-3.1.0.json"),
        Version::V3_2 => include_str!("../../schemas/config-3.2.0.json"),
        Version::V3_3 => include_str!("../../schemas/config-3.3.0.json"),
        Version::V3_4 => include_str!("../../schemas/config-3.4.0.json"),
        Version::V3_5 => include_str!("../../schemas/config-3.5.0.json"),
        Version::V3_6 => include_str!("../../schemas/config-3.6.0.json"),
        Version::V3_7Experimental => {
            include_str!("../../schemas/config-3.7.0-experimental.json")
        }
    }
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

fn define(of: &'static ObjectType, version: Version, definitions: &mut Map<String, Value>) {
    if definitions.contains_key(of.name) {
        return;
    }
    let members = of
        .fields_in(version)
        .map(|f| (f.name.to_owned(), member(f)));
    let properties: Map<String, Value> = members.collect();
    let definition =
        json!({"description": of.about, "type": ["object", "null"], "properties": properties});
    definitions.insert(of.name.to_owned(), definition);
    for inner in of.fields_in(version).filter_map(Field::object_type) {
        define(inner, version, definitions);
    }
}

fn member(field: &Field) -> Value {
    let reference = |of: &ObjectType| json!({"$ref": format!("#/$defs/{}", of.name)});
    let mut schema = match field.kind {
        Kind::Text => json!({"type": ["string", "null"]}),
        Kind::Int => json!({"type": ["integer", "null"]}),
        Kind::Bool => json!({"type": ["boolean", "null"]}),
        Kind::Object(of) => reference(of),
        Kind::Texts(_) => {
            json!({"type": ["array", "null"], "items": {"type": ["string", "null"]}})
        }
        Kind::Objects(of, _) => json!({"type": ["array", "null"], "items": reference(of)}),
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
