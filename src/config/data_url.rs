//! `data:` URLs as the config language accepts them: stricter than browsers.
//!
//! ```text
//! "data:" [ type "/" subtype ] *( ";" attribute "=" value ) [ ";base64" ] "," body
//! ```

use crate::text::BASE64;
use base64::Engine;
use std::str::from_utf8;

/// Base64 characters decoded at a time; a multiple of four. Bodies are mostly short, and a larger buffer would take
/// longer to clear than to fill.
const CHUNK: usize = 4 * 1024;

/// Why a text is not a data URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataUrlError {
    /// Does not begin with `data:` in lower case.
    #[error("it must begin with `data:` in lower case")]
    Prefix,
    /// No comma ends the head.
    #[error("there is no `,` before the data")]
    NoComma,
    /// Type not accepted or malformed.
    #[error("the media type is malformed or not accepted")]
    MediaType,
    /// Something that is not `attribute=value`.
    #[error("malformed parameter before the `,`")]
    Parameter,
    /// `base64` before another parameter.
    #[error("`;base64` must be the last parameter")]
    Base64NotLast,
    /// Body is not base64 in the standard alphabet with padding.
    #[error("the data is not base64 with padding")]
    Base64,
    /// Body has a character that must be escaped.
    #[error("the data has a character that must be percent-escaped")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("broken percent escape in the data")]
    Escape,
}

/// A base64 `data:` URL of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    format!("data:;base64,{}", BASE64.encode(bytes))
}

/// The decoded body of `url`.
pub fn decode(url: &str) -> Result<Vec<u8>, DataUrlError> {
    let mut out = Vec::with_capacity(url.len() / 4 * 3);
    decode_to(url, &mut |bytes| out.extend_from_slice(bytes))?;
    Ok(out)
}

/// Length in bytes of the decoded body of `url`. Validates the whole URL without storing the body.
pub fn decoded_len(url: &str) -> Result<usize, DataUrlError> {
    let mut length = 0;
    decode_to(url, &mut |bytes| length += bytes.len())?;
    Ok(length)
}

/// [`decoded_len`] of a URL whose body is already known to be valid and is not checked again.
pub fn decoded_len_unchecked(url: &str) -> Result<usize, DataUrlError> {
    let text = url.strip_prefix("data:").ok_or(DataUrlError::Prefix)?;
    let (is_base64, body) = parse_head(text)?;
    Ok(body_decoded_len(is_base64, body))
}

/// Length in bytes of a decoded body, provided that it is valid.
pub(crate) fn body_decoded_len(is_base64: bool, body: &str) -> usize {
    let body = body.as_bytes();
    if is_base64 {
        let padding = body.iter().rev().take_while(|byte| **byte == b'=').count();
        (body.len() - padding) * 3 / 4
    } else {
        let escapes = memchr::memchr_iter(b'%', body).count();
        body.len().saturating_sub(2 * escapes)
    }
}

fn decode_to(url: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), DataUrlError> {
    let text = url.strip_prefix("data:").ok_or(DataUrlError::Prefix)?;
    let (is_base64, body) = parse_head(text)?;
    if is_base64 {
        decode_base64(body.as_bytes(), sink)
    } else {
        decode_percent(body.as_bytes(), sink)
    }
}

fn decode_base64(body: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), DataUrlError> {
    let mut buffer = [0; CHUNK / 4 * 3];
    let chunks = body.len().div_ceil(CHUNK);
    for (i, chunk) in body.chunks(CHUNK).enumerate() {
        // Padding ends the data, and the decoder sees one chunk only.
        if i + 1 < chunks && chunk.ends_with(b"=") {
            return Err(DataUrlError::Base64);
        }
        let n = BASE64
            .decode_slice(chunk, &mut buffer)
            .map_err(|_| DataUrlError::Base64)?;
        sink(&buffer[..n]);
    }
    Ok(())
}

fn decode_percent(mut body: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), DataUrlError> {
    while let Some(first) = body.first() {
        if *first == b'%' {
            let digits = body.get(1..3).and_then(|d| from_utf8(d).ok());
            sink(&[digits.and_then(hex_byte).ok_or(DataUrlError::Escape)?]);
            body = &body[3..];
            continue;
        }
        let run = body
            .iter()
            .position(|b| !is_plain(*b))
            .unwrap_or(body.len());
        if run == 0 {
            return Err(DataUrlError::Character);
        }
        sink(&body[..run]);
        body = &body[run..];
    }
    Ok(())
}

fn hex_byte(digits: &str) -> Option<u8> {
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// A set of ASCII characters: a bit for each. Searching a list of them takes ten times as long.
const fn set(characters: &[u8]) -> u128 {
    let mut set = 0;
    let mut index = 0;
    while index < characters.len() {
        set |= 1 << characters[index];
        index += 1;
    }
    set
}

/// Characters that must be escaped in a body.
const ESCAPED: u128 = set(br##"%<>#"{}|\^[]`"##);
/// Characters that end a token.
const DELIMITERS: u128 = set(br#"()<>@,;:\"/[]?="#);

fn is_plain(b: u8) -> bool {
    b.is_ascii_graphic() && (ESCAPED >> b) & 1 == 0
}

fn is_token(b: u8) -> bool {
    b.is_ascii_graphic() && (DELIMITERS >> b) & 1 == 0
}

/// Splits off the leading token characters.
fn split_token(text: &str) -> (&str, &str) {
    text.split_at(
        text.bytes()
            .position(|b| !is_token(b))
            .unwrap_or(text.len()),
    )
}

/// Reads everything up to the comma: whether the body is base64, and the body.
fn parse_head(text: &str) -> Result<(bool, &str), DataUrlError> {
    let mut rest = skip_media_type(text)?;
    loop {
        if let Some(body) = rest.strip_prefix(',') {
            return Ok((false, body));
        }
        let Some(after) = rest.strip_prefix(';') else {
            return Err(if rest.is_empty() {
                DataUrlError::NoComma
            } else {
                DataUrlError::Parameter
            });
        };
        let (attribute, after) = split_token(after);
        if let Some(after) = after.strip_prefix('=').filter(|_| !attribute.is_empty()) {
            rest = skip_value(after)?;
            continue;
        }
        return match (attribute, after.strip_prefix(',')) {
            ("base64", Some(body)) => Ok((true, body)),
            ("base64", None) if after.starts_with(';') => Err(DataUrlError::Base64NotLast),
            (_, None) if after.is_empty() => Err(DataUrlError::NoComma),
            _ => Err(DataUrlError::Parameter),
        };
    }
}

/// Skips the media type, if there is one; returns what follows.
fn skip_media_type(text: &str) -> Result<&str, DataUrlError> {
    const TYPES: [&str; 9] = [
        "text",
        "image",
        "audio",
        "video",
        "application",
        "message",
        "multipart",
        "x-",
        "X-",
    ];
    let (kind, rest) = split_token(text);
    if kind.is_empty() {
        return Ok(text);
    }
    let after = rest.strip_prefix('/').ok_or(DataUrlError::MediaType)?;
    if !TYPES.iter().any(|t| kind.starts_with(t)) {
        return Err(DataUrlError::MediaType);
    }
    Ok(split_token(after).1)
}

/// Skips a parameter value; returns what follows.
fn skip_value(text: &str) -> Result<&str, DataUrlError> {
    if let Some(quoted) = text.strip_prefix('"') {
        return skip_quoted_value(quoted);
    }
    let (value, rest) = split_token(text);
    let mut escapes = value
        .match_indices('%')
        .map(|(i, _)| value.get(i + 1..i + 3));
    let fits = escapes.all(|digits| digits.and_then(hex_byte).is_some());
    if value.is_empty() || !fits {
        Err(DataUrlError::Parameter)
    } else {
        Ok(rest)
    }
}

/// Skips the rest of a quoted value, whose escapes are those of C; returns what follows.
fn skip_quoted_value(text: &str) -> Result<&str, DataUrlError> {
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        match chars.next() {
            Some('"') => return Ok(chars.as_str()),
            Some('\\') => rest = skip_c_escape(chars.as_str()).ok_or(DataUrlError::Parameter)?,
            Some(c) if c.is_ascii() => rest = chars.as_str(),
            _ => return Err(DataUrlError::Parameter),
        }
    }
}

/// Skips the escape at the start of `text`, which is after its backslash; returns what follows.
fn skip_c_escape(text: &str) -> Option<&str> {
    let number = |skip: usize, digits: usize, radix: u32| {
        let digits = text.get(skip..skip + digits)?;
        let plain = digits.chars().all(|c| c.is_digit(radix));
        plain
            .then(|| u32::from_str_radix(digits, radix).ok())
            .flatten()
    };
    let length = match text.chars().next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '"' => 1,
        'x' => number(1, 2, 16).map(|_| 3)?,
        'u' => number(1, 4, 16).and_then(char::from_u32).map(|_| 5)?,
        'U' => number(1, 8, 16).and_then(char::from_u32).map(|_| 9)?,
        '0'..='7' => number(0, 3, 8).filter(|n| *n <= 0o377).map(|_| 3)?,
        _ => return None,
    };
    text.get(length..)
}

#[cfg(test)]
mod tests {
    use super::DataUrlError::{
        Base64, Base64NotLast, Character, Escape, MediaType, NoComma, Parameter, Prefix,
    };
    use super::*;

    #[test]
    fn decodes() {
        let cases: [(&str, &[u8]); 27] = [
            ("data:,", b""),
            ("data:,a%20b", b"a b"),
            ("data:,a+b", b"a+b"),
            ("data:,a?b&c", b"a?b&c"),
            ("data:,a,b;c='d'", b"a,b;c='d'"),
            ("data:,%00%ff%FF", b"\0\xff\xff"),
            ("data:;base64,aGk=", b"hi"),
            ("data:;base64,", b""),
            ("data:;base64,aGl=", b"hi"),
            ("data:;base64,AAAA", b"\0\0\0"),
            ("data:text/plain;charset=\"u;8\",x", b"x"),
            ("data:text/plain;charset=utf-8;base64,aGk=", b"hi"),
            ("data:textual/odd,hi", b"hi"),
            ("data:x-foo/bar,hi", b"hi"),
            ("data:X-foo/bar,hi", b"hi"),
            ("data:text/,hi", b"hi"),
            ("data:message/rfc822,hi", b"hi"),
            ("data:multipart/mixed,hi", b"hi"),
            ("data:video/mp4,hi", b"hi"),
            ("data:audio/ogg,hi", b"hi"),
            ("data:image/png,hi", b"hi"),
            ("data:application/json,hi", b"hi"),
            ("data:;charset=utf-8,hi", b"hi"),
            ("data:;a=%41,hi", b"hi"),
            ("data:;a=\"\",hi", b"hi"),
            (r#"data:;a="\a\x41\101\u0041\U0001F600\\\"",hi"#, b"hi"),
            ("data:;base64=x,hi", b"hi"),
        ];
        for (url, expected) in cases {
            assert_eq!(decode(url).as_deref(), Ok(expected), "{url}");
            assert_eq!(decoded_len(url), Ok(expected.len()), "{url}");
            assert_eq!(decoded_len_unchecked(url), Ok(expected.len()), "{url}");
        }
    }

    #[test]
    fn rejects() {
        let cases = [
            ("DATA:,x", Prefix),
            ("", Prefix),
            ("data:", NoComma),
            ("data:text/plain", NoComma),
            ("data:;base64", NoComma),
            ("data:text,hi", MediaType),
            ("data:font/woff2;base64,", MediaType),
            ("data:xml/foo,hi", MediaType),
            ("data:TEXT/plain,hi", MediaType),
            ("data:;BASE64,aGk=", Parameter),
            ("data:;charset=,x", Parameter),
            ("data:;charset,x", Parameter),
            ("data:;,x", Parameter),
            ("data:;=x,x", Parameter),
            ("data:text/a/b,x", Parameter),
            ("data: ,x", Parameter),
            ("data:text/plain; charset=utf-8,x", Parameter),
            ("data:;a=%4,x", Parameter),
            ("data:;a=\"\\q\",x", Parameter),
            ("data:;a=\"\\ud800\",x", Parameter),
            ("data:;a=\"\\400\",x", Parameter),
            ("data:;a=\"\\x4\",x", Parameter),
            ("data:;a=\"é\",x", Parameter),
            ("data:;a=\"x,y", Parameter),
            ("data:;base64;charset=utf-8,aGk=", Base64NotLast),
            ("data:;base64,aGk", Base64),
            ("data:;base64,_-8=", Base64),
            ("data:;base64,aG k", Base64),
            ("data:;base64,aGk=aGk=", Base64),
            ("data:;base64,aGk%3D", Base64),
            ("data:,{}", Character),
            ("data:,a b", Character),
            ("data:,x#y", Character),
            ("data:,é", Character),
            ("data:,[", Character),
            ("data:,a\\b", Character),
            ("data:,100%", Escape),
            ("data:,%4", Escape),
            ("data:,%+1", Escape),
            ("data:,%zz", Escape),
        ];
        for (url, error) in cases {
            assert_eq!(decode(url), Err(error), "{url}");
        }
    }

    #[test]
    fn padding_inside_long_data_is_found() {
        let mut body = "AAAA".repeat(CHUNK / 4 - 1);
        body.push_str("AAA=AAAA");
        assert_eq!(decode(&format!("data:;base64,{body}")), Err(Base64));
        let fine = "AAAA".repeat(CHUNK);
        assert_eq!(decoded_len(&format!("data:;base64,{fine}")), Ok(CHUNK * 3));
    }
}
