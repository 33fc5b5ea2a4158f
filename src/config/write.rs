//! A config as JSON: members in the order of the table, empty objects and lists left out.

use super::tree::{Tree, Value};
use std::fmt::Write as _;

/// `tree` as JSON, in one line or indented by two blanks. Scalars are always kept, even `false`, `0` and the empty
/// text.
pub(crate) fn json(tree: &Tree<'_>, is_pretty: bool) -> String {
    let mut writer = JsonWriter {
        out: String::new(),
        indent: is_pretty.then_some(0),
    };
    writer.value(tree);
    writer.out
}

struct JsonWriter {
    out: String,
    /// Nesting level, if each value has a line of its own.
    indent: Option<usize>,
}

impl JsonWriter {
    fn value(&mut self, tree: &Tree<'_>) {
        match &tree.value {
            Value::Null | Value::MismatchedValue(_) => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Int(number) => _ = write!(self.out, "{number}"),
            Value::Text(text) => push_string(&mut self.out, text),
            Value::List(elements) => {
                self.block('[', ']', elements, |writer, element| writer.value(element));
            }
            Value::Object(members) => {
                let shown: Vec<_> = members.iter().filter(|(_, t)| t.has_content()).collect();
                self.block('{', '}', &shown, |writer, (field, tree)| {
                    push_string(&mut writer.out, field.name);
                    writer.out.push(':');
                    if writer.indent.is_some() {
                        writer.out.push(' ');
                    }
                    writer.value(tree);
                });
            }
        }
    }

    fn block<T>(
        &mut self,
        open: char,
        close: char,
        items: &[T],
        mut item: impl FnMut(&mut Self, &T),
    ) {
        self.out.push(open);
        self.indent = self.indent.map(|levels| levels + 1);
        for (index, one) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.push_line_break();
            item(self, one);
        }
        self.indent = self.indent.map(|levels| levels - 1);
        if !items.is_empty() {
            self.push_line_break();
        }
        self.out.push(close);
    }

    fn push_line_break(&mut self) {
        if let Some(levels) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", levels));
        }
    }
}

/// Appends a string with the escapes of Go's encoder, which also escapes characters that are special in HTML.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c if c < ' ' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}
