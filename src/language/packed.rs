//! Base64 and gzip around the contents of files.

use crate::text::{self, GzipTrouble, MAX_UNPACKED_BYTES};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::cell::Cell;

/// Padding that is there must be right, unused bits of the last character need not be zero.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// What is around the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) is_base64: bool,
    pub(crate) is_gzip: bool,
}

/// Why bytes cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("is not base64 with padding")]
    Base64,
    #[error("is not a whole gzip stream")]
    Gzip,
    #[error("makes the config larger than {} MiB when it is unpacked", MAX_UNPACKED_BYTES >> 20)]
    TooLarge,
}

/// The packing that `encoding` names; none for a name that is unknown.
pub(crate) fn packing(encoding: &str) -> Option<Packing> {
    let (is_base64, is_gzip) = match encoding {
        "" => (false, false),
        "b64" | "base64" => (true, false),
        "gz" | "gzip" => (false, true),
        "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => (true, true),
        _ => return None,
    };
    Some(Packing { is_base64, is_gzip })
}

/// How many bytes may still come out of gzip, for all contents of a config together.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Cell::new(MAX_UNPACKED_BYTES))
    }
}

impl Budget {
    /// [`unpack`], within what is left.
    pub(crate) fn unpack(&self, bytes: Vec<u8>, packing: Packing) -> Result<Vec<u8>, Broken> {
        let bytes = match packing.is_base64 {
            true => base64(&bytes)?,
            false => bytes,
        };
        match packing.is_gzip {
            true => self.gunzip(&bytes),
            false => Ok(bytes),
        }
    }

    /// [`gunzip`], within what is left.
    pub(crate) fn gunzip(&self, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
        let left = self.0.get();
        let unpacked = gunzip_within(bytes, left);
        let used = match &unpacked {
            Ok(bytes) => bytes.len(),
            Err(Broken::TooLarge) => left,
            Err(_) => 0,
        };
        self.0.set(left - used);
        unpacked
    }
}

/// What is in `bytes`. Base64 is outside of gzip.
pub(crate) fn unpack(bytes: Vec<u8>, packing: Packing) -> Result<Vec<u8>, Broken> {
    Budget::default().unpack(bytes, packing)
}

/// What is in base64, in which white space does not matter.
pub(crate) fn base64(text: &[u8]) -> Result<Vec<u8>, Broken> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    BASE64.decode(text).map_err(|_| Broken::Base64)
}

/// What is in gzip.
pub(crate) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    Budget::default().gunzip(bytes)
}

fn gunzip_within(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    text::gunzip(bytes, limit).map_err(|trouble| match trouble {
        GzipTrouble::TooLarge => Broken::TooLarge,
        GzipTrouble::CutOff | GzipTrouble::Damaged | GzipTrouble::Followed => Broken::Gzip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_bounded_in_all() {
        let packed = text::gzip(&[7; 600]);
        let budget = Budget(Cell::new(1000));
        assert_eq!(budget.gunzip(&packed), Ok(vec![7; 600]));
        assert_eq!(
            budget.gunzip(&packed[..packed.len() - 9]),
            Err(Broken::TooLarge)
        );
        assert_eq!(budget.gunzip(&packed), Err(Broken::TooLarge));
        assert_eq!(budget.gunzip(b"text"), Err(Broken::Gzip));
    }

    #[test]
    fn unpacks() {
        let packed = b"H4sIAAAAAAACA0vKyU\n9VyC9KzwEAtJqjvQsAAAA=".to_vec();
        let text = b"aGVs\nbG8=".to_vec();
        let plain = packing("b64").unwrap();
        assert_eq!(unpack(text, plain).unwrap(), b"hello");
        assert_eq!(
            unpack(b"a".to_vec(), packing("base64").unwrap()),
            Err(Broken::Base64)
        );
        let both = packing("gzip+b64").unwrap();
        assert!(matches!(
            unpack(packed, both),
            Err(Broken::Gzip | Broken::Base64)
        ));
        assert_eq!(packing("nope"), None);
    }
}
