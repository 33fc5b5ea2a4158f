//! The JSON layer: repeated and misspelled keys, broken Unicode, depth, positions.

use super::{config, document, verdict};
use kindling::config::{Severity, parse};
use serde_json::{Value, json};

/// The parsed `storage` section of a config with these members, without empty parts.
fn storage(members: &str) -> Value {
    let document = document("x", &config("3.6.0", members));
    let value = serde_json::to_value(&document.config().storage).expect("configs serialise");
    let mut value = value;
    for node in value.as_object_mut().expect("an object").values_mut() {
        for element in node.as_array_mut().into_iter().flatten() {
            let element = element.as_object_mut().expect("an object");
            if element["contents"]["source"].is_null() {
                element.remove("contents");
            }
            element.retain(|_, v| !v.as_object().is_some_and(|o| o.is_empty()));
        }
    }
    value
}

#[test]
fn repeated_keys() {
    let cases = [
        // Scalars: the last one is used, and null unsets an optional one.
        (
            r#""storage":{"files":[{"path":"/a","mode":1,"mode":2}]}"#,
            json!({"path": "/a", "mode": 2}),
        ),
        (
            r#""storage":{"files":[{"path":"/a","mode":1,"mode":null}]}"#,
            json!({"path": "/a"}),
        ),
        (
            r#""storage":{"files":[{"path":"/a","path":null}]}"#,
            json!({"path": "/a"}),
        ),
        (
            r#""storage":{"files":[{"path":"/a","path":"/b"}]}"#,
            json!({"path": "/b"}),
        ),
        // Objects: merged.
        (
            r#""storage":{"files":[{"path":"/a","user":{"id":1,"name":""},"user":{"id":2}}]}"#,
            json!({"path": "/a", "user": {"id": 2, "name": ""}}),
        ),
        (
            r#""storage":{"files":[{"path":"/a","user":{"id":1},"user":null}]}"#,
            json!({"path": "/a", "user": {"id": 1}}),
        ),
        (
            r#""storage":{"files":[{"path":"/a"}]},"storage":{}"#,
            json!({"path": "/a"}),
        ),
        // Lists: replaced, without remnants of the earlier elements.
        (
            r#""storage":{"files":[{"path":"/a","mode":420}],"files":[{"path":"/b"}]}"#,
            json!({"path": "/b"}),
        ),
        (
            r#""storage":{"files":[{"path":"/x"}],"files":null,"files":[{"path":"/b"}]}"#,
            json!({"path": "/b"}),
        ),
        // Keys that differ in case only: the same member.
        (
            r#""Storage":{"FILES":[{"paTh":"/a","MODE":1}]}"#,
            json!({"path": "/a", "mode": 1}),
        ),
        (
            r#""\u017ftorage":{"files":[{"path":"/a"}]}"#,
            json!({"path": "/a"}),
        ),
        (
            r#""storage":{"files":[{"path":"/a","mode":1,"Mode":2}]}"#,
            json!({"path": "/a", "mode": 2}),
        ),
        (
            r#""storage":{"files":[{"path":"/a","Mode":2,"mode":1}]}"#,
            json!({"path": "/a", "mode": 1}),
        ),
    ];
    for (members, file) in cases {
        assert_eq!(storage(members), json!({ "files": [file] }), "{members}");
    }
    assert_eq!(
        storage(r#""storage":{"files":[{"path":"/a"}],"files":[]}"#),
        json!({})
    );
}

#[test]
fn a_wrong_type_counts_even_if_replaced() {
    let text = config(
        "3.6.0",
        r#""storage":{"files":[{"path":"/a","mode":"x","mode":1}]}"#,
    );
    let finding =
        "error at $.storage.files.0.mode, line 1 col 73: expected an integer, found a string";
    assert_eq!(verdict(text.as_bytes()), [finding, "undecodable"]);
    let text = config("3.6.0", r#""storage":{"files":[{"path":1}],"files":[]}"#);
    let finding =
        "error at $.storage.files.0.path, line 1 col 61: expected a string, found a number";
    assert_eq!(verdict(text.as_bytes()), [finding, "undecodable"]);
}

#[test]
fn of_many_unknown_keys_most_are_only_counted() {
    let keys: Vec<String> = (0..1500).map(|n| format!("\"k{n}\":0")).collect();
    let parsed = parse("x", config("3.6.0", &keys.join(",\n")).as_bytes());
    parsed.outcome.expect("valid");
    let findings = parsed.findings.0;
    assert_eq!(findings.len(), 1001);
    let last = findings.last().expect("a finding");
    let line = last.position.expect("a position").line;
    assert_eq!(last.message, "500 more unknown keys from here on");
    assert_eq!(line, 1001);
}

#[test]
fn misspelled_keys_are_reported_once() {
    let cases = [
        (
            r#""Storage":{"bogus":1,"files":null}"#,
            vec!["warning at $.Storage, line 1 col 33: unknown key `Storage`"],
        ),
        (
            r#""storage":{"Files":[{"path":"/a","bogus":1,"user":null}]}"#,
            vec!["warning at $.storage.Files, line 1 col 44: unknown key `Files`"],
        ),
        (
            r#""storage":{"\u017ftorage":1,"ra\u0131d":[]}"#,
            vec![
                "warning at $.storage.ſtorage, line 1 col 44: unknown key `ſtorage`",
                "warning at $.storage.raıd, line 1 col 61: unknown key `raıd`",
            ],
        ),
        (
            r#""passwd":{"users":[{"name":"a","uid":1,"UID":2,"userx":3}]}"#,
            vec![
                "warning at $.passwd.users.0.UID, line 1 col 72: unknown key `UID`",
                "warning at $.passwd.users.0.userx, line 1 col 80: unknown key `userx`",
            ],
        ),
    ];
    for (members, mut expected) in cases {
        expected.push("valid");
        assert_eq!(
            verdict(config("3.6.0", members).as_bytes()),
            expected,
            "{members}"
        );
    }
}

#[test]
fn findings_below_a_misspelled_key_point_at_the_value() {
    let text = config("3.6.0", "\"Storage\":{\n\"files\":[\n{\"Path\":\"x\"}]}");
    let expected = [
        "warning at $.Storage, line 1 col 33: unknown key `Storage`",
        "error at $.storage.files.0.path, line 3 col 9: path is not absolute",
        "invalid",
    ];
    assert_eq!(verdict(text.as_bytes()), expected);
}

#[test]
fn the_kelvin_sign_is_a_k() {
    let text = config("3.6.0", "\"storage\":{\"dis\u{212a}s\":[{}]}");
    let found = verdict(text.as_bytes());
    assert!(
        found[1].starts_with("error at $.storage.disks.0.device"),
        "{found:?}"
    );
}

#[test]
fn broken_unicode_becomes_a_replacement_character() {
    let cases: [(&[u8], &str); 5] = [
        (br"/a\ud800", "/a\u{fffd}"),
        (br"/a\udc00\ud83d\ude00", "/a\u{fffd}\u{1f600}"),
        (b"/a\xff\xfe", "/a\u{fffd}\u{fffd}"),
        (b"/a\xc3\xa4", "/aä"),
        (br"/\u0001", "/\u{1}"),
    ];
    for (path, expected) in cases {
        let text = config("3.6.0", r#""storage":{"files":[{"path":"@"}]}"#);
        let (before, after) = text.split_once('@').expect("a place");
        let text = [before.as_bytes(), path, after.as_bytes()].concat();
        let document = parse("x", &text).outcome.expect("a config");
        assert_eq!(document.config().storage.files[0].path, expected);
    }
}

#[test]
fn columns_count_bytes() {
    let text = config(
        "3.6.0",
        "\n\"ä\": 1, \"b\": 2, \"storage\":{\"files\":[{\"path\":\"ö\"}]}",
    );
    let expected = [
        "warning at $.ä, line 2 col 1: unknown key `ä`",
        "warning at $.b, line 2 col 10: unknown key `b`",
        "error at $.storage.files.0.path, line 2 col 46: path is not absolute",
        "invalid",
    ];
    assert_eq!(verdict(text.as_bytes()), expected);
    // The invalid byte counts as one, whatever replaces it.
    let text = [
        b"{\"x\":\"\xff\",\"y\":1,".as_slice(),
        &config("3.6.0", "").as_bytes()[1..],
    ]
    .concat();
    let parsed = parse("x", &text);
    let columns: Vec<u32> = parsed
        .findings
        .0
        .iter()
        .filter_map(|f| f.position)
        .map(|p| p.column)
        .collect();
    assert_eq!(columns, [2, 10]);
}

#[test]
fn crlf_counts_as_one_line_end() {
    let text = "{\r\n\"ignition\": {\"version\": \"3.6.0\"},\r\n\"x\": 1}";
    let expected = ["warning at $.x, line 3 col 1: unknown key `x`", "valid"];
    assert_eq!(verdict(text.as_bytes()), expected);
}

#[test]
fn deep_nesting() {
    let nested = |n: usize| {
        let (open, close) = ("[".repeat(n), "]".repeat(n));
        config("3.6.0", &format!("\"x\":{open}{close}"))
    };
    assert_eq!(
        verdict(nested(9_999).as_bytes()).last().map(String::as_str),
        Some("valid")
    );
    let found = verdict(nested(10_000).as_bytes());
    let expected = "error at line 1 col 10036: nested deeper than 10000 levels";
    assert_eq!(found, [expected, "undecodable"]);
    let text = nested(2_000_000);
    assert_eq!(verdict(text.as_bytes()), [expected, "undecodable"]);
    // In place of a known value as well.
    let text = config(
        "3.6.0",
        &format!("\"storage\":{}{}", "[".repeat(9_000), "]".repeat(9_000)),
    );
    let expected = "error at $.storage, line 1 col 44: expected an object, found a list";
    assert_eq!(verdict(text.as_bytes()), [expected, "undecodable"]);
}

#[test]
fn help_for_keys_and_types() {
    let cases = [
        (r#""storag":{}"#, "did you mean `storage`?"),
        (
            r#""systemd":{"units":[{"name":"a.service","enable":true}]}"#,
            "did you mean `enabled`?",
        ),
        (
            r#""Passwd":{}"#,
            "it is taken as `passwd`; spell it like that",
        ),
        (
            r#""storage":{"luks":[]}"#,
            "`luks` exists since version 3.2.0, this document is written in 3.1.0",
        ),
        (
            r#""storage":{"files":[{"path":"/a","mode":"0755"}]}"#,
            "modes are decimal numbers: 0755 is 493",
        ),
        (
            r#""storage":{"files":{"path":"/a"}}"#,
            "put it in brackets: [ ... ]",
        ),
        (
            r#""storage":{"files":[{"path":"/a","overwrite":"true"}]}"#,
            "leave out the quotes",
        ),
        (
            r#""storage":{"files":[{"path":"/a","mode":0644}]}"#,
            "octal 0644 is 420 in decimal",
        ),
    ];
    for (members, help) in cases {
        let parsed = parse("x", config("3.1.0", members).as_bytes());
        let first = parsed.findings.0.first().expect("a finding");
        assert_eq!(first.help.as_deref(), Some(help), "{members}");
        assert!(first.position.is_some(), "{members}");
        assert_ne!(first.severity, Severity::Info);
    }
}
