//! The table, the model and the schemas agree; and cases that the reference implementation handles badly.

use super::{config, document, verdict};
use kindling::config::digest::Digest;
use kindling::config::{Document, JsonPath, Version, parse, schema};
use serde_json::{Value, json};

/// A config with every member, generated from the schema of `version`.
fn full(version: Version) -> Value {
    let schema: Value = serde_json::from_str(&schema::text(version)).expect("a schema");
    let mut config = example(&schema, &schema, "");
    config["ignition"]["version"] = json!(version.as_str());
    config
}

fn example(schema: &Value, part: &Value, name: &str) -> Value {
    if let Some(reference) = part["$ref"].as_str() {
        let target = reference.trim_start_matches('#');
        return example(schema, schema.pointer(target).expect("a definition"), name);
    }
    match part["type"].as_str().or(part["type"][0].as_str()) {
        Some("string") => json!(text_for(name)),
        Some("integer") => json!(1),
        Some("boolean") => json!(name != "shouldExist" && name != "hard"),
        Some("array") => json!([example(schema, &part["items"], name)]),
        _ => {
            let properties = part["properties"].as_object().expect("properties");
            properties
                .iter()
                .map(|(n, p)| (n.clone(), example(schema, p, n)))
                .collect()
        }
    }
}

fn text_for(name: &str) -> String {
    match name {
        "source" | "url" => "http://h/".into(),
        "compression" => "gzip".into(),
        "hash" => format!("sha512-{}", "0".repeat(128)),
        other => format!("/{other}"),
    }
}

/// Every member of every version is read into the model, and every member of the model is written back: table, schema
/// and model have the same names and types.
#[test]
fn the_model_holds_every_member() {
    for version in Version::ALL {
        let mut full = full(version);
        let parsed = parse("x", full.to_string().as_bytes());
        let unreadable = ["unknown key", "expected"];
        for finding in &parsed.findings.0 {
            let is_unreadable = unreadable.iter().any(|u| finding.message.starts_with(u));
            assert!(!is_unreadable, "{version}: {finding}");
        }
        if version == Version::V3_7Experimental {
            full["storage"].as_object_mut().expect("an object");
            let typed: kindling::config::Config =
                serde_json::from_value(full.clone()).expect("the model reads it");
            assert_eq!(
                serde_json::to_value(&typed).expect("configs serialise"),
                full
            );
        }
    }
}

/// Merging converts the model to a tree and back; nothing may get lost.
#[test]
fn merging_keeps_every_member() {
    let typed: kindling::config::Config =
        serde_json::from_value(full(Version::V3_7Experimental)).expect("the model reads it");
    let full = Document::from(typed);
    let other = document(
        "x",
        &config("3.6.0", r#""storage":{"disks":[{"device":"/dev/zz"}]}"#),
    );
    let mut merged = Document::merge(&other, &full).config().clone();
    assert_eq!(merged.storage.disks.remove(0).device, "/dev/zz");
    assert_eq!(&merged, full.config());
}

/// A value of any wrong type is reported with its position.
#[test]
fn every_wrong_type_is_found() {
    let full = full(Version::V3_7Experimental);
    let mut paths = Vec::new();
    collect(&full, "", &mut paths);
    assert!(paths.len() > 150, "{}", paths.len());
    for path in &paths {
        let right = full.pointer(path).expect("a value");
        for wrong in [
            json!(true),
            json!(1),
            json!(1.5),
            json!("x"),
            json!([]),
            json!({}),
        ] {
            if same_type(right, &wrong) {
                continue;
            }
            let mut config = full.clone();
            *config.pointer_mut(path).expect("a value") = wrong.clone();
            let text = config.to_string();
            let parsed = parse("x", text.as_bytes());
            let shown = JsonPath::new(format!("${}", path.replace('/', ".")));
            let mut findings = parsed.findings.0.iter();
            let first = findings
                .find(|finding| finding.path.as_ref() == Some(&shown))
                .expect("a finding");
            assert!(parsed.outcome.is_err(), "{path} {wrong}");
            assert!(
                first.message.starts_with("expected"),
                "{path} {wrong}: {first}"
            );
            assert!(first.position.is_some(), "{path} {wrong}");
        }
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    let integer = |v: &Value| v.is_i64();
    std::mem::discriminant(a) == std::mem::discriminant(b) && integer(a) == integer(b)
}

fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    if !path.is_empty() {
        paths.push(path.to_owned());
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                collect(value, &format!("{path}/{name}"), paths);
            }
        }
        Value::Array(elements) => {
            for (i, value) in elements.iter().enumerate() {
                collect(value, &format!("{path}/{i}"), paths);
            }
        }
        _ => {}
    }
}

#[test]
fn tang_advertisements_survive_translation() {
    let tang = r#"[{"url":"http://t","thumbprint":"x","advertisement":"{}"}]"#;
    let luks = format!(
        r#""storage":{{"luks":[{{"name":"l","device":"/dev/a","clevis":{{"tang":{tang}}}}}]}}"#
    );
    for version in ["3.4.0", "3.5.0", "3.6.0"] {
        let config = document("x", &config(version, &luks));
        let tang = &config.config().storage.luks[0].clevis.tang[0];
        assert_eq!(tang.advertisement.as_deref(), Some("{}"), "{version}");
    }
}

#[test]
fn the_message_about_a_header_names_the_section() {
    let text = config(
        "3.6.0",
        r#""systemd":{"units":[{"name":"a.service","contents":"[Foo]bar"}]}"#,
    );
    let found = verdict(text.as_bytes());
    assert!(
        found[0].ends_with("text after the header of section `Foo`"),
        "{found:?}"
    );
}

#[test]
fn unknown_keys_come_in_document_order_and_unformatted() {
    let text = config("3.6.0", r#""z%s":1,"a%d":1,"m%n":1"#);
    let found = verdict(text.as_bytes());
    let keys: Vec<&str> = found.iter().filter_map(|f| f.split('`').nth(1)).collect();
    assert_eq!(keys, ["z%s", "a%d", "m%n"]);
}

#[test]
fn the_first_of_several_duplicate_numbers_is_reported() {
    let parts = r#"[{"number":1},{"number":2},{"number":2},{"number":1}]"#;
    let disks = format!(r#""storage":{{"disks":[{{"device":"/dev/a","partitions":{parts}}}]}}"#);
    let found = verdict(config("3.6.0", &disks).as_bytes());
    assert!(
        found[0].starts_with("error at $.storage.disks.0.partitions.2,"),
        "{found:?}"
    );
}

#[test]
fn digests_compare_by_value() {
    let digest = |digits: &str| Digest::parse(&format!("sha256-{}", digits.repeat(32)));
    assert_eq!(digest("ab"), digest("AB"));
    assert!(digest("zz").is_err());
}

#[test]
fn huge_numbers_under_unknown_keys_do_not_disable_checks() {
    let text = config(
        "3.6.0",
        "\"x\":1e999,\"y\":1,\"passwd\":{\"users\":[{\"name\":\"a\"},{\"name\":\"a\"}]}",
    );
    let expected = [
        "warning at $.x, line 1 col 33: unknown key `x`",
        "warning at $.y, line 1 col 43: unknown key `y`",
        "error at $.passwd.users.1, line 1 col 82: duplicate entry: same name as users.0",
        "invalid",
    ];
    assert_eq!(verdict(text.as_bytes()), expected);
}

#[test]
fn deletion_next_to_an_unnumbered_partition_is_valid() {
    let parts = r#"[{"number":1,"shouldExist":false},{"label":"x"}]"#;
    let disks = format!(r#""storage":{{"disks":[{{"device":"/dev/a","partitions":{parts}}}]}}"#);
    assert_eq!(verdict(config("3.0.0", &disks).as_bytes()), ["valid"]);
}

#[test]
fn labels_are_measured_in_bytes() {
    let found = |label: &str| {
        let members = format!(
            r#""storage":{{"filesystems":[{{"device":"/dev/a","format":"xfs","label":"{label}"}}]}}"#
        );
        verdict(config("3.6.0", &members).as_bytes()).len()
    };
    assert_eq!((found("éééééé"), found("ééééééé")), (1, 2));
}

#[test]
fn special_bits_of_old_documents_are_stripped_with_a_warning() {
    let files = r#""storage":{"files":[{"path":"/a","mode":3565}]}"#;
    let parsed = parse("x", config("3.5.0", files).as_bytes());
    assert_eq!(parsed.findings.0.len(), 1);
    let document = parsed.outcome.expect("a warning stops nothing");
    assert_eq!(document.config().storage.files[0].mode, Some(0o755));
}
