//! Ignition 1 and 2. For each `NAME.ign` in the folder, `NAME.expected` has the findings as `severity line path:
//! message` and, if the config can be translated, a line `---` and the translation.

use kindling::language::{Language, Surroundings, translate};
use serde_json::Value;
use std::fs;
use std::path::Path;

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/pure/languages/old_ignition"
);

#[test]
fn configs_are_checked_and_translated() {
    let filesystems = [
        ("data".to_owned(), "/var/data".to_owned()),
        ("other".to_owned(), "/srv/".to_owned()),
    ];
    let mut names: Vec<String> = fs::read_dir(FOLDER)
        .expect("folder")
        .filter_map(|entry| {
            let name = entry.expect("entry").file_name().into_string();
            name.expect("name").strip_suffix(".ign").map(String::from)
        })
        .collect();
    names.sort();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let surroundings = Surroundings {
            filesystems: match name.as_str() {
                "filesystem_mapped" => &filesystems,
                _ => &[],
            },
            ..Surroundings::default()
        };
        check(&name, &surroundings);
    }
}

fn check(name: &str, surroundings: &Surroundings<'_>) {
    let read = |extension| {
        let path = Path::new(FOLDER).join(name).with_extension(extension);
        fs::read_to_string(path).expect(name)
    };
    let text = read("ign");
    let translation = translate(
        name,
        text.as_bytes(),
        Language::OldIgnition,
        surroundings,
        false,
    );
    let found: Vec<String> = translation
        .findings
        .0
        .iter()
        .map(|finding| {
            let line = finding.position.expect("position").line;
            let path = finding.path.as_ref().expect("path").as_str();
            format!("{} {line} {path}: {}", finding.severity, finding.message)
        })
        .collect();
    let expected = read("expected");
    let (findings, json) = match expected.split_once("---\n") {
        Some((findings, json)) => (findings, Some(json)),
        None => (&*expected, None),
    };
    let findings: Vec<&str> = findings.lines().collect();
    assert_eq!(found, findings, "{name}");
    let value = |json: &str| -> Value { serde_json::from_str(json).expect(name) };
    let translated = translation.outcome.ok();
    assert_eq!(translated.as_deref().map(value), json.map(value), "{name}");
}

#[test]
fn text_that_is_not_json_is_reported() {
    for (text, line) in [("", 1), ("{", 1), ("{}\n{}", 2), ("{\n'a': 1}", 2)] {
        let surroundings = Surroundings::default();
        let old = Language::OldIgnition;
        let translation = translate("x", text.as_bytes(), old, &surroundings, false);
        assert!(translation.outcome.is_err(), "{text}");
        let positions = translation.findings.0.iter().map(|f| f.position);
        let lines: Vec<_> = positions.flatten().map(|at| at.line).collect();
        assert_eq!(lines, [line], "{text}");
    }
}

/// Translations that older converters do not support can be refused.
#[test]
fn extensions_can_be_refused() {
    let extended = [
        "spec1_root_device",
        "partition_in_sectors",
        "file_appended_to",
        "file_replaced_by_unit",
        "filesystem_root_redefined",
        "filesystem_twice",
        "filesystem_scratch",
        "users_folded",
        "version_experimental",
        "keys",
    ];
    let plain = [
        "references",
        "units_folded",
        "filesystem_oem",
        "unit_enable_2_1",
    ];
    let surroundings = Surroundings {
        is_strict: true,
        ..Surroundings::default()
    };
    let is_accepted = |name: &str| {
        let path = Path::new(FOLDER).join(name).with_extension("ign");
        let text = fs::read(path).expect(name);
        let old = Language::OldIgnition;
        let translation = translate(name, &text, old, &surroundings, false);
        translation.outcome.is_ok()
    };
    for name in extended {
        assert!(!is_accepted(name), "{name}");
    }
    for name in plain {
        assert!(is_accepted(name), "{name}");
    }
}
