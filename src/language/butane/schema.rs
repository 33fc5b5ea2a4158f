//! The JSON Schemas (2020-12) of all variants and versions, made from the table, for editors.
//!
//! They describe structure: which keys exist in a version and what they hold. Scalars are as the language reads them,
//! so a text may be any of them, and null is as good as absent. Keys that a version does not have are ignored by it,
//! which nobody wants, so here they are errors. The files under `schemas/` are generated; a test fails when they are
//! stale, and writes them again when `KINDLING_WRITE_SCHEMAS` is set.

use super::fields::{ButaneField, ButaneFieldKind, ROOT, Type};
use super::names;
use super::variants::{self, Dialect};
use crate::config::spec_table::{self, ObjectType};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Ignition's types by name.
type Shapes = BTreeMap<&'static str, &'static ObjectType>;

/// A type that has another name in Ignition: its name here, and there.
const RENAMED: (&str, &str) = ("ignitionConfig", "references");

/// Keys whose values are written differently than in Ignition.
const WRITTEN_DIFFERENTLY: &[(&str, &str)] = &[("mode", "Permission bits, e.g. 0644")];

/// The JSON Schema (2020-12) of a variant and version.
///
/// # Errors
/// If the pair is not known. The error lists the known ones.
pub fn schema(variant: &str, version: &str) -> Result<Value, String> {
    variants::find(variant, version)
        .map(generate)
        .map_err(|(message, help)| format!("{message}: {help}"))
}

/// All variants with their versions.
pub fn dialects() -> impl Iterator<Item = (&'static str, &'static str)> {
    let dialects = variants::DIALECTS.iter();
    dialects.map(|dialect| (dialect.variant.name(), dialect.version))
}

fn generate(dialect: &'static Dialect) -> Value {
    let (variant, version) = (dialect.variant.name(), dialect.version);
    let mut shapes = Shapes::new();
    collect(&spec_table::ROOT, &mut shapes);
    let mut definitions = Map::new();
    define(&ROOT, dialect, &shapes, &mut definitions);
    let root = definitions.remove(ROOT.name).unwrap_or_default();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:kindling:butane:{variant}:{version}"),
        "title": format!("Butane config, variant {variant}, version {version}"),
        "$defs": definitions,
    });
    let (Some(members), Value::Object(root)) = (schema.as_object_mut(), root) else {
        return schema;
    };
    members.extend(root);
    members.insert("type".into(), json!("object"));
    members.insert("required".into(), json!(["variant", "version"]));
    // A place for anchors.
    members.insert("patternProperties".into(), json!({"^x-": true}));
    for (key, value) in [("variant", variant), ("version", version)] {
        let pointer = format!("/properties/{key}");
        if let Some(Value::Object(property)) = schema.pointer_mut(&pointer) {
            property.remove("type");
            property.insert("const".into(), json!(value));
        }
    }
    schema
}

/// Recurses as deep as the table of Ignition.
fn collect(of: &'static ObjectType, shapes: &mut Shapes) {
    if shapes.insert(of.name, of).is_none() {
        for inner in of.fields.iter().filter_map(spec_table::Field::object_type) {
            collect(inner, shapes);
        }
    }
}

/// Recurses as deep as the table.
fn define(
    of: &'static Type,
    dialect: &Dialect,
    shapes: &Shapes,
    definitions: &mut Map<String, Value>,
) {
    if definitions.contains_key(of.name) {
        return;
    }
    let name = if of.name == RENAMED.0 {
        RENAMED.1
    } else {
        of.name
    };
    let shape = shapes.get(name).copied();
    let properties: Map<String, Value> = of
        .fields_in(dialect)
        .map(|field| (field.name.to_owned(), property(field, shape)))
        .collect();
    let definition = json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    });
    definitions.insert(of.name.to_owned(), definition);
    for inner in of.fields_in(dialect).filter_map(ButaneField::object) {
        define(inner, dialect, shapes, definitions);
    }
}

fn property(field: &ButaneField, shape: Option<&ObjectType>) -> Value {
    let reference = |of: &Type| json!({"$ref": format!("#/$defs/{}", of.name)});
    let text = json!({"type": ["string", "number", "boolean", "null"]});
    let mut schema = match field.kind {
        ButaneFieldKind::Text => text,
        ButaneFieldKind::Int => json!({"type": ["integer", "null"]}),
        ButaneFieldKind::Bool => json!({"type": ["boolean", "null"]}),
        ButaneFieldKind::Object(of) => reference(of),
        ButaneFieldKind::Texts => json!({"type": ["array", "null"], "items": text}),
        ButaneFieldKind::Objects(of) => json!({"type": ["array", "null"], "items": reference(of)}),
        ButaneFieldKind::TextMap => {
            json!({"type": ["object", "null"], "additionalProperties": text})
        }
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".into(), json!(description(field, shape)));
    }
    schema
}

fn description(field: &ButaneField, shape: Option<&ObjectType>) -> &'static str {
    let differently = WRITTEN_DIFFERENTLY
        .iter()
        .find(|(name, _)| *name == field.name);
    if !field.about.is_empty() {
        return field.about;
    }
    if let Some((_, about)) = differently {
        return about;
    }
    let name = names::in_ignition(field.name);
    shape
        .and_then(|shape| shape.field(&name))
        .map_or("", |field| field.about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LineStarts;
    use crate::language::butane::scalars;
    use crate::language::butane::variants::{BaseVersion, DIALECTS, Sugar};
    use crate::language::node::{Node, NodeContent, Style};
    use crate::language::yaml;

    /// A document as editors see it.
    fn as_json(node: &Node<'_>) -> Value {
        match &node.value {
            NodeContent::List(elements) => elements.iter().map(as_json).collect(),
            NodeContent::Mapping(entries) => entries
                .iter()
                .map(|entry| (entry.key.to_string(), as_json(&entry.value)))
                .collect::<Map<_, _>>()
                .into(),
            NodeContent::Scalar(scalar) if scalar.style == Style::Quoted => json!(scalar.text),
            NodeContent::Scalar(_) if node.is_null() => Value::Null,
            NodeContent::Scalar(scalar) => match (&*scalar.text, scalars::int(scalar)) {
                ("true", _) => json!(true),
                ("false", _) => json!(false),
                (_, Ok(scalars::Int::Exact(number))) => json!(number),
                // A fraction, which editors reject.
                (text, Ok(scalars::Int::Truncated(_))) => json!(text),
                (text, _) => json!(text),
            },
        }
    }

    fn complaints(text: &str) -> Vec<String> {
        let yaml = yaml::read(text, &LineStarts::of(text.as_bytes())).expect(text);
        let config = as_json(&yaml.root);
        let stated = |key: &str| config[key].as_str().expect(key).to_owned();
        let schema = schema(&stated("variant"), &stated("version")).expect(text);
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let errors = validator.iter_errors(&config);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    #[test]
    fn schemas_are_up_to_date() {
        for dialect in DIALECTS.iter().filter(|d| !d.version.contains('-')) {
            let made = format!("{:#}\n", generate(dialect));
            let name = format!("butane-{}-{}.json", dialect.variant.name(), dialect.version);
            let path = format!("{}/schemas/{name}", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("KINDLING_WRITE_SCHEMAS").is_some() {
                std::fs::write(path, &made).expect("writing the schema");
            } else {
                let on_disk = std::fs::read_to_string(path).unwrap_or_default();
                assert!(
                    on_disk == made,
                    "{name} is stale: set KINDLING_WRITE_SCHEMAS=1 and test again"
                );
            }
        }
    }

    /// The table of `docs/butane.md`, generated from that of the dialects.
    fn table_of_dialects() -> String {
        let mut table = String::new();
        for dialect in DIALECTS {
            let (variant, version) = (dialect.variant.name(), dialect.version);
            let base = match dialect.base {
                BaseVersion::V0_1 => "0.1",
                BaseVersion::V0_2 => "0.2",
                BaseVersion::V0_3 => "0.3",
                BaseVersion::V0_4 => "0.4",
                BaseVersion::V0_5 => "0.5",
                BaseVersion::V0_6 => "0.6",
                BaseVersion::V0_7 => "0.7",
                BaseVersion::V0_8 => "0.8-experimental",
            };
            let sugar = match dialect.sugar {
                None | Some(Sugar::V1_0) => "-",
                Some(Sugar::V1_3) => "`boot_device`",
                Some(Sugar::V1_5) => "`boot_device`, `grub`",
                Some(Sugar::V1_6 | Sugar::V1_7) => "`boot_device` (s390x too), `grub`",
            };
            let schema = match version.contains('-') {
                true => "-".to_owned(),
                false => format!("[file](../schemas/butane-{variant}-{version}.json)"),
            };
            let output = dialect.output;
            table +=
                &format!("| {variant} | {version} | {base} | {output} | {sugar} | {schema} |\n");
        }
        table
    }

    #[test]
    fn the_document_lists_every_pair() {
        const HEAD: &str = "|---|---|---|---|---|---|\n";
        let path = format!("{}/docs/butane.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("the document");
        let (before, rest) = text.split_once(HEAD).expect("the table");
        let (_, after) = rest.split_once("\n\n").expect("the end of the table");
        let fresh = format!("{before}{HEAD}{}\n{after}", table_of_dialects());
        if std::env::var_os("KINDLING_WRITE_SCHEMAS").is_some() {
            std::fs::write(path, fresh).expect("writing the document");
        } else {
            assert!(
                text == fresh,
                "docs/butane.md is stale: set KINDLING_WRITE_SCHEMAS=1 and test again"
            );
        }
    }

    #[test]
    fn every_key_is_described() {
        for dialect in DIALECTS {
            let schema = generate(dialect);
            let definitions = schema["$defs"].as_object().expect("definitions");
            for definition in definitions.values().chain([&schema]) {
                for (key, property) in definition["properties"].as_object().expect("properties") {
                    let about = property["description"].as_str().unwrap_or_default();
                    assert!(
                        !about.is_empty(),
                        "{} {}: {key}",
                        dialect.variant.name(),
                        dialect.version
                    );
                }
            }
        }
    }

    #[test]
    fn unknown_pairs_are_refused() {
        let error = schema("fcos", "9.0.0").expect_err("unknown");
        assert!(error.contains("1.6.0"), "{error}");
    }

    #[test]
    fn structure_is_validated() {
        let config = |rest: &str| format!("variant: fcos\nversion: 1.6.0\n{rest}");
        let fine = [
            "",
            "x-anchors: [&a {b: c}]\n",
            "storage: ~\n",
            "storage: {files: [{path: /a, mode: 0644, contents: {inline: 12}}]}\n",
            "passwd: {users: [{name: core, ssh_authorized_keys: [a, ~]}]}\n",
            "boot_device: {luks: {tpm2: true}}\n",
        ];
        for rest in fine {
            assert_eq!(complaints(&config(rest)), Vec::<String>::new(), "{rest}");
        }
        let wrong = [
            "storge: {}\n",
            "storage: {files: {path: /a}}\n",
            "storage: {files: [{path: [/a]}]}\n",
            "storage: {files: [{path: /a, mode: \"0644\"}]}\n",
            "storage: {files: [{path: /a, contents: text}]}\n",
            "systemd: {units: [{name: a.service, enabled: \"true\"}]}\n",
            "systemd: {quadlets: []}\n",
            "openshift: {fips: true}\n",
        ];
        for rest in wrong {
            assert_eq!(complaints(&config(rest)).len(), 1, "{rest}");
        }
        assert!(complaints("variant: flatcar\nversion: 1.0.0\nboot_device: {}\n").len() == 1);
        let labels = "variant: openshift\nversion: 4.14.0\nmetadata: {name: a, labels: {b/c: d}}\n";
        assert!(complaints(labels).is_empty());
    }

    #[test]
    fn examples_fit_their_schemas() {
        let folder = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("examples") {
            let path = entry.expect("an example").path();
            if path.extension().is_some_and(|extension| extension == "bu") {
                let text = std::fs::read_to_string(&path).expect("an example");
                let found = complaints(&text);
                assert!(found.is_empty(), "{}: {found:#?}", path.display());
                count += 1;
            }
        }
        assert!(count > 0, "there are examples in this language");
    }
}
