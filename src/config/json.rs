//! Strict JSON, token by token, each token with its byte offset.
//!
//! The lexer is `hifijson`'s slice lexer; the offset follows from the length of its remaining input. This module adds:
//! - a shortcut for strings without escapes, which hold most bytes of a config,
//! - numbers that must be 64-bit integers,
//! - strings in which invalid UTF-8 and lone surrogates become U+FFFD,
//! - skipping of unneeded values without recursion, so that nesting costs no stack.

use hifijson::num::LexWrite as _;
use hifijson::str::{Lex as _, LexWrite as _};
use hifijson::token::Lex as _;
use hifijson::{Read as _, SliceLexer, escape, str as lexed};
use std::borrow::Cow;

/// Maximum nesting depth of values.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// What is wrong with a text that is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Offset of the unexpected byte; the length of the text if it ends too early.
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The start of a value: the cursor has entered a container, or consumed a scalar.
#[derive(Debug)]
pub(crate) enum Start<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List,
    Object,
}

/// A number literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Int(i64),
    /// An integer that does not fit 64 bits.
    Huge,
    /// Written with a fraction or an exponent.
    Fraction,
}

/// A cursor over a JSON text.
pub(crate) struct Cursor<'a> {
    lexer: SliceLexer<'a>,
    length: usize,
    depth: usize,
    /// A number that no double can hold has been read.
    exceeds_double: bool,
}

/// True if `text` is one JSON value whose numbers doubles can hold.
pub(crate) fn is_portable(text: &str) -> bool {
    let mut cursor = Cursor::new(text.as_bytes());
    let skipped = cursor.start().and_then(|start| cursor.skip_rest(&start));
    skipped.and_then(|()| cursor.finish()).is_ok() && !cursor.exceeds_double
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Cursor {
            lexer: SliceLexer::new(text),
            length: text.len(),
            depth: 0,
            exceeds_double: false,
        }
    }

    /// Offset of the next byte that is not white space.
    pub(crate) fn offset(&mut self) -> usize {
        self.lexer.eat_whitespace();
        self.here()
    }

    fn here(&self) -> usize {
        self.length - self.lexer.as_slice().len()
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            offset: self.here(),
            message: message.into(),
            help: None,
        })
    }

    /// An error that names what was found instead of `expected`.
    fn unexpected<T>(&self, expected: &str) -> Result<T, SyntaxError> {
        match self.lexer.as_slice().first() {
            None => self.error(format!("the text ends where {expected} is expected")),
            Some(b) if b.is_ascii_graphic() => {
                self.error(format!("expected {expected}, found `{}`", char::from(*b)))
            }
            Some(b) => self.error(format!("expected {expected}, found byte 0x{b:02X}")),
        }
    }

    /// Consumes a scalar, or enters a container.
    pub(crate) fn start(&mut self) -> Result<Start<'a>, SyntaxError> {
        match self.lexer.ws_peek() {
            Some(b'"') => self.text().map(Start::Text),
            Some(b'0'..=b'9' | b'-') => self.number().map(Start::Number),
            Some(b'[') => self.enter().map(|()| Start::List),
            Some(b'{') => self.enter().map(|()| Start::Object),
            Some(b'n' | b't' | b'f') => self.literal(),
            _ => self.unexpected("a value"),
        }
    }

    fn literal(&mut self) -> Result<Start<'a>, SyntaxError> {
        let offset = self.here();
        match self.lexer.null_or_bool() {
            Some(None) => Ok(Start::Null),
            Some(Some(b)) => Ok(Start::Bool(b)),
            None => Err(SyntaxError {
                offset,
                message: "expected a value, found an unquoted word".into(),
                help: Some("the only unquoted words in JSON are true, false and null".into()),
            }),
        }
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        if self.depth == MAX_DEPTH {
            return self.error(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.lexer.take_next();
        self.depth += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<Number, SyntaxError> {
        let Ok((text, parts)) = self.lexer.num_string().validated() else {
            return self.unexpected("a digit");
        };
        if text.trim_start_matches('-') == "0"
            && self.lexer.peek_next().is_some_and(|b| b.is_ascii_digit())
        {
            return self.leading_zero();
        }
        let number = text.parse();
        if number.is_err() && text.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.exceeds_double = true;
        }
        Ok(match number {
            _ if !parts.is_int() => Number::Fraction,
            Ok(n) => Number::Int(n),
            Err(_) => Number::Huge,
        })
    }

    fn leading_zero(&self) -> Result<Number, SyntaxError> {
        let digits = self
            .lexer
            .as_slice()
            .iter()
            .take_while(|b| b.is_ascii_digit());
        let digits: String = digits.map(|b| char::from(*b)).collect();
        let help = match i64::from_str_radix(&digits, 8) {
            Ok(n) => format!("octal 0{digits} is {n} in decimal"),
            Err(_) => "drop the leading zero".into(),
        };
        Err(SyntaxError {
            offset: self.here(),
            message: "a number must not start with 0; JSON has decimal numbers only".into(),
            help: Some(help),
        })
    }

    /// Consumes a string whose opening `"` is next.
    fn text(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.lexer.take_next();
        if let Some(raw) = self.plain_string() {
            return Ok(lossy(raw));
        }
        let mut raw: &'a [u8] = &[];
        let lexed = self.lexer.str_bytes(&mut raw);
        lexed.or_else(|e| self.string_error(&e))?;
        Ok(decode(raw))
    }

    /// Consumes the rest of a string in which nothing is escaped and nothing needs to be.
    fn plain_string(&mut self) -> Option<&'a [u8]> {
        let rest = self.lexer.as_slice();
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        let plain = rest[end] == b'"' && !has_control(&rest[..end]);
        plain.then(|| {
            self.lexer = SliceLexer::new(&rest[end + 1..]);
            &rest[..end]
        })
    }

    fn string_error<T>(&self, error: &lexed::Error) -> Result<T, SyntaxError> {
        match error {
            lexed::Error::Control => self
                .error("control characters must be escaped inside strings")
                .map_err(|e: SyntaxError| SyntaxError {
                    help: Some(r"write \n for a line end and \t for a tab".into()),
                    ..e
                }),
            lexed::Error::Eof | lexed::Error::Escape(escape::Error::Eof) => {
                self.error("the text ends inside a string")
            }
            _ => self.error("not an escape sequence of JSON"),
        }
    }

    /// The next key of the object just entered, with the offset of its opening quote; the cursor is then before its
    /// value. `None` at the end of the object. `first` is true if no member has been read yet.
    pub(crate) fn key(
        &mut self,
        first: bool,
    ) -> Result<Option<(usize, Cow<'a, str>)>, SyntaxError> {
        if !self.has_more(first, b'}')? {
            return Ok(None);
        }
        let offset = self.offset();
        if self.lexer.peek_next() != Some(b'"') {
            return self.unexpected("a key in double quotes");
        }
        let key = self.text()?;
        if self.lexer.ws_peek() != Some(b':') {
            return self.unexpected("`:`");
        }
        self.lexer.take_next();
        Ok(Some((offset, key)))
    }

    /// True if the list just entered has another element; the cursor is before it.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool, SyntaxError> {
        self.has_more(first, b']')
    }

    fn has_more(&mut self, first: bool, end: u8) -> Result<bool, SyntaxError> {
        match self.lexer.ws_peek() {
            Some(b) if b == end => {
                self.lexer.take_next();
                self.depth -= 1;
                Ok(false)
            }
            _ if first => Ok(true),
            Some(b',') => {
                self.lexer.take_next();
                if self.lexer.ws_peek() == Some(end) {
                    return self.unexpected("another entry after the comma");
                }
                Ok(true)
            }
            _ => self.unexpected(&format!("`,` or `{}`", char::from(end))),
        }
    }

    /// Checks and skips the rest of the container just entered, without recursion.
    pub(crate) fn skip_rest(&mut self, container: &Start<'_>) -> Result<(), SyntaxError> {
        let mut open = match container {
            Start::Object => vec![true],
            Start::List => vec![false],
            _ => return Ok(()),
        };
        let mut first = true;
        while let Some(&is_object) = open.last() {
            let more = if is_object {
                self.skip_key(first)?
            } else {
                self.element(first)?
            };
            first = false;
            if !more {
                open.pop();
                continue;
            }
            match self.skip_start()? {
                Some(is_object) => {
                    open.push(is_object);
                    first = true;
                }
                None => continue,
            }
        }
        Ok(())
    }

    fn skip_key(&mut self, first: bool) -> Result<bool, SyntaxError> {
        // Keys are short; decoding one costs less than a second way to lex it.
        Ok(self.key(first)?.is_some())
    }

    /// Skips a scalar, or enters a container and returns whether it is an object.
    fn skip_start(&mut self) -> Result<Option<bool>, SyntaxError> {
        if self.lexer.ws_peek() == Some(b'"') {
            self.lexer.take_next();
            if self.plain_string().is_some() {
                return Ok(None);
            }
            let lexed = self.lexer.str_ignore();
            return lexed.map(|()| None).or_else(|e| self.string_error(&e));
        }
        Ok(match self.start()? {
            Start::Object => Some(true),
            Start::List => Some(false),
            _ => None,
        })
    }

    /// Makes sure that nothing but white space follows.
    pub(crate) fn finish(&mut self) -> Result<(), SyntaxError> {
        match self.lexer.ws_peek() {
            None => Ok(()),
            Some(_) => self.error("text after the end of the document"),
        }
    }
}

/// The string whose lexed body is `raw`. Never fails: whatever is not Unicode becomes U+FFFD.
fn decode(raw: &[u8]) -> Cow<'_, str> {
    if !raw.contains(&b'\\') {
        return lossy(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        out.push_str(&lossy(&rest[..at]));
        rest = unescape(&rest[at + 1..], &mut out);
    }
    out.push_str(&lossy(rest));
    Cow::Owned(out)
}

/// True if any byte is below 0x20. Tests eight bytes at a time: the subtraction sets the top bit of a byte that is too
/// small; a borrow from the next byte only comes from a byte that is too small itself.
pub(crate) fn has_control(bytes: &[u8]) -> bool {
    const LOWEST: u64 = 0x2020_2020_2020_2020;
    const TOP_BITS: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let small = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        word.wrapping_sub(LOWEST) & !word & TOP_BITS != 0
    };
    words.iter().any(small) || rest.iter().any(|b| *b < 0x20)
}

/// The text in `bytes`, with each byte that is not part of a UTF-8 character replaced.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(out)
}

/// Appends the character of the escape at the start of `rest` (after its backslash); returns what follows. The lexer
/// has already checked that the escape is well-formed.
fn unescape<'a>(rest: &'a [u8], out: &mut String) -> &'a [u8] {
    let Some((kind, rest)) = rest.split_first() else {
        return rest;
    };
    if *kind == b'u' {
        return unescape_unicode(rest, out);
    }
    out.push(match kind {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        other => char::from(*other),
    });
    rest
}

fn unescape_unicode<'a>(rest: &'a [u8], out: &mut String) -> &'a [u8] {
    let Some((first, rest)) = hex4(rest) else {
        return rest;
    };
    if let Some((second, after)) = rest.strip_prefix(br"\u").and_then(hex4)
        && let Some(Ok(c)) = char::decode_utf16([first, second]).next()
        && u32::from(c) > 0xFFFF
    {
        out.push(c);
        return after;
    }
    out.push(char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn hex4(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(4)?;
    let text = std::str::from_utf8(digits).ok()?;
    Some((u16::from_str_radix(text, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8]) -> Result<(), (usize, String)> {
        let mut cursor = Cursor::new(text);
        let result = cursor
            .start()
            .and_then(|s| cursor.skip_rest(&s))
            .and_then(|()| cursor.finish());
        result.map_err(|e| (e.offset, e.message))
    }

    #[test]
    fn accepts_json() {
        let texts = [
            "null",
            " \t\r\n1 ",
            "-0",
            "1.5e+10",
            "1E9",
            "[]",
            "{}",
            "[[],{},[1,2]]",
            r#"{"a":{"b":[1,{"c":null}]},"a":"\u0000\ud800\"\/"}"#,
            "\"\u{7f}\"",
            "1e999",
        ];
        for text in texts {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn rejects_with_offset() {
        let cases: [(&[u8], usize, &str); 22] = [
            (b"", 0, "the text ends where a value is expected"),
            (b" \n", 2, "the text ends where a value is expected"),
            (
                b"[1,]",
                3,
                "expected another entry after the comma, found `]`",
            ),
            (
                b"{\"a\":1,}",
                7,
                "expected another entry after the comma, found `}`",
            ),
            (b"{'a':1}", 1, "expected a key in double quotes, found `'`"),
            (b"{\"a\" 1}", 5, "expected `:`, found `1`"),
            (b"[1 2]", 3, "expected `,` or `]`, found `2`"),
            (b"[1}", 2, "expected `,` or `]`, found `}`"),
            (b"[1", 2, "the text ends where `,` or `]` is expected"),
            (
                b"[0644]",
                2,
                "a number must not start with 0; JSON has decimal numbers only",
            ),
            (
                b"-01",
                2,
                "a number must not start with 0; JSON has decimal numbers only",
            ),
            (b"+1", 0, "expected a value, found `+`"),
            (b"-", 1, "the text ends where a digit is expected"),
            (b"[1.]", 3, "expected a digit, found `]`"),
            (b"NaN", 0, "expected a value, found `N`"),
            (b"nul", 0, "expected a value, found an unquoted word"),
            (b"{} {}", 3, "text after the end of the document"),
            (b"\xef\xbb\xbf{}", 0, "expected a value, found byte 0xEF"),
            (
                b"\"a\nb\"",
                2,
                "control characters must be escaped inside strings",
            ),
            (b"\"a", 2, "the text ends inside a string"),
            (br#""\x""#, 2, "not an escape sequence of JSON"),
            (br#""\u12g4""#, 5, "not an escape sequence of JSON"),
        ];
        for (text, offset, message) in cases {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(check(text), Err((offset, message.to_owned())), "{shown}");
        }
    }

    #[test]
    fn depth_has_a_limit_and_costs_no_stack() {
        let nested = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        let expected = "nested deeper than 10000 levels".to_owned();
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err((MAX_DEPTH, expected)));
    }

    #[test]
    fn strings() {
        let cases: [(&[u8], &str); 12] = [
            (b"plain", "plain"),
            (br#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (br"\u0041\u00e9\u20AC", "Aé€"),
            (br"\ud83d\ude00!", "😀!"),
            (br"\ud83dx", "\u{fffd}x"),
            (br"\ud83d\u0041", "\u{fffd}A"),
            (br"\ude00", "\u{fffd}"),
            (br"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (br"\ud83d\n", "\u{fffd}\n"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xe2\x82", "\u{fffd}\u{fffd}"),
            (b"\\n\xff", "\n\u{fffd}"),
        ];
        for (raw, expected) in cases {
            assert_eq!(decode(raw), expected);
        }
        assert!(matches!(decode(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn portable_values() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in [" {}\n", "null", "1e308", r#"{"a":1,"a":"\ud800"}"#, &deep] {
            assert!(is_portable(text), "{text}");
        }
        for text in ["", " ", "{{", "{} 1", "[1e309]", "[-1e309]"] {
            assert!(!is_portable(text), "{text}");
        }
    }

    #[test]
    fn control_characters() {
        for b in 0..=255u8 {
            for at in 0..11 {
                let mut text = *b"01234567890";
                text[at] = b;
                assert_eq!(has_control(&text), b < 0x20, "0x{b:02x} at {at}");
            }
        }
        assert!(!has_control(b""));
    }

    #[test]
    fn numbers() {
        let cases = [
            ("-0", Number::Int(0)),
            ("9223372036854775807", Number::Int(i64::MAX)),
            ("-9223372036854775808", Number::Int(i64::MIN)),
            ("9223372036854775808", Number::Huge),
            ("420.0", Number::Fraction),
            ("42e1", Number::Fraction),
            ("1e999", Number::Fraction),
        ];
        for (text, expected) in cases {
            match Cursor::new(text.as_bytes()).start() {
                Ok(Start::Number(n)) => assert_eq!(n, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
