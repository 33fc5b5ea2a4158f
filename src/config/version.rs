//! Spec versions: the text of `ignition.version`, and the accepted ones.

use std::fmt;

/// An accepted version of the config language, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 3.0.0
    V3_0,
    /// 3.1.0
    V3_1,
    /// 3.2.0
    V3_2,
    /// 3.3.0
    V3_3,
    /// 3.4.0
    V3_4,
    /// 3.5.0
    V3_5,
    /// 3.6.0
    V3_6,
    /// 3.7.0-experimental
    V3_7Experimental,
}

/// The version every document is translated to.
pub const LATEST_VERSION: Version = Version::V3_7Experimental;

/// Why a version text is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VersionError {
    /// Not a version at all.
    Malformed,
    /// A version, but not an accepted one.
    Unsupported,
}

impl Version {
    /// All accepted versions, oldest first.
    pub const ALL: [Version; 8] = [
        Version::V3_0,
        Version::V3_1,
        Version::V3_2,
        Version::V3_3,
        Version::V3_4,
        Version::V3_5,
        Version::V3_6,
        Version::V3_7Experimental,
    ];

    /// The text as it is written in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V3_0 => "3.0.0",
            Version::V3_1 => "3.1.0",
            Version::V3_2 => "3.2.0",
            Version::V3_3 => "3.3.0",
            Version::V3_4 => "3.4.0",
            Version::V3_5 => "3.5.0",
            Version::V3_6 => "3.6.0",
            Version::V3_7Experimental => "3.7.0-experimental",
        }
    }

    /// The version with exactly this text.
    pub fn named(text: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|v| v.as_str() == text)
    }

    /// Parses a version text. Two texts are the same version if all their parts are equal, so leading zeros and empty
    /// suffixes do not matter, but build metadata does.
    pub(crate) fn parse(text: &str) -> Result<Version, VersionError> {
        let parts = VersionParts::parse(text).ok_or(VersionError::Malformed)?;
        Version::ALL
            .into_iter()
            .find(|v| VersionParts::parse(v.as_str()).as_ref() == Some(&parts))
            .ok_or(VersionError::Unsupported)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(PartialEq, Eq)]
struct VersionParts<'a> {
    numbers: [i64; 3],
    pre_release: &'a str,
    metadata: &'a str,
}

impl<'a> VersionParts<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (text, pre_release) = text.split_once('-').unwrap_or((text, ""));
        let mut numbers = text.splitn(3, '.').map(number);
        let numbers = [numbers.next()??, numbers.next()??, numbers.next()??];
        (is_suffix(pre_release) && is_suffix(metadata)).then_some(VersionParts {
            numbers,
            pre_release,
            metadata,
        })
    }
}

fn number(text: &str) -> Option<i64> {
    // `str::parse` accepts a sign, a version does not.
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn is_suffix(text: &str) -> bool {
    let run = |r: &str| !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.is_empty() || text.split('.').all(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_texts() {
        use VersionError::{Malformed, Unsupported};
        let cases = [
            ("3.0.0", Ok(Version::V3_0)),
            ("03.06.00", Ok(Version::V3_6)),
            ("3.6.0-", Ok(Version::V3_6)),
            ("3.6.0+", Ok(Version::V3_6)),
            ("3.6.0-+", Ok(Version::V3_6)),
            ("3.7.0-experimental", Ok(Version::V3_7Experimental)),
            ("3.7.0", Err(Unsupported)),
            ("3.6.0-experimental", Err(Unsupported)),
            ("3.7.0-Experimental", Err(Unsupported)),
            ("3.6.0+x", Err(Unsupported)),
            ("3.6.0+x-y.z", Err(Unsupported)),
            ("9223372036854775807.0.0", Err(Unsupported)),
            ("9223372036854775808.0.0", Err(Malformed)),
            ("", Err(Malformed)),
            ("3", Err(Malformed)),
            ("3.6", Err(Malformed)),
            ("3.6.0.0", Err(Malformed)),
            ("v3.6.0", Err(Malformed)),
            (" 3.6.0", Err(Malformed)),
            ("3.6.0 ", Err(Malformed)),
            ("3.-6.0", Err(Malformed)),
            ("+3.6.0", Err(Malformed)),
            ("3..0", Err(Malformed)),
            ("3.6.0-a..b", Err(Malformed)),
            ("3.6.0-ä", Err(Malformed)),
            ("3.6.0+a+b", Err(Malformed)),
        ];
        for (text, expected) in cases {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
    }
}
