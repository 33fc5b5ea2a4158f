//! Converts byte offsets to lines and columns.

use super::finding::Position;
use std::ops::Range;

/// Where the lines of a text begin.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Offset of the byte after each LF.
    starts: Vec<u32>,
}

impl Lines {
    pub(crate) fn of(text: &[u8]) -> Self {
        Lines {
            starts: memchr::memchr_iter(b'\n', text)
                .map(|at| offset(at + 1))
                .collect(),
        }
    }

    /// The bytes of a line, counted from 1 and without its LF, in a text of `length` bytes.
    pub(crate) fn line(&self, number: usize, length: usize) -> Option<Range<usize>> {
        let start = match number.checked_sub(1)? {
            0 => 0,
            before => *self.starts.get(before - 1)? as usize,
        };
        let next = self.starts.get(number - 1);
        Some(start..next.map_or(length, |next| *next as usize - 1))
    }

    /// Line and column of a byte, both 1-based.
    pub(crate) fn position(&self, offset: u32) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).map_or(0, |i| self.starts[i]);
        Position {
            line: saturating(line + 1),
            column: offset - start + 1,
        }
    }
}

/// A byte offset as it is stored. Texts of 4 GiB and more are rejected before they get here.
pub(crate) fn offset(at: usize) -> u32 {
    saturating(at)
}

fn saturating(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions() {
        let lines = Lines::of(b"ab\n\ncd\r\ne");
        let cases = [
            (0, 1, 1),
            (2, 1, 3),
            (3, 2, 1),
            (4, 3, 1),
            (6, 3, 3),
            (8, 4, 1),
            (9, 4, 2),
        ];
        for (offset, line, column) in cases {
            assert_eq!(
                lines.position(offset),
                Position { line, column },
                "{offset}"
            );
        }
        let found = (0..=5).map(|number| lines.line(number, 9));
        let lines = [None, Some(0..2), Some(3..3), Some(4..7), Some(8..9), None];
        assert_eq!(found.collect::<Vec<_>>(), lines);
    }
}
