//! JSON as YAML in block style: sorted keys, two blanks a level, texts of several lines as literal blocks.

use serde_json::Value;
use std::fmt::Write as _;

/// `value` with a line end behind it. The keys of `serde_json`'s objects are sorted.
pub(super) fn print(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// A value whose first line begins where `out` ends.
fn block(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    indent(out, level);
                }
                out.push_str(&scalar(key));
                out.push(':');
                below(out, value, level);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, value) in elements.iter().enumerate() {
                if index > 0 {
                    indent(out, level);
                }
                out.push_str("- ");
                block(out, value, level + 1);
            }
        }
        Value::Object(_) => out.push_str("{}\n"),
        Value::Array(_) => out.push_str("[]\n"),
        Value::String(text) => string(out, text, level),
        other => _ = writeln!(out, "{other}"),
    }
}

/// The value of a key.
fn below(out: &mut String, value: &Value, level: usize) {
    let is_container = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        _ => false,
    };
    if is_container {
        out.push('\n');
        indent(out, level + 1);
        block(out, value, level + 1);
    } else {
        out.push(' ');
        block(out, value, level + 1);
    }
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

/// A text as a literal block if it has several lines that need no escape, else as a scalar.
fn string(out: &mut String, text: &str, level: usize) {
    let is_literal = text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || !c.is_control() && c != '\u{feff}')
        && text.lines().all(|line| !line.ends_with([' ', '\t']));
    if !is_literal {
        let _ = writeln!(out, "{}", scalar(text));
        return;
    }
    let body = text.trim_end_matches('\n');
    let mark = match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    out.push_str(mark);
    out.push('\n');
    for line in body.split('\n') {
        if !line.is_empty() {
            indent(out, level);
            out.push_str(line);
        }
        out.push('\n');
    }
    out.extend(std::iter::repeat_n(
        '\n',
        (text.len() - body.len()).saturating_sub(1),
    ));
}

/// A text in one line: plain where that reads as the same text, else in quotes.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    // JSON is YAML.
    Value::String(text.to_owned()).to_string()
}

/// True if a reader takes the text by itself for a text, and for this one.
fn is_plain(text: &str) -> bool {
    const INDICATORS: &[char] = &[
        '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@',
        '`', '=', '~', '<', '.', '+',
    ];
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = words.iter().any(|word| text.eq_ignore_ascii_case(word));
    let begins_well = text
        .chars()
        .next()
        .is_some_and(|c| !c.is_ascii_digit() && !INDICATORS.contains(&c) || c == '/');
    begins_well
        && !is_word
        && text.trim() == text
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_printed_in_blocks() {
        let value = json!({
            "b": [{"y": 1, "x": "n"}, "plain", ""],
            "a": "one\ntwo\n",
            "c": {"d": "x\ny", "e": true, "f": [], "g": "0644"},
        });
        let want = "a: |\n  one\n  two\nb:\n  - x: \"n\"\n    \"y\": 1\n  - plain\n  - \"\"\nc:\n  d: |-\n    x\n    y\n  e: true\n  f: []\n  g: \"0644\"\n";
        assert_eq!(print(&value), want);
    }
}
