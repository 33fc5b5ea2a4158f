//! A fast reader for the YAML that most configs use: block mappings and lists, plain and quoted scalars on one line,
//! literal blocks.
//!
//! This is not a second opinion on YAML. Anything less simple (anchors, tags, flow collections, multi-line scalars,
//! absent values, tabs, errors of any kind) makes it give up, and the text is read by the real parser instead.

use crate::language::base64_url::url_len;
use memchr::{memchr, memchr2, memchr3};
use std::borrow::Cow;

/// A part of a text, in order, with offsets in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum YamlEvent<'t> {
    /// A list begins.
    List(usize),
    /// A mapping begins at its first key.
    Mapping(usize),
    /// The innermost list or mapping ends.
    End,
    /// A key, or a value.
    Scalar {
        /// Its offset.
        at: usize,
        /// Without quotes, indentation and escapes.
        text: Cow<'t, str>,
        /// True if it is neither quoted nor a block.
        is_plain: bool,
    },
}

/// Longer keys are not simple keys in YAML.
const MAX_KEY_BYTES: usize = 1000;

/// The first byte of a byte order mark and of some other characters.
const BYTE_ORDER_MARK: u8 = 0xef;

/// Passes the parts of `text` to `emit`. `None` if the text is not that simple or `emit` returns `None`; what was
/// passed must be discarded then.
pub(super) fn read<'t>(
    text: &'t str,
    emit: &mut dyn FnMut(YamlEvent<'t>) -> Option<()>,
) -> Option<()> {
    if !text.ends_with('\n') {
        return None;
    }
    let mut reader = SimpleYamlReader {
        text,
        at: 0,
        open: Vec::new(),
        is_value_next: false,
        is_begun: false,
        emit,
    };
    while reader.at < text.len() {
        reader.read_line()?;
    }
    reader.end()
}

/// A list or mapping that has begun.
struct OpenBlock {
    column: usize,
    is_list: bool,
}

struct SimpleYamlReader<'t, 'f> {
    text: &'t str,
    at: usize,
    open: Vec<OpenBlock>,
    /// True if the value of the last key is on the following lines.
    is_value_next: bool,
    is_begun: bool,
    emit: &'f mut dyn FnMut(YamlEvent<'t>) -> Option<()>,
}

impl<'t> SimpleYamlReader<'t, '_> {
    fn byte(&self, ahead: usize) -> u8 {
        let byte = self.text.as_bytes().get(self.at + ahead);
        byte.copied().unwrap_or(b'\n')
    }

    fn skip_spaces(&mut self) -> usize {
        let start = self.at;
        while self.byte(0) == b' ' {
            self.at += 1;
        }
        self.at - start
    }

    /// Skips the rest of the line. `None` if it has characters that only the real parser handles.
    fn skip_line(&mut self) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = memchr(b'\n', rest)?;
        self.at += length + 1;
        is_ordinary(rest.get(..length)?).then_some(())
    }

    /// Skips the rest of the line, which may only be a comment.
    fn end_line(&mut self) -> Option<()> {
        let spaces = self.skip_spaces();
        let is_end = self.byte(0) == b'\n' || self.byte(0) == b'#' && spaces > 0;
        is_end.then(|| self.skip_line())?
    }

    fn read_line(&mut self) -> Option<()> {
        let column = self.skip_spaces();
        match (self.byte(0), self.byte(1)) {
            (b'\n', _) => self.at += 1,
            (b'#', _) => self.skip_line()?,
            (b'-', b' ') => {
                self.enter_collection(column, true)?;
                self.read_entry(column)?;
            }
            _ => {
                self.enter_collection(column, false)?;
                self.read_key()?;
            }
        }
        Some(())
    }

    /// Continues the collection that an entry at `column` belongs to, or begins it.
    fn enter_collection(&mut self, column: usize, is_list: bool) -> Option<()> {
        while let Some(top) = self.open.last() {
            let is_inside = column > top.column
                // Lists need not be indented.
                || column == top.column && is_list && !top.is_list;
            if is_inside {
                return match self.is_value_next {
                    true => self.begin(column, is_list, column == top.column),
                    false => None,
                };
            }
            if self.is_value_next {
                return None;
            }
            if column == top.column && is_list == top.is_list {
                return Some(());
            }
            self.open.pop();
            (self.emit)(YamlEvent::End)?;
        }
        match self.is_begun {
            true => None,
            false => self.begin(column, is_list, false),
        }
    }

    fn begin(&mut self, column: usize, is_list: bool, is_flush: bool) -> Option<()> {
        self.is_begun = true;
        self.is_value_next = false;
        self.open.push(OpenBlock { column, is_list });
        if !is_list {
            return (self.emit)(YamlEvent::Mapping(self.at));
        }
        // The offset of a list that is not indented is that of its first element.
        let after = self.text.get(self.at + 1..)?;
        let spaces = after.bytes().position(|byte| byte != b' ')?;
        let first = self.at + 1 + spaces;
        (self.emit)(YamlEvent::List(if is_flush { first } else { self.at }))
    }

    /// Reads an element of a list, beginning at its dash.
    fn read_entry(&mut self, column: usize) -> Option<()> {
        self.at += 1;
        let column = column + 1 + self.skip_spaces();
        match self.key_length() {
            Some(_) => {
                self.open.push(OpenBlock {
                    column,
                    is_list: false,
                });
                (self.emit)(YamlEvent::Mapping(self.at))?;
                self.read_key()
            }
            None => self.read_value(),
        }
    }

    /// The length of the key at this offset.
    fn key_length(&self) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let is_key_byte =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
        let length = rest.iter().position(|byte| !is_key_byte(byte))?;
        let is_key = rest.first()?.is_ascii_alphanumeric()
            && length < MAX_KEY_BYTES
            && rest.get(length) == Some(&b':')
            && matches!(rest.get(length + 1), Some(b' ' | b'\n'));
        is_key.then_some(length)
    }

    /// Reads a key and, if it is on the same line, its value.
    fn read_key(&mut self) -> Option<()> {
        let length = self.key_length()?;
        self.emit_scalar(
            self.at,
            Cow::Borrowed(self.text.get(self.at..self.at + length)?),
            true,
        )?;
        self.at += length + 1;
        let spaces = self.skip_spaces();
        match self.byte(0) {
            b'\n' => self.is_value_next = true,
            b'#' if spaces > 0 => self.is_value_next = true,
            _ => return self.read_value(),
        }
        self.skip_line()
    }

    fn emit_scalar(&mut self, at: usize, text: Cow<'t, str>, is_plain: bool) -> Option<()> {
        (self.emit)(YamlEvent::Scalar { at, text, is_plain })
    }

    fn read_value(&mut self) -> Option<()> {
        match self.byte(0) {
            b'"' => self.read_double_quoted(),
            b'\'' => self.read_single_quoted(),
            b'|' => self.read_literal(),
            first
                if first.is_ascii_alphanumeric()
                    || matches!(first, b'/' | b'.' | b'_' | b'~' | b'+' | b'$' | b'(') =>
            {
                self.read_plain()
            }
            _ => None,
        }
    }

    fn read_plain(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_line()?;
        let line = self.text.get(start..self.at - 1)?;
        let text = line.split_once(" #").map_or(line, |(text, _)| text);
        let text = text.trim_end_matches(' ');
        let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_printable || text.contains(": ") || text.ends_with(':') {
            return None;
        }
        self.emit_scalar(start, Cow::Borrowed(text), true)
    }

    fn read_single_quoted(&mut self) -> Option<()> {
        let start = self.at;
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.text.get(self.at..)?;
            let length = memchr2(b'\'', b'\n', rest.as_bytes())?;
            append(&mut text, rest.get(..length)?);
            self.at += length;
            match (self.byte(0), self.byte(1)) {
                (b'\'', b'\'') => text.to_mut().push('\''),
                (b'\'', _) => break,
                _ => return None,
            }
            self.at += 2;
        }
        self.at += 1;
        self.emit_quoted(start, text)
    }

    fn read_double_quoted(&mut self) -> Option<()> {
        let start = self.at;
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.text.get(self.at..)?;
            let length = memchr3(b'"', b'\\', b'\n', rest.as_bytes())?;
            append(&mut text, rest.get(..length)?);
            self.at += length;
            match self.byte(0) {
                b'"' => break,
                b'\\' => {
                    if let Cow::Borrowed(begin) = text {
                        text = Cow::Owned(self.with_line_capacity(begin));
                    }
                    text.to_mut().push(self.read_escape()?);
                }
                _ => return None,
            }
        }
        self.at += 1;
        self.emit_quoted(start, text)
    }

    /// Copies `begin` to a string with capacity for the rest of the line, and for all of it in base64, so that it is
    /// not reallocated.
    fn with_line_capacity(&self, begin: &str) -> String {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = memchr(b'\n', rest).unwrap_or_default();
        let mut text = String::with_capacity(url_len(begin.len() + length));
        text.push_str(begin);
        text
    }

    /// Emits a quoted scalar that ends here.
    fn emit_quoted(&mut self, start: usize, text: Cow<'t, str>) -> Option<()> {
        if !is_ordinary(self.text.as_bytes().get(start..self.at)?) {
            return None;
        }
        self.emit_scalar(start, text, false)?;
        self.end_line()
    }

    fn read_escape(&mut self) -> Option<char> {
        let digits = match self.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            byte => {
                self.at += 2;
                return Some(match byte {
                    b'"' | b'\\' | b'/' | b' ' => char::from(byte),
                    b'n' => '\n',
                    b't' => '\t',
                    b'r' => '\r',
                    b'0' => '\0',
                    b'e' => '\u{1b}',
                    _ => return None,
                });
            }
        };
        let digits = self.text.get(self.at + 2..self.at + 2 + digits)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 2 + digits.len();
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    }

    /// Reads a literal block.
    fn read_literal(&mut self) -> Option<()> {
        let start = self.at;
        self.at += 1;
        let chomping = self.byte(0);
        if matches!(chomping, b'-' | b'+') {
            self.at += 1;
        }
        self.end_line()?;
        let outside = self.open.last().map_or(0, |open| open.column);
        let first = self.at;
        let column = self.skip_spaces();
        self.at = first;
        // Leading empty lines, blocks without lines and tabs are not that simple.
        if column <= outside || matches!(self.byte(column), b'\n' | b'\t') {
            return None;
        }
        let mut text = String::new();
        // Line ends after the last line that is not empty.
        let mut ends = 0;
        while self.at < self.text.len() {
            let line = self.at;
            let spaces = self.skip_spaces().min(column);
            self.at = line + spaces;
            let is_end = self.byte(0) == b'\n';
            if spaces < column && !is_end {
                if self.byte(0) == b'\t' {
                    return None;
                }
                self.at = line;
                break;
            }
            let begin = self.at;
            self.skip_line()?;
            if !is_end {
                text.extend(std::iter::repeat_n('\n', ends));
                ends = 0;
                text.push_str(self.text.get(begin..self.at - 1)?);
            }
            ends += 1;
        }
        match chomping {
            b'-' => {}
            b'+' => text.extend(std::iter::repeat_n('\n', ends)),
            _ => text.push('\n'),
        }
        self.emit_scalar(start, Cow::Owned(text), false)
    }

    fn end(&mut self) -> Option<()> {
        if self.is_value_next || !self.is_begun {
            return None;
        }
        while self.open.pop().is_some() {
            (self.emit)(YamlEvent::End)?;
        }
        Some(())
    }
}

/// False if `text` may have line ends other than LF, a NUL, or a byte order mark.
fn is_ordinary(text: &[u8]) -> bool {
    memchr3(b'\r', b'\0', BYTE_ORDER_MARK, text).is_none()
}

/// Appends `more` to `text`, without copying if `text` is empty.
fn append<'t>(text: &mut Cow<'t, str>, more: &'t str) {
    match text {
        Cow::Borrowed("") => *text = Cow::Borrowed(more),
        _ => text.to_mut().push_str(more),
    }
}
