//! Finds the values in a line of YAML. They may be unquoted, so they are found by the characters around them.
//!
//! Each line is examined without its context. If it is ambiguous where a value ends, the longer one is assumed.

use std::ops::Range;

/// Longer texts before a colon are not keys.
const MAX_KEY_BYTES: usize = 256;

/// The ranges of a value and of the last key before it, without surrounding blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineValue {
    pub(super) key: Range<usize>,
    pub(super) bytes: Range<usize>,
}

/// Finds the values of a line, in their order. After a key of a secret, the rest of the line is one value unless
/// brackets or quotes delimit it.
pub(super) fn find_values(line: &[u8], is_secret_key: fn(&[u8]) -> bool) -> Vec<LineValue> {
    let mut reader = LineReader {
        line,
        is_secret_key,
        at: 0,
        depth: 0,
        key: 0..0,
        values: Vec::new(),
    };
    while reader.step() {}
    reader.values
}

/// The end of a string that begins with a double quote; `None` if it is unterminated.
pub(super) fn string_end(rest: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|b| match (*b, escaped) {
        (_, true) => {
            escaped = false;
            false
        }
        (b'\\', false) => {
            escaped = true;
            false
        }
        (b, false) => b == b'"',
    });
    end.map(|i| i + 2)
}

/// The end of a string that begins with a single quote; `None` if it is unterminated. Quotes inside are doubled.
fn single_quoted_end(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest.get(at..)?.iter().position(|b| *b == b'\'')? + 1;
        if rest.get(at) != Some(&b'\'') {
            return Some(at);
        }
        at += 1;
    }
}

struct LineReader<'a> {
    line: &'a [u8],
    is_secret_key: fn(&[u8]) -> bool,
    at: usize,
    /// Number of open brackets.
    depth: usize,
    /// The last key.
    key: Range<usize>,
    values: Vec<LineValue>,
}

impl LineReader<'_> {
    /// Reads the next token; returns false at the end of the line.
    fn step(&mut self) -> bool {
        let Some(first) = self.line.get(self.at).copied() else {
            return false;
        };
        match first {
            b'"' => self.read_quoted(string_end(&self.line[self.at..])),
            b'\'' => self.read_quoted(single_quoted_end(&self.line[self.at..])),
            // An anchor, an alias or a tag.
            b'&' | b'*' | b'!' => self.skip_word(),
            b'{' | b'[' => {
                self.depth += 1;
                self.at += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.at += 1;
            }
            b',' | b'#' | b'|' | b'>' => self.at += 1,
            b'-' | b'?' | b':' if self.is_blank_or_end(self.at + 1) => self.at += 1,
            b if is_blank(b) => self.at += 1,
            _ => self.read_plain(),
        }
        true
    }

    fn is_blank_or_end(&self, at: usize) -> bool {
        self.line.get(at).is_none_or(|b| is_blank(*b))
    }

    fn skip_word(&mut self) {
        self.at += 1;
        let rest = &self.line[self.at..];
        let end = rest.iter().position(|b| is_blank(*b) || is_bracket(*b));
        self.at += end.unwrap_or(rest.len());
    }

    /// Reads a quoted string of the given length. An unterminated one may continue in the next line.
    fn read_quoted(&mut self, length: Option<usize>) {
        let bytes = self.at..length.map_or(self.line.len(), |length| self.at + length);
        let rest = &self.line[bytes.end..];
        let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
        if rest.get(blanks) == Some(&b':') {
            self.at = bytes.end + blanks + 1;
            self.key = bytes;
            self.read_secret_value();
        } else {
            self.at = bytes.end;
            self.push(bytes);
        }
    }

    /// Reads an unquoted key or value.
    fn read_plain(&mut self) {
        let start = self.at;
        let mut end = start;
        while let Some(b) = self.line.get(self.at).copied() {
            match b {
                b':' if self.is_separator() && is_key(&self.line[start..end]) => {
                    self.at += 1;
                    self.key = start..end;
                    return self.read_secret_value();
                }
                b'#' if self.at > end => break,
                b',' if self.depth > 0 || self.is_blank_or_end(self.at + 1) => break,
                b if self.depth > 0 && is_bracket(b) => break,
                _ => {}
            }
            self.at += 1;
            if !is_blank(b) {
                end = self.at;
            }
        }
        self.push(start..end);
    }

    /// True if the colon at the current position separates a key from its value.
    fn is_separator(&self) -> bool {
        let next = self.at + 1;
        let is_in_brackets = self.depth > 0;
        self.is_blank_or_end(next)
            || is_in_brackets && self.line.get(next).is_some_and(|b| is_bracket(*b))
    }

    /// Reads the value if it is secret and undelimited: it may contain commas, colons and what looks like a comment.
    fn read_secret_value(&mut self) {
        if self.depth > 0 || !(self.is_secret_key)(&self.line[self.key.clone()]) {
            return;
        }
        let rest = &self.line[self.at..];
        let Some(blanks) = rest.iter().position(|b| !is_blank(*b)) else {
            return;
        };
        let is_delimited = matches!(
            rest[blanks],
            b'{' | b'[' | b'"' | b'\'' | b'|' | b'>' | b'&' | b'*' | b'!'
        );
        if !is_delimited {
            let last = rest.iter().rposition(|b| !is_blank(*b)).unwrap_or(blanks);
            let bytes = self.at + blanks..self.at + last + 1;
            self.at = self.line.len();
            self.push(bytes);
        }
    }

    fn push(&mut self, bytes: Range<usize>) {
        let key = self.key.clone();
        self.values.push(LineValue { key, bytes });
    }
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r')
}

/// True for characters that end an unquoted text inside of brackets.
fn is_bracket(b: u8) -> bool {
    matches!(b, b',' | b'{' | b'}' | b'[' | b']')
}

/// True if a text may be a key of a config. Any other text before a colon is part of a value.
fn is_key(text: &[u8]) -> bool {
    let is_key_byte = |b: &u8| b.is_ascii_alphanumeric() || b"_-./".contains(b);
    (1..=MAX_KEY_BYTES).contains(&text.len()) && text.iter().all(is_key_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<(&str, &str)> {
        let values = find_values(line.as_bytes(), |key| key == b"pw");
        let text = |value: LineValue| (&line[value.key], &line[value.bytes]);
        values.into_iter().map(text).collect()
    }

    #[test]
    fn values_are_found_with_their_keys() {
        for (line, want) in [
            ("", vec![]),
            ("a:", vec![]),
            ("  - a: b c  # d", vec![("a", "b c"), ("a", "d")]),
            ("- b", vec![("", "b")]),
            ("- -b", vec![("", "-b")]),
            (
                "a: {b: c, pw: d}, e",
                vec![("b", "c"), ("pw", "d"), ("pw", "e")],
            ),
            (
                "a: [b, 'c, ''d''', \"e\\\"f\"]",
                vec![("a", "b"), ("a", "'c, ''d'''"), ("a", "\"e\\\"f\"")],
            ),
            ("pw: a, b: c #d \r", vec![("pw", "a, b: c #d")]),
            ("a: b, pw: c}", vec![("a", "b"), ("pw", "c}")]),
            ("\"pw\": a b", vec![("\"pw\"", "a b")]),
            ("'k' : a", vec![("'k'", "a")]),
            ("pw: !t &x 'a'", vec![("pw", "'a'")]),
            ("pw: |-", vec![]),
            ("- root:x y: z", vec![("", "root:x y: z")]),
            ("{a: http://h:1/, b:}", vec![("a", "http://h:1/")]),
            ("a: \"b", vec![("a", "\"b")]),
            ("a: 'b", vec![("a", "'b")]),
            ("*x : &y", vec![]),
        ] {
            assert_eq!(found(line), want, "{line}");
        }
    }

    #[test]
    fn any_bytes_are_read_to_the_end() {
        for line in [
            &b"\xff: \xfe"[..],
            b"}]{[",
            b"::: :",
            b"-",
            b"'''",
            b"&",
            b"\t\r ",
        ] {
            let values = find_values(line, |_| true);
            assert!(
                values.iter().all(|value| !value.bytes.is_empty()),
                "{line:?}"
            );
        }
    }
}
