//! Data that is packed with gzip.

use flate2::bufread::GzDecoder;
use std::io::{self, Read};

/// What gzip data begins with.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A config may hold this many bytes when everything in it is unpacked.
pub(crate) const MAX_UNPACKED_BYTES: usize = 256 << 20;

/// Why data cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GzipTrouble {
    /// It ends too early.
    CutOff,
    /// It is not gzip, or changed on its way.
    Damaged,
    /// Something else follows it.
    Followed,
    /// More comes out than may.
    TooLarge,
}

/// What is in `packed`, one stream or several in a row. Zero bytes behind them are padding, as for `gzip -d`.
pub(crate) fn gunzip(packed: &[u8], max_bytes: usize) -> Result<Vec<u8>, GzipTrouble> {
    let mut unpacked = Vec::new();
    let mut rest = packed;
    loop {
        let left = max_bytes - unpacked.len();
        let mut stream = GzDecoder::new(rest).take(left as u64 + 1);
        let read = stream.read_to_end(&mut unpacked);
        if unpacked.len() > max_bytes {
            return Err(GzipTrouble::TooLarge);
        }
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => GzipTrouble::CutOff,
            _ => GzipTrouble::Damaged,
        })?;
        rest = stream.into_inner().into_inner();
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(unpacked);
        }
        if !rest.starts_with(&GZIP_MAGIC) {
            return Err(GzipTrouble::Followed);
        }
    }
}

/// Packs data, for tests.
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
    fn streams_are_unpacked() {
        let one = packed(b"one ");
        let two = [one.clone(), packed(b"two")].concat();
        let padded = [two.clone(), vec![0; 700]].concat();
        assert_eq!(gunzip(&one, 9).as_deref(), Ok(&b"one "[..]));
        assert_eq!(gunzip(&two, 7).as_deref(), Ok(&b"one two"[..]));
        assert_eq!(gunzip(&padded, 9).as_deref(), Ok(&b"one two"[..]));
        assert_eq!(gunzip(&packed(b""), 0).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn what_is_wrong_with_data_is_told_apart() {
        let whole = packed(&(0..=255).cycle().take(3000).collect::<Vec<u8>>());
        let mut flipped = whole.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        let cases = [
            (whole[..whole.len() - 3].to_vec(), GzipTrouble::CutOff),
            (whole[..20].to_vec(), GzipTrouble::CutOff),
            (flipped, GzipTrouble::Damaged),
            (
                b"\x1f\x8b is not packed at all".to_vec(),
                GzipTrouble::Damaged,
            ),
            ([&whole[..], b"\n"].concat(), GzipTrouble::Followed),
            ([&whole[..], &whole[..9]].concat(), GzipTrouble::CutOff),
            (packed(&[0; 3001]), GzipTrouble::TooLarge),
            (
                [&whole[..], &packed(&[7])[..]].concat(),
                GzipTrouble::TooLarge,
            ),
        ];
        for (number, (data, want)) in cases.into_iter().enumerate() {
            assert_eq!(gunzip(&data, 3000), Err(want), "case {number}");
        }
    }
}
