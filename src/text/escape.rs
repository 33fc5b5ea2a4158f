//! Escapes what would control a terminal, or forge a line of output.
//!
//! Paths, names, bodies of answers and messages of programs come from outside. Whoever puts one of them into a line
//! for people escapes it with [`escaped`]; the door to the terminal applies [`escaped_lines`] to all that is left.

use std::borrow::Cow;
use std::fmt::Write;

/// True for characters that move the cursor, change the order of what is shown, or cannot be seen: all controls,
/// separators of lines and paragraphs, marks of direction, and invisible formatting.
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

/// One line: line ends too are escaped, e.g. as `\n`, and other characters in the form `\u{1b}`.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Text of several lines: like [`escaped`], but line feeds stay.
pub(crate) fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape(text, |rest| rest.starts_with('\n'))
}

/// JSON in which strings have no unprintable characters: the same value for programs, and harmless on a terminal. Controls of
/// ASCII have been escaped by whoever wrote it, except DEL.
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

/// Escapes what is unprintable, unless `stays` says of the text that begins there that it may be shown.
fn escape(text: &str, stays: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let must_go = |at: usize, c: char| {
        let rest = text.get(at..).unwrap_or_default();
        is_unprintable(c) && !stays(rest)
    };
    // Printable ASCII is by far the most.
    let is_plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if is_plain || !text.char_indices().any(|(at, c)| must_go(at, c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        match c {
            c if !must_go(at, c) => out.push(c),
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
