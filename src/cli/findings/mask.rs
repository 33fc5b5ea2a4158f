//! The part of a line that may be shown.
//!
//! Values are hidden when they are long, when their key says that they are secret, and when they
//! are `data:` URLs or hold a user name or password. Around a syntax error nothing is certain, so
//! no value is shown at all.

use crate::config::Finding;
use std::ops::Range;

/// Longer values are hidden, whatever they are.
const VALUE_MAX_BYTES: usize = 60;
/// Bytes shown before and after the place in question.
const BEFORE: usize = 64;
const AFTER: usize = 64;
/// Stands for a hidden value.
const HIDDEN: &str = "\"…\"";
/// Keys whose values are secret: hashes, header values, pin configurations, unit texts.
const SECRET_KEYS: [&str; 5] = [
    "passwordHash",
    "value",
    "config",
    "contents",
    "advertisement",
];

/// How much of a line may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// The text is JSON: hide what may be secret.
    Careful,
    /// It is not: hide all strings that are no keys.
    Strict,
}

impl Secrecy {
    /// Syntax errors are the findings without a path.
    pub(super) fn of(finding: &Finding) -> Self {
        if finding.path.is_some() {
            Secrecy::Careful
        } else {
            Secrecy::Strict
        }
    }
}

/// A piece of a line, and the bytes of it that a finding is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// The surroundings of byte `at` of `line`; `None` if nothing can be shown safely.
pub(super) fn excerpt(line: &[u8], at: usize, secrecy: Secrecy) -> Option<Excerpt> {
    let tokens = tokens(line, secrecy)?;
    let at_token = tokens.iter().position(|t| t.bytes.contains(&at));
    let Some(at_token) = at_token else {
        return at_the_end(line, &tokens);
    };
    let mut text = String::new();
    let mut span = 0..0;
    let first = reach(&tokens[..at_token], BEFORE, true);
    let last = at_token + reach(&tokens[at_token..], AFTER, false);
    if first > 0 {
        text.push_str("… ");
    }
    for (i, token) in tokens.iter().enumerate().take(last).skip(first) {
        let start = text.len();
        text.push_str(&token.shown);
        if i == at_token {
            span = match token.is_string || token.is_word {
                true => start..text.len(),
                false => one_character(&text, start + at - token.bytes.start, start),
            };
        }
    }
    if last < tokens.len() {
        text.push_str(" …");
    }
    Some(Excerpt { text, span })
}

/// The character of `text` that byte `at` belongs to, or the last one from `first` on: what is shown may be shorter
/// than what it stands for.
fn one_character(text: &str, at: usize, first: usize) -> Range<usize> {
    let mut indices = text[first..].char_indices().map(|(i, c)| (first + i, c));
    let last = indices.clone().next_back();
    let found = indices.find(|(i, c)| *i + c.len_utf8() > at).or(last);
    found.map_or(first..first, |(i, c)| i..i + c.len_utf8())
}

/// Points behind the last byte, where a text ends too early or an empty object ends the line.
fn at_the_end(line: &[u8], tokens: &[Token]) -> Option<Excerpt> {
    let last = tokens.len().checked_sub(1)?;
    let mut excerpt = excerpt(line, tokens[last].bytes.start, Secrecy::Strict)?;
    let end = excerpt.text.len();
    excerpt.text.push(' ');
    excerpt.span = end..end + 1;
    Some(excerpt)
}

/// How many tokens to take so that about `limit` bytes are shown: an index from the start, counting
/// from the end if `backwards`.
fn reach(tokens: &[Token], limit: usize, backwards: bool) -> usize {
    let mut shown = 0;
    let mut fits = |t: &Token| {
        shown += t.shown.len();
        shown <= limit
    };
    if backwards {
        tokens.len() - tokens.iter().rev().take_while(|t| fits(t)).count()
    } else {
        tokens.iter().take_while(|t| fits(t)).count().max(1)
    }
}

/// A string, a word or number, or anything between.
#[derive(Debug)]
struct Token {
    bytes: Range<usize>,
    shown: String,
    is_string: bool,
    is_word: bool,
}

/// Splits a line. No string of JSON goes beyond its line, so a line begins outside of strings.
fn tokens(line: &[u8], secrecy: Secrecy) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut key = String::new();
    let mut at = 0;
    while at < line.len() {
        let end = token_end(line, at)?;
        let raw = String::from_utf8_lossy(&line[at..end]).into_owned();
        let is_string = line[at] == b'"';
        let is_key =
            is_string && line[end..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
        if is_key {
            key = raw.trim_matches('"').to_owned();
        }
        let hidden = is_string && !is_key && is_secret(&raw, &key, secrecy);
        let shown = if hidden {
            HIDDEN.into()
        } else {
            printable(&raw)
        };
        tokens.push(Token {
            bytes: at..end,
            shown,
            is_string,
            is_word: is_word_byte(line[at]),
        });
        at = end;
    }
    Some(tokens)
}

fn is_secret(raw: &str, key: &str, secrecy: Secrecy) -> bool {
    secrecy == Secrecy::Strict
        || raw.len() > VALUE_MAX_BYTES
        || SECRET_KEYS.iter().any(|k| k.eq_ignore_ascii_case(key))
        || raw
            .get(1..6)
            .is_some_and(|s| s.eq_ignore_ascii_case("data:"))
        || raw.contains("://") && raw.contains('@')
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')
}

/// Where the token that begins at `at` ends; `None` for a string without end.
fn token_end(line: &[u8], at: usize) -> Option<usize> {
    let rest = &line[at..];
    let length = match rest[0] {
        b'"' => return string_end(rest).map(|length| at + length),
        b if is_word_byte(b) => rest.iter().position(|b| !is_word_byte(*b)),
        // Bytes of one character stay together.
        b if !b.is_ascii() => rest.iter().position(u8::is_ascii),
        _ => Some(1),
    };
    Some(at + length.unwrap_or(rest.len()))
}

fn string_end(rest: &[u8]) -> Option<usize> {
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

/// Control characters would confuse the terminal and the marker below the line.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, at: usize, secrecy: Secrecy) -> Option<(String, String)> {
        let excerpt = excerpt(line.as_bytes(), at, secrecy)?;
        let marked = excerpt.text[excerpt.span.clone()].to_owned();
        Some((excerpt.text, marked))
    }

    #[test]
    fn shows_short_values_and_marks_the_place() {
        let line = r#"  {"path": "etc/x", "mode": 420}"#;
        let at = |needle: &str| line.find(needle).unwrap_or_default();
        let marked = |i: usize| shown(line, i, Secrecy::Careful).map(|s| s.1);
        assert_eq!(marked(at("\"etc")), Some("\"etc/x\"".into()));
        assert_eq!(marked(at("420")), Some("420".into()));
        assert_eq!(marked(at("{")), Some("{".into()));
        assert_eq!(marked(at("\"path")), Some("\"path\"".into()));
        assert_eq!(marked(line.len()), Some(" ".into()));
    }

    #[test]
    fn hides_secrets() {
        let long = format!(r#"{{"path": "{}"}}"#, "x".repeat(70));
        let cases = [
            r#"{"passwordHash": "topsecret"}"#,
            r#"{"PASSWORDHASH": "topsecret"}"#,
            r#"{"name": "X-Token", "value": "topsecret"}"#,
            r#"{"source": "data:,topsecret"}"#,
            r#"{"source": "DATA:,topsecret"}"#,
            r#"{"source": "http://u:topsecret@h/"}"#,
            r#"{"contents": "topsecret"}"#,
            &long,
        ];
        for line in cases {
            for at in 0..=line.len() {
                let shown = shown(line, at, Secrecy::Careful).unwrap_or_default().0;
                assert!(
                    !shown.contains("topsecret") && !shown.contains("xxx"),
                    "{shown}"
                );
                assert!(shown.contains('…'), "{shown}");
            }
        }
        let strict = shown(r#"{"path": "topsecret" 7}"#, 21, Secrecy::Strict);
        assert_eq!(strict, Some((r#"{"path": "…" 7}"#.into(), "7".into())));
        assert_eq!(shown(r#"{"path": "topsecret}"#, 3, Secrecy::Strict), None);
    }

    /// Whatever the bytes, the marked piece is made of whole characters, which the renderer relies on.
    #[test]
    fn marks_are_at_characters() {
        for line in [
            &b"\xef\xbb\xbf{"[..],
            "{\u{201c}a\u{201d}: 1}".as_bytes(),
            "{\u{85}\u{85}\u{85}x}".as_bytes(),
            "\u{4e2d}\u{6587}e\u{301}\u{1f600}".as_bytes(),
            b"\xff\xfe{\x00\"\x00\xc3",
            b"\t\r{\r\t\xe2\x82",
        ] {
            for at in 0..=line.len() {
                for secrecy in [Secrecy::Careful, Secrecy::Strict] {
                    let Some(excerpt) = excerpt(line, at, secrecy) else {
                        continue;
                    };
                    assert!(
                        excerpt.text.get(excerpt.span.clone()).is_some(),
                        "{line:?} {at} {excerpt:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn long_lines_are_cut() {
        let line = format!("[{}]", vec![r#""abc""#; 1000].join(","));
        let (text, marked) = shown(&line, 3001, Secrecy::Careful).unwrap_or_default();
        assert_eq!(marked, "\"abc\"");
        assert!(text.starts_with("… ") && text.ends_with(" …"), "{text}");
        assert!(text.len() < 150, "{text}");
    }
}
