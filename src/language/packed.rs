//! Contents of files that are packed in base64 and gzip.

use super::node::Scalar;
use crate::text::{self, BASE64, GzipError, MAX_UNPACKED_BYTES};
use base64::Engine;
use std::cell::Cell;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) is_base64: bool,
    pub(crate) is_gzip: bool,
}

/// Why bytes cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("is not base64 with padding")]
    Base64,
    #[error("is not a whole gzip stream")]
    Gzip,
    #[error("makes the config larger than {} MiB when it is unpacked", MAX_UNPACKED_BYTES >> 20)]
    TooLarge,
}

/// The packing that `encoding` names; `None` for an unknown name.
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

/// The bytes that a scalar stands for whose text is `text`: a value tagged as binary is base64.
pub(crate) fn bytes_of_scalar(
    scalar: Option<&Scalar<'_>>,
    text: String,
) -> Result<Vec<u8>, UnpackError> {
    match scalar.and_then(|scalar| scalar.tag.as_deref()) {
        Some("binary") => base64(text.as_bytes()),
        _ => Ok(text.into_bytes()),
    }
}

/// How many bytes may still be decompressed, for all contents of a config together.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Cell::new(MAX_UNPACKED_BYTES))
    }
}

impl Budget {
    /// [`unpack`], within the remaining budget.
    pub(crate) fn unpack(&self, bytes: Vec<u8>, packing: Packing) -> Result<Vec<u8>, UnpackError> {
        let bytes = match packing.is_base64 {
            true => base64(&bytes)?,
            false => bytes,
        };
        match packing.is_gzip {
            true => self.gunzip(&bytes),
            false => Ok(bytes),
        }
    }

    /// [`gunzip`], within the remaining budget.
    pub(crate) fn gunzip(&self, bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let left = self.0.get();
        let unpacked = gunzip_within(bytes, left);
        let used = match &unpacked {
            Ok(bytes) => bytes.len(),
            Err(UnpackError::TooLarge) => left,
            Err(_) => 0,
        };
        self.0.set(left - used);
        unpacked
    }
}

/// Unpacks `bytes`: base64 first, then gzip.
pub(crate) fn unpack(bytes: Vec<u8>, packing: Packing) -> Result<Vec<u8>, UnpackError> {
    Budget::default().unpack(bytes, packing)
}

/// Decodes base64, ignoring white space.
pub(crate) fn base64(text: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    BASE64.decode(text).map_err(|_| UnpackError::Base64)
}

/// Decompresses gzip data.
pub(crate) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
    Budget::default().gunzip(bytes)
}

fn gunzip_within(bytes: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    text::gunzip(bytes, limit).map_err(|trouble| match trouble {
        GzipError::TooLarge => UnpackError::TooLarge,
        GzipError::Truncated | GzipError::Damaged | GzipError::TrailingData => UnpackError::Gzip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacked_bytes_are_limited_in_total() {
        let packed = text::gzip(&[7; 600]);
        let budget = Budget(Cell::new(1000));
        assert_eq!(budget.gunzip(&packed), Ok(vec![7; 600]));
        assert_eq!(
            budget.gunzip(&packed[..packed.len() - 9]),
            Err(UnpackError::TooLarge)
        );
        assert_eq!(budget.gunzip(&packed), Err(UnpackError::TooLarge));
        assert_eq!(budget.gunzip(b"text"), Err(UnpackError::Gzip));
    }

    #[test]
    fn encodings_are_unpacked() {
        let packed = b"H4sIAAAAAAACA0vKyU\n9VyC9KzwEAtJqjvQsAAAA=".to_vec();
        let text = b"aGVs\nbG8=".to_vec();
        let plain = packing("b64").unwrap();
        assert_eq!(unpack(text, plain).unwrap(), b"hello");
        assert_eq!(
            unpack(b"a".to_vec(), packing("base64").unwrap()),
            Err(UnpackError::Base64)
        );
        let both = packing("gzip+b64").unwrap();
        assert!(matches!(
            unpack(packed, both),
            Err(UnpackError::Gzip | UnpackError::Base64)
        ));
        assert_eq!(packing("nope"), None);
    }
}
