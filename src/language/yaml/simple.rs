//! YAML as configs mostly have it, read fast: block mappings and lists, scalars without and in quotes on one line,
//! literal blocks.
//!
//! This is not a second opinion on YAML. Whatever is not as simple as that (anchors, tags, flow collections, scalars over
//! several lines, absent values, tabs, errors of any kind) ends it, and the text is read by the real parser instead.

use crate::language::base64_url::url_bytes;
use memchr::{memchr, memchr2, memchr3};
use std::borrow::Cow;

/// What a text is made of, in its order, with offsets in bytes.
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
        /// Where it is written.
        at: usize,
        /// Without quotes, indentation and escapes.
        text: Cow<'t, str>,
        /// It is not in quotes and no block.
        is_plain: bool,
    },
}

/// Longer keys are not simple keys in YAML.
const MAX_KEY: usize = 1000;

/// The first byte of a byte order mark and of some other characters.
const BYTE_ORDER_MARK: u8 = 0xef;

/// Gives the parts of `text` to `take`. `None` if the text is not that simple or `take` gives `None`; what was given is
/// to be forgotten then.
pub(super) fn read<'t>(
    text: &'t str,
    take: &mut dyn FnMut(YamlEvent<'t>) -> Option<()>,
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
        take,
    };
    while reader.at < text.len() {
        reader.line()?;
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
    /// The value of the last key is on the lines that follow.
    is_value_next: bool,
    is_begun: bool,
    take: &'f mut dyn FnMut(YamlEvent<'t>) -> Option<()>,
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

    /// Behind the end of the line, if nothing in the rest of it has a meaning of its own.
    fn skip_line(&mut self) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = memchr(b'\n', rest)?;
        self.at += length + 1;
        is_ordinary(rest.get(..length)?).then_some(())
    }

    /// Nothing more on this line but a comment.
    fn end_line(&mut self) -> Option<()> {
        let spaces = self.skip_spaces();
        let is_end = self.byte(0) == b'\n' || self.byte(0) == b'#' && spaces > 0;
        is_end.then(|| self.skip_line())?
    }

    fn line(&mut self) -> Option<()> {
        let column = self.skip_spaces();
        match (self.byte(0), self.byte(1)) {
            (b'\n', _) => self.at += 1,
            (b'#', _) => self.skip_line()?,
            (b'-', b' ') => {
                self.collection(column, true)?;
                self.entry(column)?;
            }
            _ => {
                self.collection(column, false)?;
                self.key()?;
            }
        }
        Some(())
    }

    /// Goes on with the collection that something at `column` belongs to, or begins it.
    fn collection(&mut self, column: usize, is_list: bool) -> Option<()> {
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
            (self.take)(YamlEvent::End)?;
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
            return (self.take)(YamlEvent::Mapping(self.at));
        }
        // The place of a list that is not indented is its first element.
        let behind = self.text.get(self.at + 1..)?;
        let spaces = behind.bytes().position(|byte| byte != b' ')?;
        let first = self.at + 1 + spaces;
        (self.take)(YamlEvent::List(if is_flush { first } else { self.at }))
    }

    /// An element of a list, at its dash.
    fn entry(&mut self, column: usize) -> Option<()> {
        self.at += 1;
        let column = column + 1 + self.skip_spaces();
        match self.key_length() {
            Some(_) => {
                self.open.push(OpenBlock {
                    column,
                    is_list: false,
                });
                (self.take)(YamlEvent::Mapping(self.at))?;
                self.key()
            }
            None => self.value(),
        }
    }

    /// The length of the key that is here.
    fn key_length(&self) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let is_of_key =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
        let length = rest.iter().position(|byte| !is_of_key(byte))?;
        let is_key = rest.first()?.is_ascii_alphanumeric()
            && length < MAX_KEY
            && rest.get(length) == Some(&b':')
            && matches!(rest.get(length + 1), Some(b' ' | b'\n'));
        is_key.then_some(length)
    }

    /// A key and, if it is on the same line, its value.
    fn key(&mut self) -> Option<()> {
        let length = self.key_length()?;
        self.scalar(
            self.at,
            Cow::Borrowed(self.text.get(self.at..self.at + length)?),
            true,
        )?;
        self.at += length + 1;
        let spaces = self.skip_spaces();
        match self.byte(0) {
            b'\n' => self.is_value_next = true,
            b'#' if spaces > 0 => self.is_value_next = true,
            _ => return self.value(),
        }
        self.skip_line()
    }

    fn scalar(&mut self, at: usize, text: Cow<'t, str>, is_plain: bool) -> Option<()> {
        (self.take)(YamlEvent::Scalar { at, text, is_plain })
    }

    fn value(&mut self) -> Option<()> {
        match self.byte(0) {
            b'"' => self.double_quoted(),
            b'\'' => self.single_quoted(),
            b'|' => self.literal(),
            first
                if first.is_ascii_alphanumeric()
                    || matches!(first, b'/' | b'.' | b'_' | b'~' | b'+' | b'$' | b'(') =>
            {
                self.plain()
            }
            _ => None,
        }
    }

    fn plain(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_line()?;
        let line = self.text.get(start..self.at - 1)?;
        let text = line.split_once(" #").map_or(line, |(text, _)| text);
        let text = text.trim_end_matches(' ');
        let is_printed = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_printed || text.contains(": ") || text.ends_with(':') {
            return None;
        }
        self.scalar(start, Cow::Borrowed(text), true)
    }

    fn single_quoted(&mut self) -> Option<()> {
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
        self.quoted(start, text)
    }

    fn double_quoted(&mut self) -> Option<()> {
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
                        text = Cow::Owned(self.with_room_for_line(begin));
                    }
                    text.to_mut().push(self.escaped()?);
                }
                _ => return None,
            }
        }
        self.at += 1;
        self.quoted(start, text)
    }

    /// Copies `begin` to a string with room for the rest of the line, and for all of it in base64, so that it is not
    /// reallocated.
    fn with_room_for_line(&self, begin: &str) -> String {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = memchr(b'\n', rest).unwrap_or_default();
        let mut text = String::with_capacity(url_bytes(begin.len() + length));
        text.push_str(begin);
        text
    }

    /// A scalar in quotes that has ended here.
    fn quoted(&mut self, start: usize, text: Cow<'t, str>) -> Option<()> {
        if !is_ordinary(self.text.as_bytes().get(start..self.at)?) {
            return None;
        }
        self.scalar(start, text, false)?;
        self.end_line()
    }

    fn escaped(&mut self) -> Option<char> {
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

    /// A block of lines.
    fn literal(&mut self) -> Option<()> {
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
        // Empty lines in front, blocks without lines and tabs are not that simple.
        if column <= outside || matches!(self.byte(column), b'\n' | b'\t') {
            return None;
        }
        let mut text = String::new();
        // Line ends behind the last line with something on it.
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
        self.scalar(start, Cow::Owned(text), false)
    }

    fn end(&mut self) -> Option<()> {
        if self.is_value_next || !self.is_begun {
            return None;
        }
        while self.open.pop().is_some() {
            (self.take)(YamlEvent::End)?;
        }
        Some(())
    }
}

/// False if there may be line ends other than LF, the end of a text, or a byte order mark in it.
fn is_ordinary(text: &[u8]) -> bool {
    memchr3(b'\r', b'\0', BYTE_ORDER_MARK, text).is_none()
}

/// Puts `more` behind `text`, without copying if it is the first.
fn append<'t>(text: &mut Cow<'t, str>, more: &'t str) {
    match text {
        Cow::Borrowed("") => *text = Cow::Borrowed(more),
        _ => text.to_mut().push_str(more),
    }
}
