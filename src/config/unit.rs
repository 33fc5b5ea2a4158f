//! Unit text: sections, options, comments, continued lines.
//!
//! Accepts what the reference implementation of the language accepts, down to its limit on line
//! length, which follows from a read buffer of 4096 bytes. [`Window`] models that buffer.

/// An option with its section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitOption {
    /// Text between the brackets, not trimmed.
    pub section: String,
    /// Text before `=`, trimmed; may be empty.
    pub name: String,
    /// Text after `=`, trimmed; continued lines are joined by LF and keep their backslash.
    pub value: String,
}

/// Why a text is not a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A `[` without `]`.
    #[error("a section header has no closing bracket")]
    NoEndOfSection,
    /// Something after the `]` of this section.
    #[error("text after the header of section `{0}`")]
    AfterSection(String),
    /// The line of this number, counted from 1, has no `=`.
    #[error("line {0} has no `=`")]
    NoEquals(usize),
    /// The last line is without `=`.
    #[error("the text ends in a line without `=`")]
    EndInName,
    /// A line of 2048 bytes or more.
    #[error("line too long, max 2048 bytes")]
    LineTooLong,
}

/// Lines of this length and longer ones are rejected.
const MAX_LINE_BYTES: usize = 2048;
/// The size of the buffer.
const WINDOW_BYTES: usize = 4096;

/// The options of a unit or drop-in, in order.
pub fn parse(text: &str) -> Result<Vec<UnitOption>, UnitError> {
    let mut parser = Parser {
        window: Window {
            text,
            at: 0,
            end: 0,
        },
        section: String::new(),
        options: vec![],
    };
    parser.skip_to_header()?;
    Ok(parser.options)
}

struct Parser<'t> {
    window: Window<'t>,
    section: String,
    options: Vec<UnitOption>,
}

impl Parser<'_> {
    /// Skips everything up to the first header; of that, only comments are parsed.
    fn skip_to_header(&mut self) -> Result<(), UnitError> {
        loop {
            self.window.check_line()?;
            match self.window.take_char() {
                None => return Ok(()),
                Some('[') => return self.parse_header(),
                Some('#' | ';') => self.skip_comment()?,
                Some(_) => {}
            }
        }
    }

    fn parse_header(&mut self) -> Result<(), UnitError> {
        loop {
            self.window.check_line()?;
            let name = self
                .window
                .take_until(b']')
                .ok_or(UnitError::NoEndOfSection)?;
            self.section = name.strip_suffix(']').unwrap_or(name).to_owned();
            self.window.check_line()?;
            if !self.window.take_line().trim().is_empty() {
                return Err(UnitError::AfterSection(std::mem::take(&mut self.section)));
            }
            if !self.parse_body()? {
                return Ok(());
            }
        }
    }

    /// Parses options up to the next header (true) or the end (false).
    fn parse_body(&mut self) -> Result<bool, UnitError> {
        loop {
            self.window.check_line()?;
            match self.window.peek_char() {
                None => return Ok(false),
                Some(c) if c.is_whitespace() => self.window.skip(c),
                Some('[') => {
                    self.window.skip('[');
                    return Ok(true);
                }
                Some(c @ ('#' | ';')) => {
                    self.window.skip(c);
                    self.skip_comment()?;
                }
                Some(_) => self.parse_option()?,
            }
        }
    }

    fn parse_option(&mut self) -> Result<(), UnitError> {
        self.window.check_line()?;
        let start = self.window.at;
        let end = loop {
            let end = self.window.at;
            match self.window.take_char() {
                Some('=') => break end,
                Some('\n' | '\r') => {
                    let before = self.window.text[..start].matches('\n').count();
                    return Err(UnitError::NoEquals(before + 1));
                }
                Some(_) => {}
                None => return Err(UnitError::EndInName),
            }
        };
        let name = self.window.text[start..end].trim().to_owned();
        let value = self.parse_value()?;
        self.options.push(UnitOption {
            section: self.section.clone(),
            name,
            value,
        });
        Ok(())
    }

    fn parse_value(&mut self) -> Result<String, UnitError> {
        let mut value = String::new();
        loop {
            self.window.check_line()?;
            let line = self.window.take_line();
            let line = line.strip_suffix('\n').unwrap_or(line);
            if line.trim().is_empty() {
                break;
            }
            value.push_str(line);
            if !line.ends_with('\\') {
                break;
            }
            value.push('\n');
        }
        Ok(value.trim().to_owned())
    }

    fn skip_comment(&mut self) -> Result<(), UnitError> {
        loop {
            self.window.check_line()?;
            let line = self.window.take_line();
            let line = line.strip_suffix('\n').unwrap_or(line);
            if !line.strip_suffix(' ').unwrap_or(line).ends_with('\\') {
                return Ok(());
            }
        }
    }
}

/// The unread part of the buffer: `text[at..end]`.
struct Window<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> Window<'t> {
    fn buffered(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..self.end]
    }

    fn fill(&mut self) {
        self.end = self.text.len().min(self.at + WINDOW_BYTES);
    }

    /// Fails if the buffered text does not end a line within the limit.
    fn check_line(&self) -> Result<(), UnitError> {
        match self.buffered().get(..MAX_LINE_BYTES) {
            Some(line) if !line.iter().any(|b| matches!(b, b'\n' | b'\r')) => {
                Err(UnitError::LineTooLong)
            }
            _ => Ok(()),
        }
    }

    fn peek_char(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        if self.end < self.at + c.len_utf8() {
            self.fill();
        }
        Some(c)
    }

    fn take_char(&mut self) -> Option<char> {
        let c = self.peek_char()?;
        self.skip(c);
        Some(c)
    }

    fn skip(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    /// Text up to and including the line end, or all that is left.
    fn take_line(&mut self) -> &'t str {
        let start = self.at;
        self.take_until(b'\n').unwrap_or(&self.text[start..])
    }

    /// Text up to and including `delimiter`. If there is none, everything is consumed.
    fn take_until(&mut self, delimiter: u8) -> Option<&'t str> {
        let start = self.at;
        loop {
            if let Some(i) = self.buffered().iter().position(|b| *b == delimiter) {
                self.at += i + 1;
                return Some(&self.text[start..self.at]);
            }
            if self.end == self.text.len() {
                self.at = self.end;
                return None;
            }
            if self.buffered().len() == WINDOW_BYTES {
                self.at = self.end;
            }
            self.fill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(String, String, String)> {
        let options = parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        options
            .into_iter()
            .map(|o| (o.section, o.name, o.value))
            .collect()
    }

    #[test]
    fn accepts() {
        type Triple = (&'static str, &'static str, &'static str);
        let cases: [(&str, &[Triple]); 19] = [
            ("", &[]),
            ("no sections at all", &[]),
            ("[A]", &[]),
            ("[A]\nb=c", &[("A", "b", "c")]),
            ("[A]\n b = c \n", &[("A", "b", "c")]),
            ("[A]\n=x", &[("A", "", "x")]),
            ("[A]\nb=", &[("A", "b", "")]),
            ("[A]\nb=c=d", &[("A", "b", "c=d")]),
            ("junk = 1\n[A]\nb=c", &[("A", "b", "c")]),
            ("[A]\n# x\n; y\nb=c", &[("A", "b", "c")]),
            ("[A]\n# x \\\nnot an option\nb=c", &[("A", "b", "c")]),
            ("[A]\n# x \\ \nskipped\nb=c", &[("A", "b", "c")]),
            ("# [ \\\n[A]\nb=c\n[B]\nd=e", &[("B", "d", "e")]),
            ("[A]\nb=c \\\n  d", &[("A", "b", "c \\\n  d")]),
            ("[A]\nb=c\\\n\nd=e", &[("A", "b", "c\\"), ("A", "d", "e")]),
            (
                "[A]\r\nb=c\r\n\r\nd=e\r\n",
                &[("A", "b", "c"), ("A", "d", "e")],
            ),
            ("[A\nB]\nc=d", &[("A\nB", "c", "d")]),
            ("[]\na=b", &[("", "a", "b")]),
            (
                "[A]\nb=c\n[B]\nb=d\n[A]\nb=e",
                &[("A", "b", "c"), ("B", "b", "d"), ("A", "b", "e")],
            ),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(s, n, v)| ((*s).to_owned(), (*n).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(options(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_carriage_return_hides_the_backslash() {
        let expected = vec![
            ("A".into(), "b".into(), "c\\".into()),
            ("A".into(), "d".into(), "e".into()),
        ];
        assert_eq!(options("[A]\nb=c\\\r\nd=e"), expected);
    }

    #[test]
    fn rejects() {
        let cases = [
            ("[A", UnitError::NoEndOfSection),
            ("junk[1", UnitError::NoEndOfSection),
            ("[A]b", UnitError::AfterSection("A".into())),
            ("junk[1] = x", UnitError::AfterSection("1".into())),
            ("[A]]", UnitError::AfterSection("A".into())),
            ("[A]\nb\nc=d", UnitError::NoEquals(2)),
            ("[A]\nb\r\n", UnitError::NoEquals(2)),
            ("[A]\nb", UnitError::EndInName),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn line_length() {
        let line = |n: usize| format!("[A]\nb={}\n", "x".repeat(n - 2));
        assert_eq!(options(&line(2047)).len(), 1);
        assert_eq!(parse(&line(2048)), Err(UnitError::LineTooLong));
        assert_eq!(
            parse(&format!("[A]\n#{}\n", "x".repeat(2048))),
            Err(UnitError::LineTooLong)
        );
        // Nothing is buffered yet when the first character is checked.
        assert_eq!(parse(&"x".repeat(2048)), Ok(vec![]));
        assert_eq!(parse(&"x".repeat(2049)), Err(UnitError::LineTooLong));
    }
}
