//! The variants of Butane and their versions, a row each.

use crate::config::Version;

/// A version of the language that all variants share; `since` of a key refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BaseVersion {
    V0_1,
    V0_2,
    V0_3,
    V0_4,
    V0_5,
    V0_6,
    V0_7,
    /// 0.8-experimental
    V0_8,
}

/// A flavour of the language: what it has beyond the shared part, and what it forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    Fcos,
    Flatcar,
    R4e,
    Fiot,
    Openshift,
}

/// A variant in a version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) variant: Variant,
    /// As a config states it.
    pub(crate) version: &'static str,
    pub(crate) base: BaseVersion,
    /// The version of Ignition that it is translated to.
    pub(crate) output: Version,
    /// Version of the sugar around `boot_device` and `grub`: that of fcos with the same one.
    pub(crate) sugar: Option<Sugar>,
    /// Major and minor version of OpenShift; zeros elsewhere.
    pub(crate) openshift: (u8, u8),
}

/// What fcos and openshift add, by the version of fcos that introduced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sugar {
    /// fcos 1.0.0: warnings about partitions only.
    V1_0,
    /// fcos 1.3.0: `boot_device`.
    V1_3,
    /// fcos 1.5.0: `grub`, `discard` of the boot device's volume.
    V1_5,
    /// fcos 1.6.0: s390x, Crypto Express cards.
    V1_6,
    /// fcos 1.7.0: some warnings became errors.
    V1_7,
}

use BaseVersion::{V0_1, V0_2, V0_3, V0_4, V0_5, V0_6, V0_7, V0_8};
use Variant::{Fcos, Fiot, Flatcar, Openshift, R4e};
use Version::{V3_0, V3_1, V3_2, V3_3, V3_4, V3_5, V3_6, V3_7Experimental};

const fn row(
    variant: Variant,
    version: &'static str,
    base: BaseVersion,
    output: Version,
    sugar: Option<Sugar>,
) -> Dialect {
    Dialect {
        variant,
        version,
        base,
        output,
        sugar,
        openshift: (0, 0),
    }
}

/// A version of OpenShift, whose first two numbers are `numbers`.
const fn openshift(
    numbers: (u8, u8),
    version: &'static str,
    base: BaseVersion,
    output: Version,
    sugar: Sugar,
) -> Dialect {
    Dialect {
        openshift: numbers,
        ..row(Openshift, version, base, output, Some(sugar))
    }
}

/// Every supported pair of variant and version, the versions of a variant oldest first.
pub(crate) static DIALECTS: &[Dialect] = &[
    row(Fcos, "1.0.0", V0_1, V3_0, Some(Sugar::V1_0)),
    row(Fcos, "1.1.0", V0_2, V3_1, Some(Sugar::V1_0)),
    row(Fcos, "1.2.0", V0_3, V3_2, Some(Sugar::V1_0)),
    row(Fcos, "1.3.0", V0_3, V3_2, Some(Sugar::V1_3)),
    row(Fcos, "1.4.0", V0_4, V3_3, Some(Sugar::V1_3)),
    row(Fcos, "1.5.0", V0_5, V3_4, Some(Sugar::V1_5)),
    row(Fcos, "1.6.0", V0_6, V3_5, Some(Sugar::V1_6)),
    row(Fcos, "1.7.0", V0_7, V3_6, Some(Sugar::V1_7)),
    row(
        Fcos,
        "1.8.0-experimental",
        V0_8,
        V3_7Experimental,
        Some(Sugar::V1_7),
    ),
    row(Flatcar, "1.0.0", V0_4, V3_3, None),
    row(Flatcar, "1.1.0", V0_5, V3_4, None),
    row(Flatcar, "1.2.0-experimental", V0_8, V3_7Experimental, None),
    row(R4e, "1.0.0", V0_4, V3_3, None),
    row(R4e, "1.1.0", V0_5, V3_4, None),
    row(R4e, "1.2.0-experimental", V0_8, V3_7Experimental, None),
    row(Fiot, "1.0.0", V0_5, V3_4, None),
    row(Fiot, "1.1.0-experimental", V0_8, V3_7Experimental, None),
    openshift((4, 8), "4.8.0", V0_3, V3_2, Sugar::V1_3),
    openshift((4, 9), "4.9.0", V0_3, V3_2, Sugar::V1_3),
    openshift((4, 10), "4.10.0", V0_3, V3_2, Sugar::V1_3),
    openshift((4, 11), "4.11.0", V0_3, V3_2, Sugar::V1_3),
    openshift((4, 12), "4.12.0", V0_3, V3_2, Sugar::V1_3),
    openshift((4, 13), "4.13.0", V0_3, V3_2, Sugar::V1_3),
    openshift((4, 14), "4.14.0", V0_5, V3_4, Sugar::V1_5),
    openshift((4, 15), "4.15.0", V0_5, V3_4, Sugar::V1_5),
    openshift((4, 16), "4.16.0", V0_5, V3_4, Sugar::V1_5),
    openshift((4, 17), "4.17.0", V0_5, V3_4, Sugar::V1_5),
    openshift((4, 18), "4.18.0", V0_5, V3_4, Sugar::V1_5),
    openshift((4, 19), "4.19.0", V0_6, V3_5, Sugar::V1_6),
    openshift((4, 20), "4.20.0", V0_6, V3_5, Sugar::V1_6),
    openshift((4, 21), "4.21.0", V0_6, V3_5, Sugar::V1_6),
    openshift((4, 22), "4.22.0", V0_6, V3_5, Sugar::V1_6),
    openshift(
        (4, 23),
        "4.23.0-experimental",
        V0_8,
        V3_7Experimental,
        Sugar::V1_7,
    ),
    // Continues 4.22.0, not 4.23.0-experimental.
    openshift((5, 0), "5.0.0", V0_6, V3_5, Sugar::V1_6),
    openshift(
        (5, 1),
        "5.1.0-experimental",
        V0_8,
        V3_7Experimental,
        Sugar::V1_7,
    ),
];

impl Variant {
    /// The value of `variant`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Fcos => "fcos",
            Flatcar => "flatcar",
            R4e => "r4e",
            Fiot => "fiot",
            Openshift => "openshift",
        }
    }
}

impl Dialect {
    /// True if it has the sugar of `version` or later.
    pub(crate) fn has(&self, version: Sugar) -> bool {
        self.sugar.is_some_and(|sugar| sugar >= version)
    }

    /// True for OpenShift 4.`minor` and later.
    pub(crate) fn is_openshift_since(&self, minor: u8) -> bool {
        self.openshift >= (4, minor)
    }
}

/// The dialect of a pair, or a message and a help text that lists the known ones.
pub(crate) fn find(variant: &str, version: &str) -> Result<&'static Dialect, (String, String)> {
    let exact = DIALECTS
        .iter()
        .find(|d| d.variant.name() == variant && d.version == version);
    if let Some(dialect) = exact {
        return Ok(dialect);
    }
    if variant == "rhcos" {
        return Err((
            "variant rhcos is no longer supported".into(),
            "use variant openshift".into(),
        ));
    }
    let versions: Vec<&str> = DIALECTS
        .iter()
        .filter(|d| d.variant.name() == variant)
        .map(|d| d.version)
        .collect();
    let message = format!("no translator for variant `{variant}` with version `{version}`");
    let help = match versions.is_empty() {
        true => "the variants are fcos, flatcar, r4e, fiot and openshift".into(),
        false => format!("variant {variant} has the versions {}", versions.join(", ")),
    };
    Err((message, help))
}

/// True for a version as semver.org defines it: three numbers without leading zeros, and optional suffixes.
pub(crate) fn is_semantic_version(text: &str) -> bool {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (numbers, pre_release) = match text.split_once('-') {
        Some((numbers, pre_release)) => (numbers, Some(pre_release)),
        None => (text, None),
    };
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_suffix = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && pre_release.is_none_or(is_suffix)
        && build.is_none_or(is_suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic_or_not() {
        for text in [
            "1.5.0",
            "0.1.0",
            "1.2.0-experimental",
            "1.7.0+x",
            "1.0.0-a.b+c.d",
        ] {
            assert!(is_semantic_version(text), "{text}");
        }
        for text in [
            "", "1", "1.5", "1.5.0.0", "v1.5.0", "1.05.0", "1.5.0-", "1.5.x", "1.5.0+",
        ] {
            assert!(!is_semantic_version(text), "{text}");
        }
    }

    #[test]
    fn openshift_5_continues_the_stable_versions_of_4() {
        let dialect = |version| find("openshift", version).expect("a version");
        let (last, next) = (dialect("4.22.0"), dialect("5.0.0"));
        assert_eq!((last.base, last.output), (next.base, next.output));
        assert_eq!(last.sugar, next.sugar);
        for minor in [8, 10, 13, 14, 19, 20] {
            assert!(next.is_openshift_since(minor), "{minor}");
            assert!(!dialect("4.8.0").is_openshift_since(minor) || minor == 8);
        }
        assert_eq!(
            dialect("5.1.0-experimental").output,
            Version::V3_7Experimental
        );
    }

    #[test]
    fn unknown_pairs_list_the_known_ones() {
        assert!(find("fcos", "1.5.0").is_ok());
        let (_, help) = find("flatcar", "1.9.0").expect_err("unknown");
        assert!(help.contains("1.0.0, 1.1.0, 1.2.0-experimental"), "{help}");
        let (_, help) = find("coreos", "1.0.0").expect_err("unknown");
        assert!(help.contains("fcos, flatcar"), "{help}");
        let (_, help) = find("rhcos", "0.1.0").expect_err("withdrawn");
        assert!(help.contains("openshift"), "{help}");
    }
}
