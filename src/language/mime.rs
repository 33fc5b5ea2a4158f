//! MIME messages as far as user data uses them: header fields, parts separated by a boundary, base64.

use super::packed;
use std::borrow::Cow;
use std::ops::Range;

/// How many parts a message may have.
const MAX_PARTS: usize = 1000;

/// Within how many bytes the Content-Type of a message must begin.
const MAX_HEAD_BYTES: usize = 64 << 10;

const CONTENT_TYPE: &[u8] = b"content-type:";

/// Header fields and what follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MimeMessage {
    /// Names in lower case.
    fields: Vec<(String, String)>,
    /// Range of the body in the text.
    pub(crate) body: Range<usize>,
}

/// Why a text has no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MimeError {
    #[error("the Content-Type has no boundary")]
    NoBoundary,
    #[error("the boundary is nowhere in the text")]
    NoParts,
    #[error("more than {MAX_PARTS} parts")]
    TooMany,
}

/// True for a text that begins with header fields of a multipart message.
pub(crate) fn is_multipart(text: &[u8]) -> bool {
    // YAML looks like header fields as well, and collecting them would copy most of a config.
    if !has_content_type(text) {
        return false;
    }
    let message = message(text, 0..text.len());
    message.is_some_and(|message| message.media_type().starts_with("multipart/"))
}

/// The message that `text` is if it declares its MIME version and has no parts.
pub(crate) fn single_part(text: &[u8]) -> Option<MimeMessage> {
    if !has_content_type(text) {
        return None;
    }
    let whole = message(text, 0..text.len())?;
    let is_said = whole.field("mime-version").is_some();
    (is_said && !whole.media_type().starts_with("multipart/")).then_some(whole)
}

/// True if one of the lines before the first empty one is the Content-Type.
fn has_content_type(text: &[u8]) -> bool {
    let end = text.len().min(MAX_HEAD_BYTES);
    let mut at = 0;
    while at < end {
        let next = line_end(text, at, end);
        let line = trimmed(text.get(at..next).unwrap_or_default());
        let name = line.get(..CONTENT_TYPE.len()).unwrap_or_default();
        if line.is_empty() || name.eq_ignore_ascii_case(CONTENT_TYPE) {
            return !line.is_empty();
        }
        at = next;
    }
    false
}

/// The message at `range` of `text`; `None` if it does not begin with a header field.
pub(crate) fn message(text: &[u8], range: Range<usize>) -> Option<MimeMessage> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let next = line_end(text, at, range.end);
        let line = trimmed(text.get(at..next)?);
        if line.is_empty() {
            at = next;
            break;
        }
        let line = String::from_utf8_lossy(line);
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut()?;
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':')
            && is_field_name(name)
        {
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        } else if fields.is_empty() && line.starts_with("From ") {
            // The separator line of mbox files.
        } else {
            return None;
        }
        at = next;
    }
    (!fields.is_empty()).then_some(MimeMessage {
        fields,
        body: at..range.end,
    })
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The offset after the line at `at`.
fn line_end(text: &[u8], at: usize, end: usize) -> usize {
    let rest = text.get(at..end).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(end, |length| at + length + 1)
}

/// A line without its terminator.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl MimeMessage {
    /// The field called `name`, which is in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The type in lower case without parameters; empty if there is none.
    pub(crate) fn media_type(&self) -> String {
        let value = self.field("content-type").unwrap_or_default();
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }

    /// The file name of the part.
    pub(crate) fn file_name(&self) -> Option<String> {
        let disposition = self.field("content-disposition");
        let name = disposition.and_then(|value| parameter(value, "filename"));
        let kind = self.field("content-type");
        name.or_else(|| kind.and_then(|value| parameter(value, "name")))
    }

    /// The bytes of the body, decoded if they are base64.
    pub(crate) fn decoded<'t>(&self, text: &'t [u8]) -> Result<Cow<'t, [u8]>, packed::UnpackError> {
        let body = text.get(self.body.clone()).unwrap_or_default();
        let encoding = self.field("content-transfer-encoding").unwrap_or_default();
        match encoding.trim().eq_ignore_ascii_case("base64") {
            true => packed::base64(body).map(Cow::Owned),
            false => Ok(Cow::Borrowed(body)),
        }
    }

    /// Like [`MimeMessage::decoded`], but decodes quoted-printable as well.
    pub(crate) fn decoded_fully<'t>(
        &self,
        text: &'t [u8],
    ) -> Result<Cow<'t, [u8]>, packed::UnpackError> {
        let encoding = self.field("content-transfer-encoding").unwrap_or_default();
        if !encoding.trim().eq_ignore_ascii_case("quoted-printable") {
            return self.decoded(text);
        }
        let body = text.get(self.body.clone()).unwrap_or_default();
        Ok(Cow::Owned(quoted_printable(body)))
    }

    /// The parts of a multipart message. A part without fields has the whole of itself as its body.
    pub(crate) fn parts(&self, text: &[u8]) -> Result<Vec<MimeMessage>, MimeError> {
        let kind = self.field("content-type").unwrap_or_default();
        let boundary = parameter(kind, "boundary").filter(|boundary| !boundary.is_empty());
        let delimiter = format!("--{}", boundary.ok_or(MimeError::NoBoundary)?);
        let mut parts = Vec::new();
        let mut begin: Option<usize> = None;
        let mut at = self.body.start;
        while at < self.body.end {
            let next = line_end(text, at, self.body.end);
            let line = trimmed(text.get(at..next).unwrap_or_default()).trim_ascii_end();
            let rest = line.strip_prefix(delimiter.as_bytes());
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || *rest == b"--") {
                if let Some(begin) = begin {
                    parts.push(parse_part(text, begin..without_line_end(text, begin, at)));
                }
                if parts.len() > MAX_PARTS {
                    return Err(MimeError::TooMany);
                }
                begin = Some(next);
                if rest == b"--" {
                    return Ok(parts);
                }
            }
            at = next;
        }
        // The closing boundary is missing: the rest is the last part.
        let begin = begin.ok_or(MimeError::NoParts)?;
        parts.push(parse_part(text, begin..self.body.end));
        Ok(parts)
    }
}

/// Decodes quoted-printable. A `=` that does not begin an escape is kept.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (before, escape) = rest.split_at(at);
        plain.extend_from_slice(before);
        rest = match escape {
            // A soft line break.
            [_, b'\n', after @ ..] | [_, b'\r', b'\n', after @ ..] => after,
            [sign, after @ ..] => match escaped(after) {
                Some(byte) => {
                    plain.push(byte);
                    after.get(2..).unwrap_or_default()
                }
                None => {
                    plain.push(*sign);
                    after
                }
            },
            [] => escape,
        };
    }
    plain.extend_from_slice(rest);
    plain
}

/// The byte encoded by the two hexadecimal digits at the beginning of `text`.
fn escaped(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..2)?).ok()?;
    let is_plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

fn parse_part(text: &[u8], range: Range<usize>) -> MimeMessage {
    let first = text.get(range.start).copied();
    // It begins with an empty line, so it has no fields.
    let has_fields = !matches!(first, Some(b'\n' | b'\r') | None);
    let found = message(text, range.clone()).filter(|_| has_fields);
    found.unwrap_or_else(|| {
        let end = line_end(text, range.start, range.end);
        let is_empty_line = trimmed(text.get(range.start..end).unwrap_or_default()).is_empty();
        MimeMessage {
            fields: Vec::new(),
            body: if is_empty_line { end..range.end } else { range },
        }
    })
}

/// `end` without the line end before it, which belongs to the boundary.
fn without_line_end(text: &[u8], begin: usize, end: usize) -> usize {
    let body = text.get(begin..end).unwrap_or_default();
    begin + trimmed(body).len()
}

/// The parameter `name` of a field.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (found, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found.trim().to_owned());
        }
        rest = tail.split_once(';')?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_bodies_and_offsets() {
        let text = b"Content-Type: multipart/mixed;\n boundary=\"X Y\"\nMIME-Version: 1.0\n\n\
            preamble\n--X Y\nContent-Type: text/x-shellscript; charset=\"utf-8\"\n\
            Content-Disposition: attachment; filename=\"s.sh\"\n\n#!/bin/sh\n\n--X Y\r\n\
            Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n--X Y\n\nplain\n--X Y--\nrest\n";
        assert!(is_multipart(text));
        let outer = message(text, 0..text.len()).unwrap();
        let parts = outer.parts(text).unwrap();
        let bodies: Vec<_> = parts.iter().map(|p| p.decoded(text).unwrap()).collect();
        assert_eq!(bodies, [&b"#!/bin/sh\n"[..], b"hi", b"plain"]);
        assert_eq!(parts[0].media_type(), "text/x-shellscript");
        assert_eq!(parts[0].file_name().as_deref(), Some("s.sh"));
        assert!(text[parts[0].body.start..].starts_with(b"#!/bin/sh"));
    }

    #[test]
    fn quoted_printable_is_decoded() {
        let text = b"Content-Transfer-Encoding: Quoted-Printable\n\na=3Db =C3=a9=\r\nc=\nd=x =+1==";
        let whole = message(text, 0..text.len()).unwrap();
        let plain = whole.decoded_fully(text).unwrap();
        assert_eq!(&*plain, "a=b \u{e9}cd=x =+1==".as_bytes());
        assert_eq!(&*whole.decoded(text).unwrap(), &text[whole.body.clone()]);
    }

    #[test]
    fn what_is_no_message() {
        for text in [
            &b"hostname: a\n- b\n"[..],
            b"#cloud-config\n",
            b"",
            b"\n",
            b"a",
        ] {
            assert!(!is_multipart(text), "{text:?}");
            assert_eq!(single_part(text), None, "{text:?}");
        }
        let parts = |text: &[u8]| message(text, 0..text.len()).unwrap().parts(text);
        assert_eq!(
            parts(b"content-type: multipart/mixed\n\n"),
            Err(MimeError::NoBoundary)
        );
        assert_eq!(
            parts(b"content-type: multipart/mixed; boundary=x\n\nabc"),
            Err(MimeError::NoParts)
        );
        let open = b"content-type: multipart/mixed; boundary=x\n\n--x\n\nabc";
        assert_eq!(parts(open).map(|parts| parts.len()), Ok(1));
    }
}
