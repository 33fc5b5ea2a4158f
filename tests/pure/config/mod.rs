//! The config language as a black box: texts in, findings, documents and origins out.
//!
//! Most cases are in `cases/*.txt`: a text, and the findings for each range of versions. `@V` is replaced by the
//! version, and `‹x×N›` by N times x.

mod cases;
mod documents;
mod errors;
mod language;
mod many;
mod reading;

use kindling::config::{Document, ParseResult, parse};

/// Parses a text that must be a valid config.
fn document(source: &str, text: &str) -> Document {
    let ParseResult {
        findings, outcome, ..
    } = parse(source, text.as_bytes());
    outcome.unwrap_or_else(|e| panic!("{e}: {findings:#?}\n{text}"))
}

/// Findings in the form `error at $.path, line 1 col 2: message`, then the outcome in a word.
fn verdict(text: &[u8]) -> Vec<String> {
    use kindling::config::ParseError::{BadVersion, Decode, Empty, Invalid, Unsupported};
    let parsed = parse("config.ign", text);
    let mut lines: Vec<String> = parsed.findings.0.iter().map(ToString::to_string).collect();
    let outcome = match parsed.outcome {
        Ok(_) => "valid",
        Err(Empty) => "empty",
        Err(Decode) => "undecodable",
        Err(BadVersion(_)) => "bad version",
        Err(Unsupported(_)) => "unsupported",
        Err(Invalid) => "invalid",
    };
    lines.push(outcome.into());
    lines
}

/// A config of version `version` with `members` in addition to `ignition`.
fn config(version: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{\"ignition\":{{\"version\":\"{version}\"}}{comma}{members}}}")
}
