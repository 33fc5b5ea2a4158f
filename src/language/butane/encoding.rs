//! Bytes as `data:` URLs: the shortest of three forms.

use crate::language::{base64_url, percent};
use flate2::{Compression, GzBuilder};
use std::borrow::Cow;
use std::io::Write;

/// Compression adds a member `compression: gzip`, so it must save more bytes than this.
const COMPRESSION_COST: usize = 4;

/// The operating system in a gzip header: unknown.
const UNKNOWN_OS: u8 = 255;

/// How bytes may be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forms {
    /// Base64, the cheapest to write and to read, for a config that nobody will see.
    Fast,
    /// Percent-encoded.
    Plain,
    /// Percent-encoded or base64, whichever is shorter.
    Short,
    /// One of these, or base64 of compressed data.
    Compressed,
}

/// Bytes as a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EncodedBytes {
    pub(crate) url: String,
    pub(crate) is_compressed: bool,
}

/// `bytes` in the shortest of `forms`.
pub(crate) fn encode(bytes: Cow<'_, [u8]>, forms: Forms) -> EncodedBytes {
    if forms == Forms::Fast {
        let url = match bytes {
            Cow::Owned(bytes) => base64_url::url_of_owned(bytes),
            Cow::Borrowed(bytes) => base64_url::url(bytes),
        };
        return EncodedBytes {
            url,
            is_compressed: false,
        };
    }
    let bytes = &*bytes;
    let mut best = percent::data_url(bytes);
    let mut is_compressed = false;
    if forms != Forms::Plain && base64_url::url_len(bytes.len()) < best.len() {
        best = base64_url::url(bytes);
    }
    if forms == Forms::Compressed
        && let Some(packed) = gzip(bytes)
    {
        let packed = base64_url::url(&packed);
        if packed.len() + COMPRESSION_COST < best.len() {
            best = packed;
            is_compressed = true;
        }
    }
    EncodedBytes {
        url: best,
        is_compressed,
    }
}

/// Compresses without file name and time, so that equal bytes give equal data.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .operating_system(UNKNOWN_OS)
        .write(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_form_is_used() {
        let url = |bytes: &[u8], forms| encode(bytes.into(), forms).url;
        assert_eq!(url(b"", Forms::Compressed), "data:,");
        assert_eq!(url(b"xyz", Forms::Compressed), "data:,xyz");
        let text = "a b<>&\u{e9}\n".as_bytes();
        assert_eq!(url(text, Forms::Compressed), "data:;base64,YSBiPD4mw6kK");
        assert_eq!(url(text, Forms::Plain), "data:,a%20b%3C%3E%26%C3%A9%0A");
        assert_eq!(url(b"xyz", Forms::Fast), "data:;base64,eHl6");
        let zeros = encode([0; 3000].as_slice().into(), Forms::Compressed);
        assert!(zeros.is_compressed && zeros.url.len() < 100, "{zeros:?}");
        assert!(!encode([0; 3000].as_slice().into(), Forms::Short).is_compressed);
    }
}
