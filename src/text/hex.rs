//! Hexadecimal digits.

/// Two lower-case hexadecimal digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// True for a GUID in its usual form: 8-4-4-4-12 hexadecimal digits, without braces.
pub(crate) fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }

    #[test]
    fn guids_have_five_groups() {
        assert!(is_guid("0FC63DAF-8483-4772-8e79-3d69d8477de4"));
        for other in [
            "",
            "0FC63DAF84834772-8E79-3D69D8477DE4",
            "{0FC63DAF-8483-4772-8E79-3D69D8477DE4}",
            "0FC63DAF-8483-4772-8E79-3D69D8477DEG",
        ] {
            assert!(!is_guid(other), "{other}");
        }
    }
}
