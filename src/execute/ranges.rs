//! Copies files in chunks: a run that is interrupted ends between two of them.

use crate::fetch::FetchEvents;
use anyhow::ensure;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// How many bytes are copied between checks whether the run was interrupted.
const CHUNK_BYTES: u64 = 1 << 20;

/// Copies a file into an empty one, whose position is then its end. Holes of the first file are holes of the second.
///
/// # Errors
/// If the disk fails or is full, or the run was interrupted.
pub(super) fn copy(from: &File, to: &mut File, events: &dyn FetchEvents) -> anyhow::Result<()> {
    let mut at = 0;
    while let Some((start, end)) = next_range(from, at)? {
        to.seek(SeekFrom::Start(start))?;
        // If there is less, the file has shrunk.
        if copy_bytes(from, to, end - start, events)? < end - start {
            break;
        }
        at = end;
    }
    to.set_len(from.metadata()?.len())?;
    to.seek(SeekFrom::End(0))?;
    Ok(())
}

/// The next range of a file that may contain something other than zeros; sets the position of the file to its start.
fn next_range(file: &File, from: u64) -> anyhow::Result<Option<(u64, u64)>> {
    let offset = i64::try_from(from)?;
    let start = match lseek(file, offset, Whence::SeekData) {
        Ok(start) => start,
        // Only a hole is left, or nothing at all.
        Err(Errno::ENXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let end = match lseek(file, start, Whence::SeekHole) {
        // The file has shrunk.
        Err(Errno::ENXIO) => return Ok(None),
        other => other?,
    };
    lseek(file, start, Whence::SeekSet)?;
    Ok(Some((u64::try_from(start)?, u64::try_from(end)?)))
}

/// Copies up to `limit` bytes from the position of a file; returns how many there were.
///
/// # Errors
/// If the disk fails or is full, or the run was interrupted.
pub(super) fn copy_bytes(
    from: &File,
    to: &mut impl Write,
    limit: u64,
    events: &dyn FetchEvents,
) -> anyhow::Result<u64> {
    let mut copied = 0;
    loop {
        ensure!(!events.cancelled(), "the run was interrupted");
        let chunk = CHUNK_BYTES.min(limit - copied);
        // From file to file the kernel does this, and shares the blocks if it can.
        let bytes = io::copy(&mut from.take(chunk), to)?;
        copied += bytes;
        if bytes < chunk || copied == limit {
            return Ok(copied);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Silent;
    use std::cell::Cell;
    use std::os::unix::fs::{FileExt, MetadataExt};

    /// Reports at the third check that the run was interrupted.
    struct CancelledAtThirdCheck(Cell<u32>);

    impl FetchEvents for CancelledAtThirdCheck {
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
        let metadata = to.metadata().expect("there");
        assert_eq!(metadata.len(), (1 << 30) + 3);
        assert!(
            metadata.blocks() * 512 < 1 << 20,
            "{} blocks",
            metadata.blocks()
        );
        for (at, expected) in [(0, "begin"), (8 << 20, "middle"), (1 << 30, "end")] {
            let mut text = vec![0; expected.len()];
            to.read_exact_at(&mut text, at).expect("read");
            assert_eq!(text, expected.as_bytes());
        }
    }

    #[test]
    fn an_interrupted_run_copies_no_further() {
        let mut from = tempfile::tempfile().expect("a file");
        from.write_all(&vec![1; 4 << 20]).expect("written");
        let mut to = tempfile::tempfile().expect("a file");
        let error =
            copy(&from, &mut to, &CancelledAtThirdCheck(Cell::new(0))).expect_err("interrupted");
        assert_eq!(error.to_string(), "the run was interrupted");
        assert_eq!(to.metadata().expect("there").len(), 2 << 20);
    }
}
