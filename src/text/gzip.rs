//! Decompression of gzip data.

use flate2::bufread::GzDecoder;
use std::io::{self, Read};

/// The first bytes of gzip data.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Maximum size of a config after decompression.
pub(crate) const MAX_UNPACKED_BYTES: usize = 256 << 20;

/// Why data cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GzipError {
    /// It ends too early.
    Truncated,
    /// It is not gzip data, or is corrupted.
    Damaged,
    /// It is followed by something else.
    TrailingData,
    /// The decompressed data exceeds the limit.
    TooLarge,
}

/// Decompresses one or more concatenated streams to at most `max_bytes`. Trailing zero bytes are padding, as for
/// `gzip -d`.
///
/// # Errors
/// See [`GzipError`].
pub(crate) fn gunzip(packed: &[u8], max_bytes: usize) -> Result<Vec<u8>, GzipError> {
    let mut unpacked = Vec::new();
    let mut rest = packed;
    loop {
        let left = max_bytes - unpacked.len();
        let mut stream = GzDecoder::new(rest).take(left as u64 + 1);
        let read = stream.read_to_end(&mut unpacked);
        if unpacked.len() > max_bytes {
            return Err(GzipError::TooLarge);
        }
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => GzipError::Truncated,
            _ => GzipError::Damaged,
        })?;
        rest = stream.into_inner().into_inner();
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(unpacked);
        }
        if !rest.starts_with(&GZIP_MAGIC) {
            return Err(GzipError::TrailingData);
        }
    }
}

/// Compresses data, for tests.
#[cfg(test)]
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[cfg(test)]
mod tests {
    use super::gzip as packed;
    use super::*;

    #[test]
    fn streams_are_decompressed() {
        let one = packed(b"one ");
        let two = [one.clone(), packed(b"two")].concat();
        let padded = [two.clone(), vec![0; 700]].concat();
        assert_eq!(gunzip(&one, 9).as_deref(), Ok(&b"one "[..]));
        assert_eq!(gunzip(&two, 7).as_deref(), Ok(&b"one two"[..]));
        assert_eq!(gunzip(&padded, 9).as_deref(), Ok(&b"one two"[..]));
        assert_eq!(gunzip(&packed(b""), 0).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn errors_are_distinguished() {
        let complete = packed(&(0..=255).cycle().take(3000).collect::<Vec<u8>>());
        let mut flipped = complete.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        let cases = [
            (
                complete[..complete.len() - 3].to_vec(),
                GzipError::Truncated,
            ),
            (complete[..20].to_vec(), GzipError::Truncated),
            (flipped, GzipError::Damaged),
            (
                b"\x1f\x8b is not packed at all".to_vec(),
                GzipError::Damaged,
            ),
            ([&complete[..], b"\n"].concat(), GzipError::TrailingData),
            (
                [&complete[..], &complete[..9]].concat(),
                GzipError::Truncated,
            ),
            (packed(&[0; 3001]), GzipError::TooLarge),
            (
                [&complete[..], &packed(&[7])[..]].concat(),
                GzipError::TooLarge,
            ),
        ];
        for (number, (data, want)) in cases.into_iter().enumerate() {
            assert_eq!(gunzip(&data, 3000), Err(want), "case {number}");
        }
    }
}
