//! Bytes as `data:` URLs in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What precedes the base64 text.
const PREFIX: &str = "data:;base64,";

/// Bytes encoded at a time in place: a multiple of three, so that only the last chunk is padded.
const IN_PLACE_BYTES: usize = 768;

/// Length of the URL for this many bytes.
pub(crate) const fn url_len(bytes: usize) -> usize {
    PREFIX.len() + bytes.div_ceil(3) * 4
}

/// The URL of `bytes`, in their own buffer if its capacity suffices: most of a large config is texts, which are then
/// not in memory twice.
pub(crate) fn url_of_owned(bytes: Vec<u8>) -> String {
    match bytes.capacity() >= url_len(bytes.len()) {
        true => url_in_place(bytes),
        false => url(&bytes),
    }
}

/// The URL of `bytes`.
pub(crate) fn url(bytes: &[u8]) -> String {
    let mut url = String::with_capacity(url_len(bytes.len()));
    url.push_str(PREFIX);
    STANDARD.encode_string(bytes, &mut url);
    url
}

fn url_in_place(mut bytes: Vec<u8>) -> String {
    let length = bytes.len();
    bytes.resize(url_len(length), 0);
    // Move the input to the end, so that the output never overtakes what is still to be read.
    let mut from = bytes.len() - length;
    bytes.copy_within(..length, from);
    bytes[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
    let mut to = PREFIX.len();
    while from < bytes.len() {
        let mut chunk = [0; IN_PLACE_BYTES];
        let taken = IN_PLACE_BYTES.min(bytes.len() - from);
        chunk[..taken].copy_from_slice(&bytes[from..from + taken]);
        from += taken;
        // The buffer has the size that `url_len` gives, so this does not fail.
        let written = STANDARD.encode_slice(&chunk[..taken], &mut bytes[to..]);
        to += written.unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_the_same_url_in_place() {
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(3000).collect();
        for length in [0, 1, 2, 3, 767, 768, 769, 1535, 1536, 1537, 3000] {
            let bytes = &all[..length];
            let mut roomy = Vec::with_capacity(url_len(length));
            roomy.extend_from_slice(bytes);
            let exact = bytes.to_vec();
            assert_eq!(url_of_owned(roomy), url(bytes), "{length}");
            assert_eq!(url_of_owned(exact), url(bytes), "{length}");
        }
        assert_eq!(url(b"xyz!"), "data:;base64,eHl6IQ==");
    }
}
