//! Escapes characters that could control a terminal or forge a line of output.
//!
//! Paths, names, response bodies and the output of programs are external input. Code that puts them in a line for
//! people escapes them with [`escaped`]; [`crate::terminal`] applies [`escaped_lines`] to everything else.

use std::borrow::Cow;
use std::fmt::Write;

/// True for characters that move the cursor, reorder text, or are invisible: control characters, line and paragraph
/// separators, bidirectional marks, and invisible formatting characters.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escapes text to a single line: line ends as `\n` and the like, other characters in the form `\u{1b}`.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Like [`escaped`], but keeps line feeds.
pub(crate) fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape(text, |rest| rest.starts_with('\n'))
}

/// Escapes unprintable characters in the strings of a JSON document, which keeps its value but is harmless on a
/// terminal. The serializer has already escaped the ASCII control characters, except DEL.
pub(crate) fn escaped_json(text: &str) -> Cow<'_, str> {
    let must_go = |c: char| is_unprintable(c) && (c == '\u{7f}' || !c.is_ascii());
    if !text.chars().any(must_go) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if must_go(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Escapes unprintable characters, except where `keeps` accepts the rest of the text from there on.
fn escape(text: &str, keeps: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let needs_escape = |at: usize, c: char| {
        let rest = text.get(at..).unwrap_or_default();
        is_unprintable(c) && !keeps(rest)
    };
    // Fast path: most text is printable ASCII.
    let is_plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if is_plain || !text.char_indices().any(|(at, c)| needs_escape(at, c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        match c {
            c if !needs_escape(at, c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => {
                // Writing into a string cannot fail.
                let _ = write!(out, "{}", c.escape_unicode());
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        for (text, want) in [
            ("", ""),
            ("/etc/a b", "/etc/a b"),
            ("dev-disk-by\\x2dlabel", "dev-disk-by\\x2dlabel"),
            (
                "e\u{301} \u{4e2d} \u{1f525} naïve",
                "e\u{301} \u{4e2d} \u{1f525} naïve",
            ),
            ("a\nNothing to do\r", "a\\nNothing to do\\r"),
            ("\u{1b}[2K\u{7}\t\0", "\\u{1b}[2K\\u{7}\\t\\u{0}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            (
                "a\u{202e}b\u{2066}c\u{200f}",
                "a\\u{202e}b\\u{2066}c\\u{200f}",
            ),
            ("a\u{2028}b\u{feff}", "a\\u{2028}b\\u{feff}"),
        ] {
            assert_eq!(escaped(text), want);
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(escaped_lines("a\n\tb\u{1b}[m\r\n"), "a\n\\tb\\u{1b}[m\\r\n");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "\u{1b}\u{7f}\u{9b}2J": "a\u{202e}\u{e0001}\n\u{e9}" });
        let text = format!("{value:#}");
        let escaped = escaped_json(&text);
        assert!(escaped.contains(r"\u001b\u007f\u009b2J") && escaped.contains(r"\udb40\udc01"));
        assert!(escaped.contains('\u{e9}') && escaped.lines().count() == 3);
        let read: serde_json::Value = serde_json::from_str(&escaped).expect("JSON");
        assert_eq!(read, value);
    }

    #[test]
    fn what_is_escaped_needs_no_more_escaping() {
        for c in (0..=0xe_0fff).filter_map(char::from_u32) {
            let text = c.to_string();
            let once = escaped(&text);
            assert!(!once.chars().any(is_unprintable), "{once:?}");
            assert_eq!(escaped(&once), once);
        }
    }
}
