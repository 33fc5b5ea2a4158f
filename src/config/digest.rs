//! Expected digests: `sha512-` or `sha256-` and hexadecimal digits.

use super::version::Version;

/// A digest a resource must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256
    Sha256([u8; 32]),
    /// SHA-512
    Sha512([u8; 64]),
}

/// Why a text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No `-`.
    #[error("malformed hash specifier")]
    Malformed,
    /// Neither `sha512` nor `sha256`.
    #[error("unrecognized hash function")]
    UnknownFunction,
    /// The number of digits is not that of the hash function.
    #[error("wrong number of digits for this hash function")]
    WrongLength,
    /// Not hexadecimal. Validation accepts this, but no resource can have such a digest.
    #[error("the digest has characters that are not hexadecimal digits")]
    NotHex,
}

impl Digest {
    /// Reads a digest; digits in either case.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        match split(text)? {
            (Function::Sha256, digits) => decode_hex(digits).map(Digest::Sha256),
            (Function::Sha512, digits) => decode_hex(digits).map(Digest::Sha512),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Sha256,
    Sha512,
}

fn split(text: &str) -> Result<(Function, &str), DigestError> {
    let (function, digits) = text.split_once('-').ok_or(DigestError::Malformed)?;
    let (function, length) = match function {
        "sha256" => (Function::Sha256, 64),
        "sha512" => (Function::Sha512, 128),
        _ => return Err(DigestError::UnknownFunction),
    };
    if digits.len() == length {
        Ok((function, digits))
    } else {
        Err(DigestError::WrongLength)
    }
}

fn decode_hex<const N: usize>(digits: &str) -> Result<[u8; N], DigestError> {
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).ok_or(DigestError::NotHex);
        let value = digit(pair[0])? * 16 + digit(pair[1])?;
        *byte = u8::try_from(value).map_err(|_| DigestError::NotHex)?;
    }
    Ok(out)
}

/// Why `version` does not accept a hash text, if so. The digits themselves are not checked.
pub(crate) fn problem(text: &str, version: Version) -> Option<DigestError> {
    if version < Version::V3_1 && text.starts_with("sha256-") {
        return Some(DigestError::UnknownFunction);
    }
    split(text).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        let sha256 = format!("sha256-{}", "aB".repeat(32));
        let sha512 = format!("sha512-{}", "00".repeat(64));
        assert_eq!(Digest::parse(&sha256), Ok(Digest::Sha256([0xab; 32])));
        assert_eq!(Digest::parse(&sha512), Ok(Digest::Sha512([0; 64])));
        let cases = [
            (String::new(), DigestError::Malformed),
            ("sha512".into(), DigestError::Malformed),
            (
                format!("SHA512-{}", "0".repeat(128)),
                DigestError::UnknownFunction,
            ),
            ("-00".into(), DigestError::UnknownFunction),
            ("sha512-00".into(), DigestError::WrongLength),
            (
                format!("sha256-{}", "0".repeat(128)),
                DigestError::WrongLength,
            ),
            (format!("sha256-{}", "z".repeat(64)), DigestError::NotHex),
            (format!("sha256-{}", "é".repeat(32)), DigestError::NotHex),
        ];
        for (text, error) in cases {
            assert_eq!(Digest::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn validation_by_version() {
        let sha256 = format!("sha256-{}", "z".repeat(64));
        assert_eq!(problem(&sha256, Version::V3_1), None);
        assert_eq!(
            problem(&sha256, Version::V3_0),
            Some(DigestError::UnknownFunction)
        );
        assert_eq!(
            problem("sha256-0", Version::V3_0),
            Some(DigestError::UnknownFunction)
        );
        assert_eq!(
            problem("sha256-0", Version::V3_1),
            Some(DigestError::WrongLength)
        );
    }
}
