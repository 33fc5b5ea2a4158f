//! Documents as platforms give them, turned into values. Errors name the document and what is wrong with it, never what
//! is in it: user data may stand beside what is wanted.

use super::Facts;
use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A JSON document.
///
/// # Errors
/// It is not valid JSON, or of another shape. `what` names it.
pub fn json<T: DeserializeOwned>(what: &str, text: &[u8]) -> anyhow::Result<T> {
    // The text of the error may quote the document, so only its place is told.
    serde_json::from_slice(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.is_data() {
            true => anyhow!("{what} has another shape than expected ({place})"),
            false => anyhow!("{what} is not valid JSON ({place})"),
        }
    })
}

/// The same of what was parsed already.
///
/// # Errors
/// It is of another shape. `what` names it.
pub fn shaped<T: DeserializeOwned>(what: &str, value: serde_json::Value) -> anyhow::Result<T> {
    let shaped = serde_json::from_value(value).ok();
    shaped.with_context(|| format!("{what} has another shape than expected"))
}

/// A text.
///
/// # Errors
/// It is not UTF-8. `what` names it.
pub fn text(what: &str, bytes: Vec<u8>) -> anyhow::Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => bail!("{what} is not valid UTF-8"),
    }
}

/// Keys in any of the ways in which they are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Keys {
    /// None.
    #[default]
    None,
    /// A text with a key per line.
    Lines(String),
    /// One after the other.
    List(Vec<Keys>),
    /// By name or number, or by user.
    Named(BTreeMap<String, Keys>),
}

impl Keys {
    /// Notes them.
    pub fn add_to(&self, facts: &mut Facts) {
        match self {
            Keys::None => {}
            Keys::Lines(lines) => facts.add_keys(lines),
            Keys::List(keys) => keys.iter().for_each(|keys| keys.add_to(facts)),
            Keys::Named(keys) => keys.values().for_each(|keys| keys.add_to(facts)),
        }
    }
}

/// A word that may be written as a number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Word {
    /// As text.
    Text(String),
    /// As a number.
    Number(serde_json::Number),
}

impl Word {
    /// As text.
    pub fn text(&self) -> String {
        match self {
            Word::Text(text) => text.clone(),
            Word::Number(number) => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_document_and_the_place_and_quote_nothing() {
        for (document, want) in [
            (
                "[1,\n secret]",
                "the list is not valid JSON (line 2, column 2)",
            ),
            ("", "the list is not valid JSON (line 1, column 0)"),
            (
                "[\"secret\"]",
                "the list has another shape than expected (line 1, column 9)",
            ),
        ] {
            let error = json::<Vec<u32>>("the list", document.as_bytes()).expect_err(document);
            assert_eq!(error.to_string(), want);
        }
        let error = text("the name", vec![0xff]).expect_err("no text");
        assert_eq!(error.to_string(), "the name is not valid UTF-8");
    }

    #[test]
    fn keys_in_every_form() {
        let keys = |document: &str| {
            let keys: Keys = json("keys", document.as_bytes()).expect(document);
            let mut facts = Facts::default();
            keys.add_to(&mut facts);
            facts.ssh_keys
        };
        assert_eq!(keys("null"), [""; 0]);
        assert_eq!(keys("[]"), [""; 0]);
        assert_eq!(keys("\"k 1\\nk 2\\n\""), ["k 1", "k 2"]);
        assert_eq!(keys("[\"k 1\", null, \"k 2\"]"), ["k 1", "k 2"]);
        assert_eq!(keys("{\"0\": \"k 1\", \"b\": \"k 2\"}"), ["k 1", "k 2"]);
        assert_eq!(
            keys("{\"core\": [\"k 1\"], \"root\": [\"k 2\", \"k 1\"]}"),
            ["k 1", "k 2"]
        );
        let error = json::<Keys>("keys", b"[{\"a\": 7}]").expect_err("a number");
        assert!(error.to_string().contains("another shape"), "{error}");
    }
}
