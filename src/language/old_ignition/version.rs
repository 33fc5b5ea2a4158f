//! The versions before 3.

/// A version of Ignition's language before 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OldVersion {
    V1,
    V2_0,
    V2_1,
    V2_2,
    V2_3,
    V2_4,
    V2_5Experimental,
}

impl OldVersion {
    /// All of them, oldest first.
    pub(crate) const ALL: [OldVersion; 7] = [
        OldVersion::V1,
        OldVersion::V2_0,
        OldVersion::V2_1,
        OldVersion::V2_2,
        OldVersion::V2_3,
        OldVersion::V2_4,
        OldVersion::V2_5Experimental,
    ];

    /// As a config states it; version 1 is stated by `ignitionVersion`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            OldVersion::V1 => "1",
            OldVersion::V2_0 => "2.0.0",
            OldVersion::V2_1 => "2.1.0",
            OldVersion::V2_2 => "2.2.0",
            OldVersion::V2_3 => "2.3.0",
            OldVersion::V2_4 => "2.4.0",
            OldVersion::V2_5Experimental => "2.5.0-experimental",
        }
    }

    /// The one that `ignition.version` states.
    pub(crate) fn stated(text: &str) -> Option<Self> {
        let mut stated = Self::ALL.into_iter().filter(|v| *v != OldVersion::V1);
        stated.find(|version| version.name() == text)
    }
}
