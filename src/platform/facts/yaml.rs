//! As much of YAML as clouds write: mappings and lists by indentation, one-line scalars and lists, blocks of text.
//! What is more than that (anchors, tags, several documents) is an error with its line.
//!
//! Scalars are texts, whatever they look like; `null`, `~` and nothing are null. A document of JSON is one of YAML.

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

/// Deeper documents are traps.
const DEEPEST: usize = 32;

/// The whole document.
///
/// # Errors
/// It has more than is read here. Names the line, never what is in it.
pub fn value(text: &str) -> anyhow::Result<Value> {
    if text.trim_start().starts_with(['{', '[']) {
        return serde_json::from_str(text)
            .ok()
            .context("it begins like JSON, and is none");
    }
    Parser::new(text)?.document()
}

/// Entries of a mapping with these keys. The others are not read, so they may be anything.
///
/// # Errors
/// As [`value`].
pub fn entries(text: &str, wanted: &[&str]) -> anyhow::Result<Value> {
    if text.trim_start().starts_with('{') {
        return value(text);
    }
    let mut kept = String::new();
    let mut is_wanted = false;
    for line in text.lines() {
        // What belongs to an entry is indented, or an item of a list.
        let is_entry = line.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '-' | '#'));
        if is_entry {
            let key = line.split(':').next().unwrap_or_default();
            is_wanted = wanted.contains(&key.trim().trim_matches(['"', '\'']));
        }
        // Lines keep their numbers.
        kept += if is_wanted { line } else { "" };
        kept.push('\n');
    }
    value(&kept)
}

/// A line that is left to be read.
#[derive(Debug, Clone)]
struct Line<'a> {
    number: usize,
    indent: usize,
    /// Without white space at its end.
    text: &'a str,
}

struct Parser<'a> {
    lines: Vec<Line<'a>>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> anyhow::Result<Self> {
        let mut lines = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let text = raw.trim_start_matches(' ');
            let line = Line {
                number: index + 1,
                indent: raw.len() - text.len(),
                text: text.trim_end(),
            };
            match raw.trim_end() {
                "---" if lines.iter().all(|line: &Line<'_>| line.is_empty()) => lines.clear(),
                "---" => bail!("line {}: a second document begins", line.number),
                "..." => break,
                _ => lines.push(line),
            }
        }
        Ok(Self {
            lines,
            next: 0,
            depth: 0,
        })
    }

    fn document(mut self) -> anyhow::Result<Value> {
        let Some(first) = self.peek()? else {
            return Ok(Value::Null);
        };
        let value = self.block(first.indent)?;
        match self.peek()? {
            None => Ok(value),
            Some(line) => bail!("line {}: it does not belong to what is above", line.number),
        }
    }

    /// The next line that is neither empty nor a comment.
    fn peek(&mut self) -> anyhow::Result<Option<Line<'a>>> {
        while let Some(line) = self.lines.get(self.next) {
            if !line.is_empty() {
                let is_indented = !line.text.starts_with('\t');
                ensure!(is_indented, "line {}: it begins with a tab", line.number);
                return Ok(Some(line.clone()));
            }
            self.next += 1;
        }
        Ok(None)
    }

    /// What stands at this indentation: a list, a mapping, or a scalar.
    fn block(&mut self, indent: usize) -> anyhow::Result<Value> {
        let Some(line) = self.peek()? else {
            return Ok(Value::Null);
        };
        self.depth += 1;
        ensure!(self.depth <= DEEPEST, "line {}: too deep", line.number);
        let value = if line.is_item() {
            self.list(indent)
        } else if line.entry().is_some() {
            self.mapping(indent)
        } else {
            self.next += 1;
            self.scalar(line.text, &line)
        };
        self.depth -= 1;
        value
    }

    fn list(&mut self, indent: usize) -> anyhow::Result<Value> {
        let mut items = Vec::new();
        while let Some(line) = self.peek()?.filter(|l| l.indent == indent && l.is_item()) {
            let rest = line.text[1..].trim_start_matches(' ');
            let inner = Line {
                indent: indent + line.text.len() - rest.len(),
                text: rest,
                ..line
            };
            if inner.is_empty() {
                self.next += 1;
                items.push(self.below(indent, Value::Null)?);
            } else if inner.is_item() || inner.entry().is_some() {
                let indent = inner.indent;
                self.lines[self.next] = inner;
                items.push(self.block(indent)?);
            } else {
                self.next += 1;
                items.push(self.scalar(rest, &line)?);
            }
        }
        Ok(Value::Array(items))
    }

    fn mapping(&mut self, indent: usize) -> anyhow::Result<Value> {
        let mut entries = Map::new();
        while let Some(line) = self.peek()?.filter(|line| line.indent == indent) {
            let Some((key, rest)) = line.entry() else {
                bail!("line {}: there is no `key:`", line.number);
            };
            self.next += 1;
            let value = match without_comment(rest) {
                "" => {
                    // Items may stand right below their key.
                    let next = self.peek()?;
                    match next.filter(|next| next.indent == indent && next.is_item()) {
                        Some(_) => self.block(indent)?,
                        None => self.below(indent, Value::Null)?,
                    }
                }
                rest => self.scalar(rest, &line)?,
            };
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }

    /// What is indented by more than `indent`, or else `default`.
    fn below(&mut self, indent: usize, default: Value) -> anyhow::Result<Value> {
        match self.peek()?.filter(|line| line.indent > indent) {
            Some(line) => self.block(line.indent),
            None => Ok(default),
        }
    }

    /// A scalar or a list in one line. `line` is where it begins; what is indented by more than that goes on with it.
    fn scalar(&mut self, text: &str, line: &Line<'a>) -> anyhow::Result<Value> {
        let number = line.number;
        let unread = || format!("line {number}: more of YAML than is read here");
        let text = match text.chars().next() {
            Some('|' | '>') => return Ok(Value::String(self.text_below(line.indent, text))),
            Some('&' | '*' | '!' | '%' | '@' | '`') => bail!("{}", unread()),
            Some('"' | '\'') => {
                let (text, rest) = quoted(text).with_context(unread)?;
                ensure!(without_comment(rest).is_empty(), "{}", unread());
                return Ok(Value::String(text));
            }
            Some('[' | '{') => return flow(without_comment(text)).with_context(unread),
            _ => without_comment(text),
        };
        let mut whole = text.to_owned();
        while let Some(next) = self.peek()?.filter(|next| next.indent > line.indent) {
            ensure!(
                next.entry().is_none(),
                "line {}: it is indented too far",
                next.number
            );
            whole.push(' ');
            whole.push_str(without_comment(next.text));
            self.next += 1;
        }
        Ok(match whole.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            _ => Value::String(whole),
        })
    }

    /// A block of text, in which lines are kept (`|`) or joined (`>`).
    fn text_below(&mut self, indent: usize, style: &str) -> String {
        let rest = self.lines[self.next..].iter();
        let inside = rest.take_while(|line| line.text.is_empty() || line.indent > indent);
        let lines: Vec<&Line<'_>> = inside.collect();
        self.next += lines.len();
        let full = || lines.iter().filter(|line| !line.text.is_empty());
        let margin = full().map(|line| line.indent).min().unwrap_or_default();
        let texts = lines.iter().map(|line| {
            let more = line.indent.saturating_sub(margin);
            format!("{}{}", " ".repeat(more), line.text)
        });
        let between = if style.starts_with('>') { " " } else { "\n" };
        texts.collect::<Vec<_>>().join(between).trim_end().into()
    }
}

impl<'a> Line<'a> {
    fn is_empty(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }

    fn is_item(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }

    /// A key, and what stands behind its colon.
    fn entry(&self) -> Option<(String, &'a str)> {
        if self.text.starts_with(['"', '\'']) {
            let (key, rest) = quoted(self.text)?;
            let rest = rest.trim_start().strip_prefix(':')?;
            return is_behind_colon(rest).then(|| (key, rest.trim()));
        }
        if self.text.starts_with(['[', '{', '|', '>', '&', '*', '!']) {
            return None;
        }
        let ends = self.text.match_indices(':').map(|(at, _)| at);
        let mut ends = ends.filter(|at| is_behind_colon(&self.text[at + 1..]));
        let at = ends.next()?;
        let key = self.text[..at].trim_end();
        (!key.contains(" #")).then(|| (key.into(), self.text[at + 1..].trim()))
    }
}

fn is_behind_colon(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(' ')
}

fn without_comment(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') {
        return "";
    }
    text.split(" #").next().unwrap_or(text).trim_end()
}

/// A quoted text at the beginning, and what is behind it; nothing if it does not end, or has escapes that JSON has not.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let mut rest = text[1..].char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '\\' if quote == '"' => {
                rest.next();
            }
            '\'' if quote == '\'' && text[1 + at + 1..].starts_with('\'') => {
                rest.next();
            }
            c if c == quote => {
                let (inner, behind) = (&text[1..=at], &text[at + 2..]);
                let read = match quote {
                    '"' => serde_json::from_str(&text[..at + 2]).ok()?,
                    _ => inner.replace("''", "'"),
                };
                return Some((read, behind));
            }
            _ => {}
        }
    }
    None
}

/// A list in one line, of scalars without brackets; or anything that is JSON.
fn flow(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut rest = text.strip_prefix('[')?.trim_start();
    let mut items = Vec::new();
    while rest != "]" {
        let end = if rest.starts_with(['"', '\'']) {
            let (item, behind) = quoted(rest)?;
            items.push(Value::String(item));
            behind.trim_start()
        } else {
            let at = rest.find([',', ']'])?;
            let item = rest[..at].trim();
            if item.contains(['[', '{', '}', '"', '\'']) || item.is_empty() {
                return None;
            }
            items.push(Value::String(item.into()));
            &rest[at..]
        };
        rest = match end.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None => end,
        };
        if end != "]" && !end.starts_with(',') {
            return None;
        }
    }
    Some(Value::Array(items))
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
                "---\na: b # c\nd: 'it''s'\ne: \"x\\ty\"\n...\nnonsense: [",
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
            ("a: {\"b\": [1]}", json!({"a": {"b": [1]}})),
            (
                "text: |\n  one\n\n    two\n  three\nend: x",
                json!({"text": "one\n\n  two\nthree", "end": "x"}),
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
    fn what_is_not_read_is_told_by_its_line() {
        let deep: String = (0..40).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        for (text, want) in [
            ("a: &x secret", "line 1: more of YAML than is read here"),
            ("b: c\na: *secret", "line 2: more of YAML than is read here"),
            ("a: \"secret", "line 1: more of YAML than is read here"),
            ("a: \"x\" secret", "line 1: more of YAML than is read here"),
            ("a: [secret", "line 1: more of YAML than is read here"),
            ("a: [[secret], b]", "line 1: more of YAML than is read here"),
            ("a: b\n\tc: secret", "line 2: it begins with a tab"),
            ("a: b\n  c: secret", "line 2: it is indented too far"),
            ("a: b\nsecret", "line 2: there is no `key:`"),
            ("a: b\n---\nc: d", "line 2: a second document begins"),
            ("{\"a\": secret}", "it begins like JSON, and is none"),
            (
                "secret\nsecret",
                "line 2: it does not belong to what is above",
            ),
            (&deep, "line 33: too deep"),
        ] {
            let error = value(text).expect_err(text).to_string();
            assert_eq!(error, want, "{text}");
        }
    }

    #[test]
    fn entries_that_nobody_wants_may_be_anything() {
        let text = "#cloud-config\nruncmd: &x\n  - [ sh, -c, {\nhostname: web\nwrite_files:\n- content: !!binary |\n    x\n\
                    ssh_authorized_keys:\n- ssh-rsa A\n# a comment\n- ssh-rsa B\nlast: *x\n";
        let found = entries(text, &["hostname", "ssh_authorized_keys"]).expect("good");
        assert_eq!(
            found,
            json!({"hostname": "web", "ssh_authorized_keys": ["ssh-rsa A", "ssh-rsa B"]})
        );
        assert_eq!(entries(text, &["user"]).expect("good"), json!(null));
        let error = entries(text, &["last"]).expect_err("an alias").to_string();
        assert!(error.starts_with("line 12: "), "{error}");
    }

    #[test]
    fn no_document_makes_it_panic() {
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
