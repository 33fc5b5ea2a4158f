//! Lines inside brackets and quotes that are indented less than what they are part of.
//!
//! YAML does not allow them, but the parsers that the languages were made for do. Blanks at the beginning of such a line
//! mean nothing, so the parser gets it with more of them.

use saphyr_parser::{Event, Marker};
use std::borrow::Cow;

/// Where a text is indented too little: the numbers of the lines, from 1.
pub(super) type OutdentedLines = std::ops::RangeInclusive<usize>;

/// The lines that the parser refused with the message `info` at `mark`, which is at `offset` of `body`.
pub(super) fn lines_of(
    info: &str,
    mark: &Marker,
    offset: usize,
    body: &str,
) -> Option<OutdentedLines> {
    let line = mark.line();
    match info {
        // In blocks, fewer blanks end the block, so the first two are about lines in brackets. The third one is about a
        // tab in quotes.
        "invalid indentation"
        | "invalid indentation in flow construct"
        | "tab cannot be used as indentation" => Some(line..=line),
        "invalid indentation in quoted scalar" => {
            let quoted = body.get(offset..)?;
            let length = quoted_length(quoted)?;
            let line_ends = quoted.get(..length)?.matches('\n').count();
            Some(line + 1..=line + line_ends)
        }
        _ => None,
    }
}

/// The length of the quoted scalar that `text` begins with.
fn quoted_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote == b'"' => at += 2,
            byte if byte != quote => at += 1,
            _ if quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// Blanks before some lines of a text.
#[derive(Debug)]
pub(super) struct Padding {
    /// Numbers of these lines, in order.
    lines: Vec<usize>,
    width: usize,
}

impl Padding {
    /// None yet, but wide enough for every line of `body`.
    pub(super) fn for_text(body: &str) -> Self {
        let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-', '?']).len();
        let widest = body.lines().map(indent).max();
        Padding {
            lines: Vec::new(),
            width: widest.unwrap_or(0) + 1,
        }
    }

    /// Adds lines of `body`. False if that changes nothing, or if one of them ends the document.
    pub(super) fn add(&mut self, lines: OutdentedLines, body: &str) -> bool {
        let known = self.lines.len();
        let texts = body.split('\n').zip(1..);
        for (text, number) in texts.filter(|(_, number)| lines.contains(number)) {
            let rest = text
                .strip_prefix("---")
                .or_else(|| text.strip_prefix("..."));
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r'])) {
                return false;
            }
            if let Err(index) = self.lines.binary_search(&number) {
                self.lines.insert(index, number);
            }
        }
        self.lines.len() > known
    }

    /// `body` with these blanks.
    pub(super) fn apply(&self, body: &str) -> String {
        let blanks = " ".repeat(self.width);
        let mut out = String::with_capacity(body.len() + self.lines.len() * self.width);
        for (text, number) in body.split_inclusive('\n').zip(1..) {
            if self.lines.binary_search(&number).is_ok() {
                out.push_str(&blanks);
            }
            out.push_str(text);
        }
        out
    }

    /// Column and index of `mark`, which is in the text with these blanks, in the text without them.
    pub(super) fn without(&self, mark: &Marker) -> (usize, usize) {
        let before = self.lines.partition_point(|line| *line < mark.line());
        let own = match self.lines.get(before) == Some(&mark.line()) {
            true => self.width.min(mark.col()),
            false => 0,
        };
        let index = mark.index().saturating_sub(before * self.width + own);
        (mark.col() - own, index)
    }
}

/// An event that does not refer to the text it was read from.
pub(super) fn owned<'t>(event: Event<'_>) -> Event<'t> {
    match event {
        Event::Scalar(text, style, anchor, tag) => Event::Scalar(
            Cow::Owned(text.into_owned()),
            style,
            anchor,
            tag.map(|tag| Cow::Owned(tag.into_owned())),
        ),
        Event::SequenceStart(anchor, tag) => {
            Event::SequenceStart(anchor, tag.map(|tag| Cow::Owned(tag.into_owned())))
        }
        Event::MappingStart(anchor, tag) => {
            Event::MappingStart(anchor, tag.map(|tag| Cow::Owned(tag.into_owned())))
        }
        Event::Nothing => Event::Nothing,
        Event::StreamStart => Event::StreamStart,
        Event::StreamEnd => Event::StreamEnd,
        Event::DocumentStart(is_explicit) => Event::DocumentStart(is_explicit),
        Event::DocumentEnd => Event::DocumentEnd,
        Event::Alias(anchor) => Event::Alias(anchor),
        Event::SequenceEnd => Event::SequenceEnd,
        Event::MappingEnd => Event::MappingEnd,
    }
}
