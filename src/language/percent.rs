//! Bytes as percent-encoded `data:` URLs, as the translators of configs write them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Everything but ASCII letters, digits and `-_.!~*'()`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `bytes` as a `data:` URL.
pub(crate) fn data_url(bytes: &[u8]) -> String {
    format!("data:,{}", percent_encode(bytes, ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_urls() {
        let cases = [
            ("", "data:,"),
            ("hi x", "data:,hi%20x"),
            ("aZ09-_.!~*'()", "data:,aZ09-_.!~*'()"),
            ("=+&$:@/%\n", "data:,%3D%2B%26%24%3A%40%2F%25%0A"),
            ("é", "data:,%C3%A9"),
        ];
        for (text, expected) in cases {
            assert_eq!(data_url(text.as_bytes()), expected);
        }
    }
}
