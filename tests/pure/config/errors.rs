//! Texts that are not configs, and the errors about them.

use super::{config, verdict};
use kindling::config::{ParseError, Position, StatedVersion, Version, parse};

fn refused(text: &[u8]) -> ParseError {
    parse("x", text)
        .outcome
        .expect_err("a text that is not a config")
}

fn stated(text: &str, at: Option<(u32, u32)>) -> StatedVersion {
    StatedVersion {
        text: text.into(),
        position: at.map(|(line, column)| Position { line, column }),
        language: None,
    }
}

#[test]
fn kinds_and_their_texts() {
    let cases: [(&[u8], ParseError, &str); 6] = [
        (b"", ParseError::Empty, "not a config (empty)"),
        (b" \n", ParseError::Decode, "config is not valid"),
        (
            b"{}",
            ParseError::BadVersion(stated("", None)),
            "invalid config version (couldn't parse)",
        ),
        (
            br#"{"ignition":{"version":"2.3.0"}}"#,
            ParseError::Unsupported(stated("2.3.0", Some((1, 24)))),
            "unsupported config version",
        ),
        (
            br#"{"ignition":{"version":"3.0.0"},"storage":{"files":[{}]}}"#,
            ParseError::Invalid,
            "config is not valid",
        ),
        (
            br#"{"ignition":{"version":3}}"#,
            ParseError::Decode,
            "config is not valid",
        ),
    ];
    for (text, error, message) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(refused(text), error, "{shown}");
        assert_eq!(error.to_string(), message, "{shown}");
    }
}

#[test]
fn other_kinds_of_input() {
    let cases: [(&[u8], &str); 13] = [
        (
            b" \n",
            "error at line 2 col 1: the text ends where a value is expected",
        ),
        (
            b"#cloud-config\nusers: []\n",
            "error: not JSON: this is a cloud-config",
        ),
        (b"#!/bin/sh\ntrue\n", "error: not JSON: this is a script"),
        (
            b"ignition:\n",
            "error: not JSON: this is YAML, a Container Linux Config or a Butane config without `variant` and `version`",
        ),
        (
            b"-----BEGIN",
            "error: not JSON: this is a key, certificate or signed message in PEM form",
        ),
        (
            b"\x1f\x8b\x08\x00",
            "error: not JSON: this is gzip-compressed data that ends too early",
        ),
        (
            b"\xef\xbb\xbf{\"ignition\":{\"version\":\"3.6.0\"}}",
            "error: not JSON: the text begins with a byte order mark (0xEF 0xBB 0xBF)",
        ),
        (
            b"\xff\xfe{\0",
            "error: not JSON: the text is encoded in UTF-16",
        ),
        (
            b"\n\n  [1,]",
            "error at line 3 col 6: expected another entry after the comma, found `]`",
        ),
        (
            b"[",
            "error at line 1 col 2: the text ends where a value is expected",
        ),
        (
            b"{\"a\"",
            "error at line 1 col 5: the text ends where `:` is expected",
        ),
        (
            b"\"x\"",
            "error at $, line 1 col 1: expected an object, found a string",
        ),
        (
            b"[]",
            "error at $, line 1 col 2: expected an object, found a list",
        ),
    ];
    for (text, finding) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(verdict(text), [finding, "undecodable"], "{shown}");
    }
}

#[test]
fn the_version_comes_first() {
    let cases = [
        (
            r#"{"ignition":{"version":"2.0.0"},"storage":7}"#,
            "unsupported",
        ),
        (r#"{"ignition":{"version":"2.0.0"},}"#, "undecodable"),
        (r#"{"ignition":null}"#, "bad version"),
        (r#"{"ignition":{}}"#, "bad version"),
        (r#"{"ignition":{"version":""}}"#, "bad version"),
        (r#"{"ignition":[]}"#, "undecodable"),
        (
            r#"{"ignition":{"version":"3.6.0","version":null}}"#,
            "valid",
        ),
        (r#"{"ignition":{"version":"3.6.0"},"ignition":{}}"#, "valid"),
        (
            r#"{"ignition":{"version":7,"version":"3.6.0"}}"#,
            "undecodable",
        ),
        (
            r#"{"ignition":7,"ignition":{"version":"3.6.0"}}"#,
            "undecodable",
        ),
        (r#"{"ignition":{"ver\u0073ion":"3.6.0"}}"#, "valid"),
    ];
    for (text, outcome) in cases {
        assert_eq!(
            verdict(text.as_bytes()).last().map(String::as_str),
            Some(outcome),
            "{text}"
        );
    }
}

#[test]
fn every_truncation_is_one_clear_error() {
    let text = config("3.6.0", r#""storage":{"files":[{"path":"/a","mode":420}]}"#);
    for length in 1..text.len() {
        let found = verdict(&text.as_bytes()[..length]);
        let [finding, outcome] = &found[..] else {
            panic!("{length}: {found:?}")
        };
        assert_eq!(outcome, "undecodable", "{length}");
        assert!(
            finding.contains("the text ends") || finding.contains("word"),
            "{finding}"
        );
    }
}

#[test]
fn every_version_is_accepted_and_nothing_beyond() {
    for version in Version::ALL {
        assert_eq!(verdict(config(version.as_str(), "").as_bytes()), ["valid"]);
        assert_eq!(
            verdict(config(&format!("{version}+x"), "").as_bytes()),
            ["unsupported"]
        );
    }
}
