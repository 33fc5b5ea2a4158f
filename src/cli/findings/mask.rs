//! The part of a line that may be shown.
//!
//! Values are hidden when they are long, when their key says that they are secret, and when they
//! are `data:` URLs or may hold a user name, a password or a token. Around a syntax error nothing is
//! certain, so no value is shown at all, nor is one in a line that a finding calls secret.

use super::values::{LineValue, string_end, values};
use crate::config::{Finding, JsonPath};
use crate::text::is_unprintable;
use std::ops::Range;

/// Longer values are hidden, whatever they are.
const VALUE_MAX_BYTES: usize = 60;
/// Bytes between the places of a line from which it can be split.
const STEP: usize = 1024;
/// Bytes shown before and after the place in question.
const BEFORE: usize = 64;
const AFTER: usize = 64;
/// Stands for a hidden value.
const HIDDEN: &str = "\"…\"";
/// Keys whose values are secret, their letters and digits in lower case: hashes, header values, pin configurations,
/// texts of files and units, lists of passwords.
const SECRET_KEYS: [&str; 10] = [
    "passwordhash",
    "value",
    "config",
    "contents",
    "advertisement",
    "content",
    "data",
    "discovery",
    "inline",
    "list",
];
/// So end other keys whose values are secret, e.g. `plain_text_passwd` and `rsa_private`.
const SECRET_ENDS: [&str; 8] = [
    "authorization",
    "passwd",
    "password",
    "passphrase",
    "private",
    "privatekey",
    "secret",
    "token",
];
/// No key of a config is longer.
const MAX_KEY_BYTES: usize = 64;
/// Of a longer line without the quotes of JSON nothing is shown: to find its values would take memory.
const MAX_YAML_LINE_BYTES: usize = 1 << 20;

/// How much of a line may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// The text is what it should be: hide what may be secret.
    Careful,
    /// It is not, or the line may be a part of a secret: hide all values.
    Strict,
}

impl Secrecy {
    /// Syntax errors are the findings without a path.
    pub(super) fn of(finding: &Finding) -> Self {
        match &finding.path {
            Some(path) if !is_secret_place(path) => Secrecy::Careful,
            _ => Secrecy::Strict,
        }
    }
}

/// True if the last key on the way to a place is one of a secret.
fn is_secret_place(path: &JsonPath) -> bool {
    let is_key = |part: &&str| !part.bytes().all(|b| b.is_ascii_digit());
    let key = path.parts().filter(is_key).last();
    key.is_some_and(|key| is_secret_key(key.as_bytes()))
}

/// A piece of a line, and the bytes of it that a finding is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A line that was split once, so that each excerpt of it costs no more than its surroundings.
#[derive(Debug)]
pub(super) struct SplitLine<'a> {
    bytes: &'a [u8],
    /// Where its values are, if they need no quotes.
    values: Vec<LineValue>,
    /// Where splitting can start, about every [`STEP`] bytes. Empty if nothing can be shown safely.
    marks: Vec<TokenStart>,
}

/// The beginning of a token.
#[derive(Debug, Clone)]
struct TokenStart {
    at: usize,
    /// The last key before it.
    key: Range<usize>,
}

impl<'a> SplitLine<'a> {
    /// Splits a line. No string of JSON goes beyond its line, so a line begins outside of strings.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut line = Self {
            bytes,
            values: Vec::new(),
            marks: Vec::new(),
        };
        line.marks = line.starts().unwrap_or_default();
        line
    }

    /// Splits a line of YAML.
    pub(super) fn of_yaml(bytes: &'a [u8]) -> Self {
        let mut line = Self {
            bytes,
            values: Vec::new(),
            marks: Vec::new(),
        };
        if bytes.len() <= MAX_YAML_LINE_BYTES {
            line.values = values(bytes, is_secret_key);
            line.marks = line.starts().unwrap_or_default();
        }
        line
    }

    /// Where splitting can start.
    fn starts(&self) -> Result<Vec<TokenStart>, Unterminated> {
        let mut marks = vec![TokenStart { at: 0, key: 0..0 }];
        let mut tokens = self.tokens(&marks[0]);
        loop {
            let here = tokens.mark();
            if marks.last().is_some_and(|last| here.at >= last.at + STEP) {
                marks.push(here);
            }
            match tokens.next() {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(marks),
            }
        }
    }

    fn tokens(&self, mark: &TokenStart) -> Tokens<'_> {
        Tokens {
            line: self.bytes,
            values: &self.values,
            at: mark.at,
            key: mark.key.clone(),
        }
    }

    /// The surroundings of byte `at`; `None` if nothing can be shown safely.
    pub(super) fn excerpt(&self, at: usize, secrecy: Secrecy) -> Option<Excerpt> {
        if at >= self.bytes.len() {
            return self.at_the_end();
        }
        let (mut before, token) = self.tokens_up_to(at, secrecy)?;
        self.keep_last(&mut before, secrecy);
        let first = before.first().unwrap_or(&token).bytes.start;
        let mut text = String::from(if first > 0 { "… " } else { "" });
        for token in &before {
            text.push_str(&token.shown(self.bytes, secrecy));
        }
        let start = text.len();
        text.push_str(&token.shown(self.bytes, secrecy));
        let span = match token.is_string || token.is_word {
            true => start..text.len(),
            false => one_character(&text, start + at - token.bytes.start, start),
        };
        let mut room = AFTER.saturating_sub(text.len() - start);
        for token in self.tokens(&token.end_mark()) {
            let shown = token.ok()?.shown(self.bytes, secrecy);
            if shown.len() > room {
                text.push_str(" …");
                break;
            }
            room -= shown.len();
            text.push_str(&shown);
        }
        Some(Excerpt { text, span })
    }

    /// The token that byte `at` is in, and those before it: as many as may be shown, or more.
    fn tokens_up_to(&self, at: usize, secrecy: Secrecy) -> Option<(Vec<LineToken>, LineToken)> {
        let mut first = self.marks.partition_point(|mark| mark.at <= at);
        loop {
            first = first.checked_sub(1)?;
            let mut before = Vec::new();
            let mut found = None;
            for token in self.tokens(&self.marks[first]) {
                let token = token.ok()?;
                if token.bytes.contains(&at) {
                    found = Some(token);
                    break;
                }
                before.push(token);
            }
            let shown = before
                .iter()
                .rev()
                .map(|token| token.shown(self.bytes, secrecy).len());
            if first == 0 || reaches(shown, BEFORE) {
                return Some((before, found?));
            }
        }
    }

    /// Drops all but the last tokens that may be shown before a place.
    fn keep_last(&self, before: &mut Vec<LineToken>, secrecy: Secrecy) {
        let mut room = BEFORE;
        let shown = before.iter().rev().take_while(|token| {
            let left = room.checked_sub(token.shown(self.bytes, secrecy).len());
            room = left.unwrap_or(room);
            left.is_some()
        });
        let shown = shown.count();
        before.drain(..before.len() - shown);
    }

    /// Points after the last byte, where a text ends too early or an empty object ends the line.
    fn at_the_end(&self) -> Option<Excerpt> {
        let last = self.bytes.len().checked_sub(1)?;
        let mut excerpt = self.excerpt(last, Secrecy::Strict)?;
        let end = excerpt.text.len();
        excerpt.text.push(' ');
        excerpt.span = end..end + 1;
        Some(excerpt)
    }
}

/// True if the lengths add up to more than `limit`; looks at no more of them than that takes.
fn reaches(lengths: impl Iterator<Item = usize>, limit: usize) -> bool {
    let mut sum = 0;
    lengths.into_iter().any(|length| {
        sum += length;
        sum > limit
    })
}

/// The character of `text` that byte `at` belongs to, or the last one from `first` on: what is shown may be shorter
/// than what it stands for.
fn one_character(text: &str, at: usize, first: usize) -> Range<usize> {
    let mut indices = text[first..].char_indices().map(|(i, c)| (first + i, c));
    let last = indices.clone().next_back();
    let found = indices.find(|(i, c)| *i + c.len_utf8() > at).or(last);
    found.map_or(first..first, |(i, c)| i..i + c.len_utf8())
}

/// A string, a word or number, or anything between.
#[derive(Debug)]
struct LineToken {
    bytes: Range<usize>,
    /// A string in quotes, or a value of YAML.
    is_string: bool,
    is_word: bool,
    /// The key it is, or the last one before it.
    key: Range<usize>,
}

impl LineToken {
    fn end_mark(&self) -> TokenStart {
        TokenStart {
            at: self.bytes.end,
            key: self.key.clone(),
        }
    }

    /// What may be shown of it.
    fn shown(&self, line: &[u8], secrecy: Secrecy) -> String {
        let raw = &line[self.bytes.clone()];
        let is_key = self.bytes == self.key;
        if self.is_string && !is_key && is_secret(raw, &line[self.key.clone()], secrecy) {
            return HIDDEN.into();
        }
        let kept = &raw[..raw.len().min(VALUE_MAX_BYTES)];
        let mut shown = printable(&String::from_utf8_lossy(kept));
        if kept.len() < raw.len() {
            shown.push('…');
        }
        shown
    }
}

/// An unterminated string: where it ends, and therefore what is secret, is unknown.
#[derive(Debug)]
struct Unterminated;

/// Splits a line into tokens, one after the other.
struct Tokens<'a> {
    line: &'a [u8],
    values: &'a [LineValue],
    at: usize,
    key: Range<usize>,
}

impl<'a> Tokens<'a> {
    /// The value of YAML that begins here.
    fn value(&self) -> Option<&'a LineValue> {
        let values = self.values;
        let found = values.binary_search_by_key(&self.at, |value| value.bytes.start);
        values.get(found.ok()?)
    }

    fn mark(&self) -> TokenStart {
        TokenStart {
            at: self.at,
            key: self.key.clone(),
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<LineToken, Unterminated>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.line.get(self.at)?;
        if let Some(LineValue { key, bytes }) = self.value() {
            self.at = bytes.end;
            self.key = key.clone();
            return Some(Ok(LineToken {
                bytes: bytes.clone(),
                is_string: true,
                is_word: false,
                key: key.clone(),
            }));
        }
        let Some(end) = token_end(self.line, self.at) else {
            return Some(Err(Unterminated));
        };
        let bytes = self.at..end;
        let is_string = first == b'"';
        let mut behind = self.line[end..].iter();
        if is_string && behind.find(|b| !b.is_ascii_whitespace()) == Some(&b':') {
            self.key = bytes.clone();
        }
        self.at = end;
        Some(Ok(LineToken {
            bytes,
            is_string,
            is_word: is_word_byte(first),
            key: self.key.clone(),
        }))
    }
}

fn is_secret(raw: &[u8], key: &[u8], secrecy: Secrecy) -> bool {
    secrecy == Secrecy::Strict
        || raw.len() > VALUE_MAX_BYTES
        || is_secret_key(key)
        || is_secret_text(raw)
}

/// Whatever its punctuation: `password_hash` is `passwordHash`.
fn is_secret_key(key: &[u8]) -> bool {
    if key.len() > MAX_KEY_BYTES {
        return false;
    }
    let letters = key.iter().filter(|b| b.is_ascii_alphanumeric());
    let name: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    SECRET_KEYS.iter().any(|key| name == key.as_bytes())
        || SECRET_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
}

/// True for what may hold a secret by its form: `data:` URLs, URLs with a query, what has a user and a password in front of
/// an `@`, even if it is no URL, and values without quotes that look like a header or like a key and its value.
fn is_secret_text(raw: &[u8]) -> bool {
    let quotes = usize::from(matches!(raw.first(), Some(b'"' | b'\'')));
    let text = &raw[quotes..];
    let holds = |piece: &[u8]| text.windows(piece.len()).any(|window| window == piece);
    let at = text.iter().rposition(|b| *b == b'@');
    text.get(..5)
        .is_some_and(|s| s.eq_ignore_ascii_case(b"data:"))
        || at.is_some_and(|at| text[..at].contains(&b':'))
        || holds(b"://") && holds(b"?")
        || quotes == 0 && holds(b": ")
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

/// Control characters would confuse the terminal and the marker below the line.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Severity;

    fn shown(line: &str, at: usize, secrecy: Secrecy) -> Option<(String, String)> {
        let excerpt = SplitLine::of(line.as_bytes()).excerpt(at, secrecy)?;
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
            r#"{"source": "http://h/?sig=topsecret"}"#,
            r#"{"httpProxy": "u:topsecret@h:3128"}"#,
            r#"{"source": "//u:topsecret@h/"}"#,
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

    #[test]
    fn hides_secrets_without_quotes() {
        for line in [
            "password: topsecret",
            "  password_hash: $6$topsecret/x. # topsecret",
            "- {name: bob, plain_text_passwd: topsecret, foo: 1}",
            "  name: bob, passwd: topsecret, foo: 1}",
            "rsa_private: 'topsecret'",
            "rsa_private: \"topsecret\"",
            "\"password\": topsecret",
            "'k3s-token' : topsecret",
            "chpasswd: {list: [topsecret, bob:topsecret], foo: 1}",
            "- bob:topsecret@h",
            "http_proxy: u:topsecret@h:3128",
            "discovery: https://topsecret",
            "Authorization: Bearer topsecret",
            "plain text: topsecret",
            "source: DATA:,topsecret",
        ] {
            let split = SplitLine::of_yaml(line.as_bytes());
            for at in 0..=line.len() {
                let shown = split.excerpt(at, Secrecy::Careful).map(|e| e.text);
                let shown = shown.unwrap_or_default();
                assert!(!shown.contains("topsecret"), "{line}: {shown}");
            }
        }
    }

    #[test]
    fn values_without_quotes_are_shown_and_marked_as_a_whole() {
        let line = "- {name: a b, uid: 5} # c";
        let split = SplitLine::of_yaml(line.as_bytes());
        let shown = |needle: &str, secrecy| {
            let at = line.find(needle).expect("there");
            let excerpt = split.excerpt(at, secrecy).expect("an excerpt");
            let marked = excerpt.text[excerpt.span.clone()].to_owned();
            (excerpt.text, marked)
        };
        assert_eq!(shown("a b", Secrecy::Careful), (line.into(), "a b".into()));
        assert_eq!(shown("uid", Secrecy::Careful), (line.into(), "uid".into()));
        let hidden = r#"- {name: "…", uid: "…"} # "…""#;
        assert_eq!(shown("5", Secrecy::Strict), (hidden.into(), HIDDEN.into()));
        let long = "x".repeat(MAX_YAML_LINE_BYTES + 1);
        let split = SplitLine::of_yaml(long.as_bytes());
        assert_eq!(split.excerpt(3, Secrecy::Careful), None);
    }

    #[test]
    fn a_finding_about_a_secret_hides_its_line() {
        for (path, secrecy) in [
            (None, Secrecy::Strict),
            (Some("$.passwd.users.0.name"), Secrecy::Careful),
            (Some("$.passwd.users.0.password_hash"), Secrecy::Strict),
            (Some("$.chpasswd.list.3"), Secrecy::Strict),
        ] {
            let finding = Finding {
                severity: Severity::Error,
                path: path.map(JsonPath::new),
                position: None,
                message: String::new(),
                help: None,
            };
            assert_eq!(Secrecy::of(&finding), secrecy, "{path:?}");
        }
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
                    let split = [SplitLine::of(line), SplitLine::of_yaml(line)];
                    for excerpt in split.iter().filter_map(|line| line.excerpt(at, secrecy)) {
                        assert!(
                            excerpt.text.get(excerpt.span.clone()).is_some(),
                            "{line:?} {at} {excerpt:?}"
                        );
                    }
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

    /// Whatever a line consists of, an excerpt is short, and the same wherever splitting starts.
    #[test]
    fn excerpts_are_short() {
        let blanks = " ".repeat(10_000);
        let digits = format!("[1, {}, 2]", "7".repeat(10_000));
        let key = format!(r#"{{"{}": 1, "a": 2}}"#, "k".repeat(10_000));
        let letters = format!("{{{}}}", "\u{e9}".repeat(10_000));
        let strings = format!(r#"["{}", 1, "{}"]"#, "s".repeat(5_000), "t".repeat(5_000));
        for line in [&blanks, &digits, &key, &letters, &strings] {
            let split = SplitLine::of(line.as_bytes());
            for at in (0..=line.len()).step_by(61) {
                for secrecy in [Secrecy::Careful, Secrecy::Strict] {
                    let excerpt = split.excerpt(at, secrecy).expect("an excerpt");
                    assert!(excerpt.text.len() < 300, "{at} {excerpt:?}");
                    assert!(!excerpt.text.contains("sss"), "{at} {excerpt:?}");
                }
            }
        }
        let secret = format!(r#"{{{blanks}"passwordHash":{blanks}"topsecret"}}"#);
        let at = secret.len() - 3;
        let (text, marked) = shown(&secret, at, Secrecy::Careful).unwrap_or_default();
        assert_eq!(marked, HIDDEN, "{text}");
    }
}
