//! Versions of etcd and flannel: three numbers, optionally followed by a pre-release and a build.

/// The parts of a version that decide which options exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClcVersion {
    pub(super) major: u64,
    pub(super) minor: u64,
    patch: u64,
    is_pre_release: bool,
}

impl ClcVersion {
    /// Parses `text`; `None` if it is not a version.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (rest, build) = split(text, '+');
        let (numbers, pre_release) = split(rest, '-');
        if !build.is_none_or(is_suffix) || !pre_release.is_none_or(is_suffix) {
            return None;
        }
        let mut numbers = numbers.split('.').map(number);
        let version = ClcVersion {
            major: numbers.next()??,
            minor: numbers.next()??,
            patch: numbers.next()??,
            is_pre_release: pre_release.is_some(),
        };
        numbers.next().is_none().then_some(version)
    }

    /// True if it is older than `major.minor.0`.
    pub(super) fn is_before(self, major: u64, minor: u64) -> bool {
        let is_same = (self.major, self.minor, self.patch) == (major, minor, 0);
        (self.major, self.minor) < (major, minor) || (is_same && self.is_pre_release)
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// True for names separated by dots.
fn is_suffix(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for text in ["3.5.0", "3.5.0-rc1", "2.3.8", "0.5.5+x.y", "3.5.0-rc.1+b-1"] {
            assert!(ClcVersion::parse(text).is_some(), "{text}");
        }
        for text in [
            "3.5",
            "v3.5.0",
            "3.5.0-",
            "3.5.0.1",
            "x",
            "3.+5.0",
            "3.5.0-a\"b",
            " 3.5.0",
        ] {
            assert_eq!(ClcVersion::parse(text), None, "{text}");
        }
        assert!(ClcVersion::parse("2.3.0-rc1").unwrap().is_before(2, 3));
        assert!(!ClcVersion::parse("2.3.0").unwrap().is_before(2, 3));
        assert!(!ClcVersion::parse("2.3.1-rc1").unwrap().is_before(2, 3));
    }
}
