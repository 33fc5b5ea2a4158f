//! Configs that are compressed with gzip, as some platforms require.

use crate::text::{GZIP_MAGIC, MAX_UNPACKED_BYTES, gunzip};
use std::borrow::Cow;

/// `text`, unpacked if it is gzip. Data that is damaged, is followed by something else or unpacks to more than 256 MiB
/// is returned as it is; parsing reports which of these it is.
pub fn unpacked(text: &[u8]) -> Cow<'_, [u8]> {
    unpacked_within(text, MAX_UNPACKED_BYTES)
}

fn unpacked_within(text: &[u8], max_bytes: usize) -> Cow<'_, [u8]> {
    if !text.starts_with(&GZIP_MAGIC) {
        return Cow::Borrowed(text);
    }
    gunzip(text, max_bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::gzip as packed;

    #[test]
    fn gzip_is_unpacked_and_nothing_else_is() {
        assert_eq!(&*unpacked(&packed(b"variant: fcos\n")), b"variant: fcos\n");
        assert_eq!(&*unpacked(b"{}"), b"{}");
        assert_eq!(&*unpacked(b""), b"");
        let complete = packed(&[7; 1000]);
        let cut = &complete[..complete.len() - 3];
        assert_eq!(&*unpacked(cut), cut);
    }

    #[test]
    fn data_that_unpacks_to_too_much_is_kept() {
        let bomb = packed(&[0; 1001]);
        assert_eq!(&*unpacked_within(&bomb, 1000), &*bomb);
        assert_eq!(&*unpacked_within(&bomb, 1001), [0; 1001]);
    }
}
