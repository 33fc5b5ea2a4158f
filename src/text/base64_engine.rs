//! Base64 as the original programs decode it.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The standard alphabet. Padding must be canonical, but unused bits of the last character need not be zero.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn padding_is_required_and_trailing_bits_are_ignored() {
        for (text, bytes) in [("e30=", Some(b"{}")), ("e31=", Some(b"{}")), ("e30", None)] {
            assert_eq!(BASE64.decode(text).ok().as_deref(), bytes.map(|b| &b[..]));
        }
    }
}
