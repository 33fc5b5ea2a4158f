//! Copies files in pieces: a run that is interrupted ends between two of them.

use crate::fetch::FetchEvents;
use anyhow::ensure;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// How much is copied before it is asked whether the run goes on.
const PIECE_BYTES: u64 = 1 << 20;

/// Copies a file into an empty one, whose end is then the place to write at. What takes no room in the first (its holes)
/// takes none in the second.
///
/// # Errors
/// The disk failed, or is full, or the run was interrupted.
pub(super) fn copy(from: &File, to: &mut File, events: &dyn FetchEvents) -> anyhow::Result<()> {
    let mut at = 0;
    while let Some((start, end)) = next_range(from, at)? {
        to.seek(SeekFrom::Start(start))?;
        // It shrank if there is less.
        if pass(from, to, end - start, events)? < end - start {
            break;
        }
        at = end;
    }
    to.set_len(from.metadata()?.len())?;
    to.seek(SeekFrom::End(0))?;
    Ok(())
}

/// The next range of a file that may hold something other than zeros; leaves the position of the file at its beginning.
fn next_range(file: &File, from: u64) -> anyhow::Result<Option<(u64, u64)>> {
    let offset = i64::try_from(from)?;
    let start = match lseek(file, offset, Whence::SeekData) {
        Ok(start) => start,
        // Nothing but a hole is left, or nothing at all.
        Err(Errno::ENXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let end = match lseek(file, start, Whence::SeekHole) {
        // It shrank.
        Err(Errno::ENXIO) => return Ok(None),
        other => other?,
    };
    lseek(file, start, Whence::SeekSet)?;
    Ok(Some((u64::try_from(start)?, u64::try_from(end)?)))
}

/// Passes on what is at the position of a file, up to `limit` bytes; returns how many there were.
///
/// # Errors
/// The disk failed, or is full, or the run was interrupted.
pub(super) fn pass(
    from: &File,
    to: &mut impl Write,
    limit: u64,
    events: &dyn FetchEvents,
) -> anyhow::Result<u64> {
    let mut passed = 0;
    loop {
        ensure!(!events.cancelled(), "the run was interrupted");
        let piece = PIECE_BYTES.min(limit - passed);
        // From file to file the kernel does it, which shares the blocks where it can.
        let bytes = io::copy(&mut from.take(piece), to)?;
        passed += bytes;
        if bytes < piece || passed == limit {
            return Ok(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Silent;
    use std::cell::Cell;
    use std::os::unix::fs::{FileExt, MetadataExt};

    /// Says that the run is over when it is asked for the third time.
    struct Third(Cell<u32>);

    impl FetchEvents for Third {
        fn cancelled(&self) -> bool {
            self.0.set(self.0.get() + 1);
            self.0.get() == 3
        }
    }

    fn sparse() -> File {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(b"begin", 0).expect("written");
        file.write_all_at(b"middle", 8 << 20).expect("written");
        file.set_len(1 << 30).expect("a length");
        file
    }

    #[test]
    fn a_copy_has_the_holes_of_the_file() {
        let from = sparse();
        let mut to = tempfile::tempfile().expect("a file");
        copy(&from, &mut to, &Silent).expect("copied");
        to.write_all(b"end").expect("appended");
        let about = to.metadata().expect("there");
        assert_eq!(about.len(), (1 << 30) + 3);
        assert!(about.blocks() * 512 < 1 << 20, "{} blocks", about.blocks());
        for (at, want) in [(0, "begin"), (8 << 20, "middle"), (1 << 30, "end")] {
            let mut text = vec![0; want.len()];
            to.read_exact_at(&mut text, at).expect("read");
            assert_eq!(text, want.as_bytes());
        }
    }

    #[test]
    fn an_interrupted_run_copies_no_further() {
        let mut from = tempfile::tempfile().expect("a file");
        from.write_all(&vec![1; 4 << 20]).expect("written");
        let mut to = tempfile::tempfile().expect("a file");
        let error = copy(&from, &mut to, &Third(Cell::new(0))).expect_err("interrupted");
        assert_eq!(error.to_string(), "the run was interrupted");
        assert_eq!(to.metadata().expect("there").len(), 2 << 20);
    }
}
