//! Files with the same content: fetched once, copied for the others.
//!
//! A file that has been written belongs to the owner in the config, who may change it at any time. So what is copied is
//! compared with what was written.

use super::{Context, ranges};
use crate::fetch::FetchEvents;
use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::{Mutex, PoisonError};

type FileDigest = [u8; 32];

/// Digests of the files that others are copied from, by path.
#[derive(Debug, Default)]
pub struct Copies(Mutex<HashMap<String, FileDigest>>);

impl Copies {
    pub(super) fn record(&self, path: &str, sum: FileDigest) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.insert(path.to_owned(), sum);
    }

    fn digest(&self, path: &str) -> Option<FileDigest> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.get(path).copied()
    }
}

/// Passes bytes on and computes their digest.
pub(super) struct DigestWriter<'f> {
    file: &'f mut File,
    sum: Sha256,
}

impl<'f> DigestWriter<'f> {
    pub(super) fn new(file: &'f mut File) -> Self {
        Self {
            file,
            sum: Sha256::new(),
        }
    }

    pub(super) fn digest(self) -> FileDigest {
        self.sum.finalize().into()
    }
}

impl Write for DigestWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Appends the content of a file of the target that has been written before. Returns `None` and appends nothing if it
/// has changed since.
pub(super) fn copy(path: &str, to: &mut File, context: &Context) -> anyhow::Result<Option<u64>> {
    let Some(sum) = context.copies.digest(path) else {
        return Ok(None);
    };
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
    match context.root.open_file(path, flags) {
        Ok(Some((written, _))) => copy_if_same(&written, to, sum, context.events),
        _ => Ok(None),
    }
}

fn copy_if_same(
    from: &File,
    to: &mut File,
    sum: FileDigest,
    events: &dyn FetchEvents,
) -> anyhow::Result<Option<u64>> {
    let start = to.stream_position()?;
    let mut sink = DigestWriter::new(to);
    // Including its holes, if it has any: the digest is that of all bytes.
    let bytes = ranges::copy_bytes(from, &mut sink, u64::MAX, events)?;
    if sink.digest() == sum {
        return Ok(Some(bytes));
    }
    to.set_len(start)?;
    to.seek(io::SeekFrom::Start(start))?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn nothing_is_left_of_a_copy_of_a_changed_file() {
        let mut to = tempfile::tempfile().expect("a file");
        to.write_all(b"before ").expect("written");
        for (content, expected) in [("EVIL", None), ("good", Some(4))] {
            let mut from = tempfile::tempfile().expect("a file");
            from.write_all(content.as_bytes()).expect("written");
            from.rewind().expect("rewound");
            let sum = Sha256::digest("good").into();
            let copied = copy_if_same(&from, &mut to, sum, &crate::fetch::Silent);
            assert_eq!(copied.expect("copied"), expected);
        }
        let mut text = String::new();
        to.rewind().expect("rewound");
        to.read_to_string(&mut text).expect("read");
        assert_eq!(text, "before good");
    }
}
