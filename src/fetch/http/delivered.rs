//! The part of a body that was already written to the sink.

use crate::fetch::pipeline::BodyError;
use std::io::{self, Read};

/// Buffer size for comparing data that is received again.
const CHUNK_BYTES: usize = 64 * 1024;

/// Describes the bytes that were written to the sink. The checksum detects accidental changes; digests protect against
/// malicious ones.
#[derive(Default)]
pub(in crate::fetch) struct Delivered {
    /// Number of bytes.
    pub bytes: u64,
    sum: crc32fast::Hasher,
}

impl Delivered {
    /// Adds bytes that were written to the sink.
    pub(in crate::fetch) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sum.update(bytes);
    }

    /// Reads the same number of bytes from `body`, which must be equal.
    pub(in crate::fetch) fn skip(&self, body: &mut dyn Read) -> Result<(), io::Error> {
        let mut seen = Delivered::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        while seen.bytes < self.bytes {
            let left = self.bytes - seen.bytes;
            let most = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = body.read(&mut chunk[..most])?;
            if read == 0 {
                break;
            }
            seen.add(&chunk[..read]);
        }
        match seen.matches(self) {
            true => Ok(()),
            false => Err(BodyError::Changed.into()),
        }
    }

    fn matches(&self, other: &Self) -> bool {
        let sum = |delivered: &Self| delivered.sum.clone().finalize();
        self.bytes == other.bytes && sum(self) == sum(other)
    }
}
