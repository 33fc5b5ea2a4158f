//! The part of a line that may be shown.
//!
//! Values are hidden if they are long, if their key is that of a secret, and if they are `data:` URLs or may contain a
//! user name, a password or a token. Near a syntax error nothing is certain, so all values are hidden, and so are those
//! of a line with a finding about a secret.

use super::values::{LineValue, find_values, string_end};
use crate::config::{Finding, JsonPath};
use crate::text::is_unprintable;
use std::ops::Range;

/// Longer values are always hidden.
const MAX_VALUE_BYTES: usize = 60;
/// Minimum distance in bytes between the offsets of a line from which it can be split into tokens.
const START_INTERVAL_BYTES: usize = 1024;
/// Maximum number of bytes shown before and after the token that a finding is about.
const MAX_BYTES_BEFORE: usize = 64;
const MAX_BYTES_AFTER: usize = 64;
/// Shown in place of a hidden value.
const HIDDEN: &str = "\"…\"";
/// Keys whose values are secret, reduced to lower-case letters and digits: hashes, header values, pin configurations,
/// contents of files and units, lists of passwords.
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
/// Suffixes of other keys whose values are secret, e.g. `plain_text_passwd` and `rsa_private`.
const SECRET_KEY_SUFFIXES: [&str; 8] = [
    "authorization",
    "passwd",
    "password",
    "passphrase",
    "private",
    "privatekey",
    "secret",
    "token",
];
/// Longer keys are not examined: no key of a config is that long.
const MAX_KEY_BYTES: usize = 64;
/// Nothing of a longer YAML line is shown: finding its values would take too much memory.
const MAX_YAML_LINE_BYTES: usize = 1 << 20;

/// How much of a line may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// The syntax is valid: hide what may be secret.
    Careful,
    /// The syntax is not valid, or the line may be part of a secret: hide all values.
    Strict,
}

impl Secrecy {
    /// Findings without a path are syntax errors.
    pub(super) fn of(finding: &Finding) -> Self {
        match &finding.path {
            Some(path) if !is_secret_path(path) => Secrecy::Careful,
            _ => Secrecy::Strict,
        }
    }
}

/// True if the last key of a path is that of a secret.
fn is_secret_path(path: &JsonPath) -> bool {
    let is_key = |part: &&str| !part.bytes().all(|b| b.is_ascii_digit());
    let key = path.parts().filter(is_key).last();
    key.is_some_and(|key| is_secret_key(key.as_bytes()))
}

/// A part of a line, and the range of the text that a finding is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A line that has been split once, so that the cost of an excerpt does not depend on the length of the line.
#[derive(Debug)]
pub(super) struct SplitLine<'a> {
    bytes: &'a [u8],
    /// Its values, if it is YAML: they need no quotes.
    values: Vec<LineValue>,
    /// Where splitting can start, about every [`START_INTERVAL_BYTES`]. Empty if nothing can be shown safely.
    starts: Vec<TokenStart>,
}

/// The beginning of a token.
#[derive(Debug, Clone)]
struct TokenStart {
    at: usize,
    /// The last key before it.
    key: Range<usize>,
}

impl<'a> SplitLine<'a> {
    /// Splits a line of JSON. Strings of JSON do not span lines, so a line begins outside of a string.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self::with_values(bytes, Vec::new())
    }

    /// Splits a line of YAML.
    pub(super) fn of_yaml(bytes: &'a [u8]) -> Self {
        match bytes.len() {
            ..=MAX_YAML_LINE_BYTES => Self::with_values(bytes, find_values(bytes, is_secret_key)),
            _ => Self {
                bytes,
                values: Vec::new(),
                starts: Vec::new(),
            },
        }
    }

    fn with_values(bytes: &'a [u8], values: Vec<LineValue>) -> Self {
        let mut line = Self {
            bytes,
            values,
            starts: Vec::new(),
        };
        line.starts = line.find_starts().unwrap_or_default();
        line
    }

    /// Finds the tokens from which splitting can start.
    fn find_starts(&self) -> Result<Vec<TokenStart>, Unterminated> {
        let mut starts = vec![TokenStart { at: 0, key: 0..0 }];
        let mut tokens = self.tokens_from(&starts[0]);
        loop {
            let start = tokens.next_start();
            if starts
                .last()
                .is_some_and(|last| start.at >= last.at + START_INTERVAL_BYTES)
            {
                starts.push(start);
            }
            match tokens.next() {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(starts),
            }
        }
    }

    fn tokens_from(&self, start: &TokenStart) -> Tokens<'_> {
        Tokens {
            line: self.bytes,
            values: &self.values,
            at: start.at,
            key: start.key.clone(),
        }
    }

    /// The token at byte `at` with its surroundings; `None` if nothing can be shown safely.
    pub(super) fn excerpt(&self, at: usize, secrecy: Secrecy) -> Option<Excerpt> {
        if at >= self.bytes.len() {
            return self.excerpt_at_end();
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
            false => character_at(&text, start + at - token.bytes.start, start),
        };
        let mut space = MAX_BYTES_AFTER.saturating_sub(text.len() - start);
        for token in self.tokens_from(&token.next_start()) {
            let shown = token.ok()?.shown(self.bytes, secrecy);
            if shown.len() > space {
                text.push_str(" …");
                break;
            }
            space -= shown.len();
            text.push_str(&shown);
        }
        Some(Excerpt { text, span })
    }

    /// The token that contains byte `at`, and those before it: at least as many as may be shown.
    fn tokens_up_to(&self, at: usize, secrecy: Secrecy) -> Option<(Vec<LineToken>, LineToken)> {
        let mut first = self.starts.partition_point(|start| start.at <= at);
        loop {
            first = first.checked_sub(1)?;
            let mut before = Vec::new();
            let mut found = None;
            for token in self.tokens_from(&self.starts[first]) {
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
            if first == 0 || sum_exceeds(shown, MAX_BYTES_BEFORE) {
                return Some((before, found?));
            }
        }
    }

    /// Drops tokens from the front until the rest is short enough to be shown.
    fn keep_last(&self, before: &mut Vec<LineToken>, secrecy: Secrecy) {
        let mut space = MAX_BYTES_BEFORE;
        let shown = before.iter().rev().take_while(|token| {
            let left = space.checked_sub(token.shown(self.bytes, secrecy).len());
            space = left.unwrap_or(space);
            left.is_some()
        });
        let shown = shown.count();
        before.drain(..before.len() - shown);
    }

    /// An excerpt that marks the position after the last byte, e.g. if a text is cut off.
    fn excerpt_at_end(&self) -> Option<Excerpt> {
        let last = self.bytes.len().checked_sub(1)?;
        let mut excerpt = self.excerpt(last, Secrecy::Strict)?;
        let end = excerpt.text.len();
        excerpt.text.push(' ');
        excerpt.span = end..end + 1;
        Some(excerpt)
    }
}

/// True if the lengths add up to more than `limit`. Stops as soon as they do.
fn sum_exceeds(lengths: impl Iterator<Item = usize>, limit: usize) -> bool {
    let mut sum = 0;
    lengths.into_iter().any(|length| {
        sum += length;
        sum > limit
    })
}

/// The range of the character of `text` that contains byte `at`, or of the last one from `first` on: the shown text may
/// be shorter than the original.
fn character_at(text: &str, at: usize, first: usize) -> Range<usize> {
    let mut indices = text[first..].char_indices().map(|(i, c)| (first + i, c));
    let last = indices.clone().next_back();
    let found = indices.find(|(i, c)| *i + c.len_utf8() > at).or(last);
    found.map_or(first..first, |(i, c)| i..i + c.len_utf8())
}

/// A string, a word or number, or anything in between them.
#[derive(Debug)]
struct LineToken {
    bytes: Range<usize>,
    /// A string in quotes, or a value of YAML.
    is_string: bool,
    is_word: bool,
    /// The token itself if it is a key, otherwise the last key before it.
    key: Range<usize>,
}

impl LineToken {
    fn next_start(&self) -> TokenStart {
        TokenStart {
            at: self.bytes.end,
            key: self.key.clone(),
        }
    }

    /// The text to show for it.
    fn shown(&self, line: &[u8], secrecy: Secrecy) -> String {
        let raw = &line[self.bytes.clone()];
        let is_key = self.bytes == self.key;
        if self.is_string && !is_key && is_secret(raw, &line[self.key.clone()], secrecy) {
            return HIDDEN.into();
        }
        let kept = &raw[..raw.len().min(MAX_VALUE_BYTES)];
        let mut shown = printable(&String::from_utf8_lossy(kept));
        if kept.len() < raw.len() {
            shown.push('…');
        }
        shown
    }
}

/// There is an unterminated string: where it ends, and therefore what is secret, is unknown.
#[derive(Debug)]
struct Unterminated;

/// Iterates over the tokens of a line.
struct Tokens<'a> {
    line: &'a [u8],
    values: &'a [LineValue],
    at: usize,
    key: Range<usize>,
}

impl<'a> Tokens<'a> {
    /// The YAML value that begins at the current position.
    fn value(&self) -> Option<&'a LineValue> {
        let values = self.values;
        let found = values.binary_search_by_key(&self.at, |value| value.bytes.start);
        values.get(found.ok()?)
    }

    fn next_start(&self) -> TokenStart {
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
        let mut following = self.line[end..].iter();
        if is_string && following.find(|b| !b.is_ascii_whitespace()) == Some(&b':') {
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
        || raw.len() > MAX_VALUE_BYTES
        || is_secret_key(key)
        || is_secret_text(raw)
}

/// Ignores case and punctuation: `password_hash` equals `passwordHash`.
fn is_secret_key(key: &[u8]) -> bool {
    if key.len() > MAX_KEY_BYTES {
        return false;
    }
    let letters = key.iter().filter(|b| b.is_ascii_alphanumeric());
    let name: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    SECRET_KEYS.iter().any(|key| name == key.as_bytes())
        || SECRET_KEY_SUFFIXES
            .iter()
            .any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// True if the form of a value suggests a secret: `data:` URLs, URLs with a query, a user and a password before an `@`,
/// even if it is not a URL, and unquoted values that look like a header or like a key and its value.
fn is_secret_text(raw: &[u8]) -> bool {
    let quotes = usize::from(matches!(raw.first(), Some(b'"' | b'\'')));
    let text = &raw[quotes..];
    let contains = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    let at = text.iter().rposition(|b| *b == b'@');
    text.get(..5)
        .is_some_and(|s| s.eq_ignore_ascii_case(b"data:"))
        || at.is_some_and(|at| text[..at].contains(&b':'))
        || contains(b"://") && contains(b"?")
        || quotes == 0 && contains(b": ")
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')
}

/// The end of the token that begins at `at`; `None` if it is an unterminated string.
fn token_end(line: &[u8], at: usize) -> Option<usize> {
    let rest = &line[at..];
    let length = match rest[0] {
        b'"' => return string_end(rest).map(|length| at + length),
        b if is_word_byte(b) => rest.iter().position(|b| !is_word_byte(*b)),
        // The bytes of a character are not separated.
        b if !b.is_ascii() => rest.iter().position(u8::is_ascii),
        _ => Some(1),
    };
    Some(at + length.unwrap_or(rest.len()))
}

/// Replaces unprintable characters with spaces: they would confuse the terminal and misplace the marker below the line.
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

    /// For any bytes, the marked range consists of whole characters, which the renderer relies on.
    #[test]
    fn marked_ranges_are_whole_characters() {
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

    /// Excerpts are short for all kinds of lines, and hide secrets wherever splitting starts.
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
