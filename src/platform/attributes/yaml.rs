//! Parses YAML, as clouds write it, into JSON values.
//!
//! Scalars are always strings; `null`, `~` and an empty scalar are null. Aliases, with which a short document can
//! expand to a very long one, tags, and multiple documents are errors with a line number.

use anyhow::{Context, bail, ensure};
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Documents with deeper nesting are rejected, so that recursion over a value is bounded.
const MAX_DEPTH: usize = 32;

/// Parses a document.
///
/// # Errors
/// If it is not valid YAML, or uses unsupported features. The message names the line and quotes nothing.
pub(crate) fn value(text: &str) -> anyhow::Result<Value> {
    let mut builder = ValueBuilder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| invalid_yaml(error.marker().line()))?;
        let line = span.start.line();
        builder
            .take(event)
            .with_context(|| format!("line {line}"))?;
    }
    Ok(builder.document.unwrap_or_default())
}

fn invalid_yaml(line: usize) -> anyhow::Error {
    anyhow::anyhow!("line {line}: it is not valid YAML")
}

/// Parses the entries of a mapping with these keys. The others may use unsupported features.
///
/// # Errors
/// See [`value`].
pub(crate) fn entries(text: &str, wanted: &[&str]) -> anyhow::Result<Value> {
    if text.trim_start().starts_with('{') {
        return value(text);
    }
    let mut kept = String::new();
    let mut is_wanted = false;
    for line in text.lines() {
        // Lines that continue an entry are indented, or start a list item.
        let is_entry = line.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '-' | '#'));
        if is_entry {
            let key = line.split(':').next().unwrap_or_default();
            is_wanted = wanted.contains(&key.trim().trim_matches(['"', '\'']));
        }
        // Keeps the line numbers.
        kept += if is_wanted { line } else { "" };
        kept.push('\n');
    }
    value(&kept)
}

/// Builds a value from parser events.
#[derive(Default)]
struct ValueBuilder {
    /// Open lists and mappings, the innermost last.
    open: Vec<OpenCollection>,
    document: Option<Value>,
}

enum OpenCollection {
    List(Vec<Value>),
    /// The entries so far, and the key whose value comes next.
    Mapping(Map<String, Value>, Option<String>),
}

impl ValueBuilder {
    fn take(&mut self, event: Event<'_>) -> anyhow::Result<()> {
        match event {
            Event::Scalar(.., Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => bail!("a tag, which is not read here"),
            Event::Alias(_) => bail!("an alias, which is not read here"),
            Event::Scalar(text, style, ..) => self.put(scalar(&text, style)),
            Event::SequenceStart(..) => self.begin(OpenCollection::List(Vec::new())),
            Event::MappingStart(..) => self.begin(OpenCollection::Mapping(Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(OpenCollection::List(items)) => self.put(Value::Array(items)),
                Some(OpenCollection::Mapping(entries, _)) => self.put(Value::Object(entries)),
                None => Ok(()),
            },
            Event::DocumentStart(_) => {
                ensure!(self.document.is_none(), "a second document begins");
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, open: OpenCollection) -> anyhow::Result<()> {
        ensure!(self.open.len() < MAX_DEPTH, "too deep");
        self.open.push(open);
        Ok(())
    }

    /// Adds a value to the innermost open list or mapping.
    fn put(&mut self, value: Value) -> anyhow::Result<()> {
        match self.open.last_mut() {
            None => self.document = Some(value),
            Some(OpenCollection::List(items)) => items.push(value),
            Some(OpenCollection::Mapping(entries, key)) => match (key.take(), value) {
                (Some(key), value) => drop(entries.insert(key, value)),
                (None, Value::String(text)) => *key = Some(text),
                (None, Value::Null) => *key = Some("null".into()),
                (None, _) => bail!("a key that is not a scalar"),
            },
        }
        Ok(())
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let is_null = style == ScalarStyle::Plain && matches!(text, "" | "~" | "null");
    match is_null {
        true => Value::Null,
        false => Value::String(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_as_clouds_write_them() {
        let cases = [
            ("", json!(null)),
            ("# nothing\n---\n", json!(null)),
            ("a: b\n", json!({"a": "b"})),
            (
                "---\na: b # c\nd: 'it''s'\ne: \"x\\ty\"\n...\n",
                json!({"a": "b", "d": "it's", "e": "x\ty"}),
            ),
            ("a:\nb: ~\nc: ''\n", json!({"a": null, "b": null, "c": ""})),
            (
                "a:\n  b: c\n  d:\n    e: f\ng: h",
                json!({"a": {"b": "c", "d": {"e": "f"}}, "g": "h"}),
            ),
            ("a:\n- b\n- 'c'\nd: e", json!({"a": ["b", "c"], "d": "e"})),
            (
                "a:\n  - b # x\n  -\n    c: d\n  - e: f\n    g: h\n",
                json!({"a": ["b", {"c": "d"}, {"e": "f", "g": "h"}]}),
            ),
            (
                "- ip: 10.0.0.2\n  alias_ips: []\n  id: 7\n- ip: 10.1.0.2\n",
                json!([{"ip": "10.0.0.2", "alias_ips": [], "id": "7"}, {"ip": "10.1.0.2"}]),
            ),
            ("- - a\n  - b\n- c", json!([["a", "b"], "c"])),
            (
                "url: http://h:80/p#x\nmac: 00:11:22",
                json!({"url": "http://h:80/p#x", "mac": "00:11:22"}),
            ),
            (
                "keys: [a, \"b, c\", 'd']",
                json!({"keys": ["a", "b, c", "d"]}),
            ),
            ("a: {\"b\": [1]}", json!({"a": {"b": ["1"]}})),
            (
                "text: |\n  one\n\n    two\n  three\nend: x",
                json!({"text": "one\n\n  two\nthree\n", "end": "x"}),
            ),
            (
                "text: >-\n  one\n  two\nend: x",
                json!({"text": "one two", "end": "x"}),
            ),
            (
                "keys:\n  - ssh-rsa AAAA\n    BBBB me\n  - ssh-rsa C",
                json!({"keys": ["ssh-rsa AAAA BBBB me", "ssh-rsa C"]}),
            ),
            ("\"a b\": c\n'd': e", json!({"a b": "c", "d": "e"})),
            ("{\"a\": \"b\"}", json!({"a": "b"})),
        ];
        for (text, want) in cases {
            assert_eq!(value(text).expect(text), want, "{text}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let deep: String = (0..40).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        for (text, want) in [
            ("b: &x c\na: *x", "line 2: an alias, which is not read here"),
            (
                "a: !!binary secret",
                "line 1: a tag, which is not read here",
            ),
            ("a: \"secret", "it is not valid YAML"),
            ("a: \"x\" secret", "it is not valid YAML"),
            ("a: [secret", "it is not valid YAML"),
            ("a: b\n\tc: secret", "it is not valid YAML"),
            ("a: b\n  c: secret", "it is not valid YAML"),
            ("a: b\n---\nc: d", "line 2: a second document begins"),
            ("[secret]: a", "a key that is not a scalar"),
            (&deep, "line 33: too deep"),
        ] {
            let error = value(text).expect_err(text);
            let error = format!("{error:#}");
            assert!(
                error.starts_with("line ") && error.ends_with(want),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn other_entries_may_be_anything() {
        let text = "#cloud-config\nruncmd: &x\n  - [ sh, -c, {\nhostname: web\nwrite_files:\n- content: !!binary |\n    x\n\
                    ssh_authorized_keys:\n- ssh-rsa A\n# a comment\n- ssh-rsa B\nlast: *x\n";
        let found = entries(text, &["hostname", "ssh_authorized_keys"]).expect("good");
        assert_eq!(
            found,
            json!({"hostname": "web", "ssh_authorized_keys": ["ssh-rsa A", "ssh-rsa B"]})
        );
        assert_eq!(entries(text, &["user"]).expect("good"), json!(null));
        let error = entries(text, &["last"]).expect_err("an alias");
        let error = format!("{error:#}");
        assert!(error.starts_with("line 12: "), "{error}");
    }

    #[test]
    fn it_never_panics() {
        let pieces = [
            "a", "b: ", "- ", "-", ":", ": ", "\n", "\n  ", "\n    ", "'", "\"", "\\", "[", "]",
            "{", "}", ",", "#", " #", "|", ">-", "---", "...", "\t", "\u{e4}", "~", "&x", "\r\n",
            " ",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let pieces = (0..random.usize(..24)).map(|_| random.choice(pieces).unwrap_or(""));
            let text: String = pieces.collect();
            drop(value(&text));
            drop(entries(&text, &["a", "b"]));
        }
    }
}
