//! Decodes documents of platforms. Errors name the document and the problem, but never quote the document, which may
//! contain user data.

use crate::platform::contract::Attributes;
use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Maximum number of values that [`flattened`] returns. Metadata documents have few values.
const MAX_VALUES: usize = 2000;
/// Maximum length of the path of such a value: no template names a longer one.
const MAX_PATH_BYTES: usize = 4096;

/// Parses a JSON document.
///
/// # Errors
/// If it is not valid JSON, or does not have the expected structure. `what` names it.
pub(crate) fn json<T: DeserializeOwned>(what: &str, text: &[u8]) -> anyhow::Result<T> {
    // The text of the original error may quote the document.
    serde_json::from_slice(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.is_data() {
            true => anyhow!("{what} has an unexpected structure ({place})"),
            false => anyhow!("{what} is not valid JSON ({place})"),
        }
    })
}

/// Converts a parsed JSON value.
///
/// # Errors
/// If it does not have the expected structure. `what` names it.
pub(crate) fn from_value<T: DeserializeOwned>(what: &str, value: Value) -> anyhow::Result<T> {
    let decoded = serde_json::from_value(value).ok();
    decoded.with_context(|| format!("{what} has an unexpected structure"))
}

/// Decodes UTF-8.
///
/// # Errors
/// If it is not UTF-8. `what` names it.
pub(crate) fn text(what: &str, bytes: Vec<u8>) -> anyhow::Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => bail!("{what} is not valid UTF-8"),
    }
}

/// SSH keys in any of the formats in which platforms list them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Keys {
    /// No keys.
    #[default]
    None,
    /// A string with one key per line.
    Lines(String),
    List(Vec<Keys>),
    /// A mapping from names, numbers or users.
    Named(BTreeMap<String, Keys>),
}

impl Keys {
    /// Adds the keys to `attributes`.
    pub(crate) fn add_to(&self, attributes: &mut Attributes) {
        let mut texts = Vec::new();
        self.collect(&mut texts);
        attributes.add_all_keys(texts);
    }

    /// The recursion is bounded: the parsers limit the depth of a document.
    fn collect<'k>(&'k self, texts: &mut Vec<&'k str>) {
        match self {
            Keys::None => {}
            Keys::Lines(lines) => texts.push(lines),
            Keys::List(keys) => keys.iter().for_each(|keys| keys.collect(texts)),
            Keys::Named(keys) => keys.values().for_each(|keys| keys.collect(texts)),
        }
    }
}

/// A string that some platforms encode as a number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum StringOrNumber {
    /// A string.
    Text(String),
    Number(serde_json::Number),
}

impl StringOrNumber {
    /// The string, or the digits of the number.
    pub(crate) fn text(&self) -> String {
        match self {
            StringOrNumber::Text(text) => text.clone(),
            StringOrNumber::Number(number) => number.to_string(),
        }
    }
}

/// The scalars of a document by path, e.g. `meta.role`; at most `MAX_VALUES`, and none with a longer path than
/// `MAX_PATH_BYTES`.
pub(crate) fn flattened(value: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    flatten("", value, &mut flat);
    flat
}

/// The recursion is bounded: the parsers limit the depth of a document.
fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                if flat.len() >= MAX_VALUES {
                    return;
                }
                if path.len() + key.len() > MAX_PATH_BYTES {
                    continue;
                }
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                flatten(&path, value, flat);
            }
            return;
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // Formatted as Jinja prints it.
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null | Value::Array(_) => return,
    };
    flat.insert(path.to_owned(), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattened_documents_are_small() {
        let long = "k".repeat(MAX_PATH_BYTES);
        let entries: serde_json::Map<String, Value> = (0..MAX_VALUES + 1)
            .map(|i| (format!("{i:08}"), Value::from(i)))
            .collect();
        let value = serde_json::json!({long.as_str(): entries, "a": {long.as_str(): 1, "b": 2}});
        let flat = flattened(&value);
        assert_eq!(flat.len(), 1);
        assert_eq!(flat["a.b"], "2");
        let flat = flattened(&Value::Object(entries));
        assert_eq!(flat.len(), MAX_VALUES);
    }

    #[test]
    fn many_keys_are_added_in_linear_time() {
        let keys = (0..200_000).map(|i| Keys::Lines(format!("ssh-rsa {i}\n")));
        let mut attributes = Attributes::default();
        Keys::List(keys.chain([Keys::Lines("ssh-rsa 0".into())]).collect()).add_to(&mut attributes);
        assert_eq!(attributes.ssh_keys.len(), 200_000);
    }

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
                "the list has an unexpected structure (line 1, column 9)",
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
            let mut attributes = Attributes::default();
            keys.add_to(&mut attributes);
            attributes.ssh_keys
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
        assert!(
            error.to_string().contains("unexpected structure"),
            "{error}"
        );
    }
}
