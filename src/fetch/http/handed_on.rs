//! What of a body is in the sink already.

use crate::fetch::pipeline::BodyError;
use std::io::{self, Read};

/// For comparing what comes once more.
const CHUNK_BYTES: usize = 64 * 1024;

/// What went into the sink. The checksum is for chance, not for malice: against that there are digests.
#[derive(Default)]
pub(in crate::fetch) struct HandedOn {
    /// How much.
    pub bytes: u64,
    sum: crc32fast::Hasher,
}

impl HandedOn {
    /// More went into the sink.
    pub(in crate::fetch) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sum.update(bytes);
    }

    /// Reads it once more from the beginning of `body`, which must give the same.
    pub(in crate::fetch) fn skip(&self, body: &mut dyn Read) -> Result<(), io::Error> {
        let mut seen = HandedOn::default();
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
        match seen.is(self) {
            true => Ok(()),
            false => Err(BodyError::Changed.into()),
        }
    }

    fn is(&self, other: &Self) -> bool {
        let sum = |of: &Self| of.sum.clone().finalize();
        self.bytes == other.bytes && sum(self) == sum(other)
    }
}
