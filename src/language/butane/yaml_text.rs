//! Writes YAML for people: block style, plain scalars where they cannot be misread, literal blocks for text of several
//! lines.

use std::fmt::Write as _;

/// Spaces per level.
const INDENT: usize = 2;

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum YamlValue {
    /// A number or a flag, written as it is.
    Plain(String),
    /// A text, whatever it looks like.
    Text(String),
    List(Vec<YamlValue>),
    Mapping(Vec<YamlEntry>),
}

/// A member of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlEntry {
    pub(super) key: String,
    pub(super) value: YamlValue,
    /// A comment on the line above it.
    pub(super) comment: Option<&'static str>,
}

impl YamlEntry {
    pub(super) fn new(key: impl Into<String>, value: YamlValue) -> Self {
        YamlEntry {
            key: key.into(),
            value,
            comment: None,
        }
    }

    /// The same with a comment above it.
    pub(super) fn with_comment(mut self, comment: &'static str) -> Self {
        self.comment = Some(comment);
        self
    }
}

/// A document with these members; each line ends in a newline.
///
/// Values are as deep as the table of the language, so this may recurse.
pub(super) fn document(entries: &[YamlEntry]) -> String {
    let mut out = String::new();
    write_mapping(&mut out, entries, 0, false);
    out
}

/// Writes the entries of a mapping, each on its own line; with `is_begun`, the first one continues the current line.
fn write_mapping(out: &mut String, entries: &[YamlEntry], indent: usize, is_begun: bool) {
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 || !is_begun {
            if let Some(comment) = entry.comment {
                push_spaces(out, indent);
                _ = writeln!(out, "# {comment}");
            }
            push_spaces(out, indent);
        }
        _ = write!(out, "{}:", scalar(&entry.key));
        match &entry.value {
            YamlValue::Mapping(entries) if !entries.is_empty() => {
                out.push('\n');
                write_mapping(out, entries, indent + INDENT, false);
            }
            YamlValue::List(elements) if !elements.is_empty() => {
                out.push('\n');
                write_list(out, elements, indent + INDENT);
            }
            value => {
                out.push(' ');
                write_leaf(out, value, indent);
            }
        }
    }
}

fn write_list(out: &mut String, elements: &[YamlValue], indent: usize) {
    for element in elements {
        if let YamlValue::Mapping(entries) = element
            && let Some(comment) = entries.first().and_then(|entry| entry.comment)
        {
            push_spaces(out, indent);
            _ = writeln!(out, "# {comment}");
        }
        push_spaces(out, indent);
        out.push_str("- ");
        match element {
            YamlValue::Mapping(entries) if !entries.is_empty() => {
                write_mapping(out, entries, indent + INDENT, true);
            }
            element => write_leaf(out, element, indent),
        }
    }
}

/// Writes what fits on the current line: a scalar, or an empty list or mapping. `indent` is that of the line.
fn write_leaf(out: &mut String, value: &YamlValue, indent: usize) {
    match value {
        YamlValue::Plain(text) => out.push_str(text),
        YamlValue::Text(text) if fits_block(text) => {
            return write_block(out, text, indent + INDENT);
        }
        YamlValue::Text(text) => out.push_str(&scalar(text)),
        YamlValue::List(_) => out.push_str("[]"),
        YamlValue::Mapping(_) => out.push_str("{}"),
    }
    out.push('\n');
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// True if a literal block reproduces `text` without an indentation indicator: several lines, the first one neither
/// empty nor indented, and the last one not blank.
fn fits_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    let last = body.rsplit('\n').next().unwrap_or_default();
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !last.trim().is_empty()
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-\n",
        1 => "|\n",
        _ => "|+\n",
    });
    // The final newline belongs to the last line.
    let lines = text.strip_suffix('\n').unwrap_or(text);
    for line in lines.split('\n') {
        if !line.is_empty() {
            push_spaces(out, indent);
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// A text on one line: plain if that is safe, else in the quotes that take fewer escapes.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let is_simple = text.chars().all(is_printable) && !text.contains('\'');
    if is_simple && text.contains(['"', '\\']) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c => _ = write!(out, "\\u{:04x}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

/// True for visible characters that YAML allows without an escape.
fn is_printable(c: char) -> bool {
    let is_line_end_or_mark = matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    !c.is_control() && !is_line_end_or_mark && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// True if `text` is read back as it is without quotes.
fn is_plain(text: &str) -> bool {
    let has_indicator = text.starts_with([
        ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '?', ':',
        ' ',
    ]) || text.starts_with("- ");
    let is_special = matches!(text, "" | "-" | "---" | "..." | "~" | "=" | "<<");
    !has_indicator
        && !is_special
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
        && !is_null_or_flag(text)
        && !looks_like_number(text)
}

/// True for the nulls and flags of YAML 1.1 and 1.2, in any case.
fn is_null_or_flag(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// True for anything that a reader of YAML 1.1 or 1.2 may take for a number or a date, and a little more.
fn looks_like_number(text: &str) -> bool {
    let body = text.trim_start_matches(['+', '-']);
    let bare = body.trim_start_matches('.');
    if bare.eq_ignore_ascii_case("inf") || bare.eq_ignore_ascii_case("nan") {
        return body.starts_with('.');
    }
    let starts_with_digit = bare.starts_with(|c: char| c.is_ascii_digit());
    let has_radix_prefix = ["0x", "0o", "0b", "0X", "0O", "0B"].iter().any(|prefix| {
        let digits = body.strip_prefix(prefix);
        digits.is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit() || c == '_'))
    });
    let has_only_number_chars = body
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '_' | '.' | 'e' | 'E' | '+' | '-' | ':'));
    let is_date = body.split('-').count() >= 3
        && body
            .split('-')
            .next()
            .is_some_and(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()));
    starts_with_digit
        && (has_radix_prefix
            || is_date
            || (has_only_number_chars && body.matches('.').count() <= 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LineStarts;
    use crate::language::node::{Node, NodeContent, Style};
    use crate::language::yaml;

    fn text(text: &str) -> YamlValue {
        YamlValue::Text(text.into())
    }

    /// The texts in a document, with whether they were in quotes.
    fn texts(node: &Node<'_>, out: &mut Vec<(String, Style)>) {
        match &node.value {
            NodeContent::Scalar(scalar) => out.push((scalar.text.to_string(), scalar.style)),
            NodeContent::List(elements) => elements.iter().for_each(|node| texts(node, out)),
            NodeContent::Mapping(entries) => entries.iter().for_each(|e| texts(&e.value, out)),
        }
    }

    #[test]
    fn scalars_have_the_quotes_they_need() {
        let plain = [
            "/etc/a",
            "1.5.0",
            "core",
            "ssh-ed25519 AAAA a@b",
            "--cipher",
            "a:b",
            "http://a:1/b#c",
            "a, b [c]",
            "\u{e9}",
            "$6$x",
            "8e8e3fdc-1b2d",
            "0b5b7f0e-8d6c",
            "0644x",
            "=a",
            "v1",
            "a\"b",
            "e",
            "/",
        ];
        for text in plain {
            assert_eq!(scalar(text), text);
        }
        let quoted = [
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("N", "\"N\""),
            ("Null", "\"Null\""),
            ("~", "\"~\""),
            ("0644", "\"0644\""),
            ("1.5", "\"1.5\""),
            ("-1e3", "\"-1e3\""),
            ("1:30", "\"1:30\""),
            ("0x1f", "\"0x1f\""),
            (".inf", "\".inf\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("a:", "\"a:\""),
            (" a", "\" a\""),
            ("- a", "\"- a\""),
            ("*a", "\"*a\""),
            ("\"a\"", "'\"a\"'"),
            ("{\"a\": \"b\\c\"}", "'{\"a\": \"b\\c\"}'"),
            ("'a\"", "\"'a\\\"\""),
            ("a\r\n\t\u{1}\u{feff}", "\"a\\r\\n\\t\\x01\\ufeff\""),
        ];
        for (text, want) in quoted {
            assert_eq!(scalar(text), want);
        }
    }

    #[test]
    fn the_layout() {
        let entries = [
            YamlEntry::new("version", text("1.5.0")),
            YamlEntry::new("empty", YamlValue::Mapping(Vec::new())).with_comment("nothing"),
            YamlEntry::new(
                "files",
                YamlValue::List(vec![
                    YamlValue::Mapping(vec![
                        YamlEntry::new("path", text("/a")).with_comment("decided"),
                        YamlEntry::new("mode", YamlValue::Plain("0644".into())),
                        YamlEntry::new("inline", text("a\n\n  b\n")),
                    ]),
                    YamlValue::Mapping(Vec::new()),
                    text("x\ny"),
                ]),
            ),
        ];
        let want = "version: 1.5.0\n# nothing\nempty: {}\nfiles:\n  # decided\n  - path: /a\n    mode: 0644\n    inline: |\n      a\n\n        b\n  - {}\n  - |-\n    x\n    y\n";
        assert_eq!(document(&entries), want);
    }

    #[test]
    fn written_texts_are_read_back() {
        let hostile = [
            "a\n",
            "a\nb",
            "a\n\n",
            "a\n\n\n",
            "\n",
            "\na\n",
            " a\nb\n",
            "a\n \n",
            "a\n  \nb\n",
            "\ta\n",
            "a\n\tb\n",
            "# a\n# b\n",
            "---\na\n",
            "a: b\n...\n",
            "a\r\nb\r\n",
            "%a\n%b\n",
            "- a\n- b\n",
            "a \nb \n",
            "a\n b\n\n c\n",
            "\u{85}\n",
            "\u{2028}a\nb\n",
            "\u{1f600}\n",
            "'",
            "\"",
            "\\",
            "a'b",
            "!a",
            "|",
            ">\n>",
            "a\t",
            "\t",
            "@",
            "`",
            "null",
            "~",
            "1_000",
            "+1",
            "0o7",
            "-",
            "--",
            "?",
            "? a",
            ":",
            "{}",
            "[]",
            "a}",
            "a: ",
            "#",
            "a\u{0}b",
            "a\n\u{feff}b\n",
            "\u{7f}",
            "\u{fffe}",
        ];
        for value in hostile {
            let entries = [
                YamlEntry::new(
                    "a",
                    YamlValue::List(vec![
                        text(value),
                        YamlValue::Mapping(vec![
                            YamlEntry::new("b", text(value)),
                            YamlEntry::new("c", text(value)),
                        ]),
                    ]),
                ),
                YamlEntry::new("d", text(value)),
            ];
            let written = document(&entries);
            let read = yaml::read(&written, &LineStarts::of(written.as_bytes()))
                .unwrap_or_else(|error| panic!("{value:?}: {error:?}\n{written}"));
            let mut found = Vec::new();
            texts(&read.root, &mut found);
            assert_eq!(found.len(), 4, "{written}");
            for (text, _) in found {
                assert_eq!(text, value, "{written}");
            }
        }
    }
}
