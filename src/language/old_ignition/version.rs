//! The versions before 3.

use crate::language::node::{Node, Style};

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
    /// All versions, oldest first.
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

    /// The version that `text`, the value of `ignition.version`, states.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut stated = Self::ALL.into_iter().filter(|v| *v != OldVersion::V1);
        stated.find(|version| version.name() == text)
    }
}

/// The version that a text declares.
pub(super) enum DeclaredVersion {
    /// A version before 3, with its offset.
    Old(OldVersion, u32),
    /// Anything else, with what to report.
    Other {
        at: u32,
        message: String,
        help: String,
    },
}

/// The version of the config `root`, by its keys alone.
pub(super) fn declared(root: &Node<'_>) -> DeclaredVersion {
    let version = member(root, "ignition").and_then(|section| member(section, "version"));
    if let Some(version) = version {
        return parse_version(version);
    }
    match member(root, "ignitionVersion") {
        Some(number) if is_one(number) => DeclaredVersion::Old(OldVersion::V1, number.at),
        Some(number) => DeclaredVersion::Other {
            at: number.at,
            message: "`ignitionVersion` must be the integer 1 or absent".into(),
            help: format!(
                "write 1, or one of {} in ignition.version",
                accepted_versions()
            ),
        },
        None => DeclaredVersion::Other {
            at: member(root, "ignition").map_or(root.at, |section| section.at),
            message: "the config does not say its version".into(),
            help: format!("ignition.version is one of {}", accepted_versions()),
        },
    }
}

fn is_one(number: &Node<'_>) -> bool {
    let scalar = number.as_scalar();
    scalar.is_some_and(|scalar| scalar.style == Style::Plain && scalar.text == "1")
}

fn parse_version(version: &Node<'_>) -> DeclaredVersion {
    let text = version.as_scalar().filter(|s| s.style == Style::Quoted);
    let Some(text) = text.map(|scalar| &*scalar.text) else {
        return DeclaredVersion::Other {
            at: version.at,
            message: "the version must be a string".into(),
            help: format!("write one of {}", accepted_versions()),
        };
    };
    if let Some(old) = OldVersion::parse(text) {
        return DeclaredVersion::Old(old, version.at);
    }
    let message = match text.starts_with("3.") {
        true => "this version is not older than 3".into(),
        false => format!("unknown config version `{}`", text.escape_debug()),
    };
    DeclaredVersion::Other {
        at: version.at,
        message,
        help: format!("accepted here are {}", accepted_versions()),
    }
}

fn accepted_versions() -> String {
    let later = OldVersion::ALL.iter().filter(|v| **v != OldVersion::V1);
    let names: Vec<&str> = later.map(|version| version.name()).collect();
    names.join(", ")
}

/// Member `key` of an object, in any letter case; null counts as absent.
fn member<'n, 't>(object: &'n Node<'t>, key: &str) -> Option<&'n Node<'t>> {
    let entries = object.entries().iter().rev();
    let found = entries.filter(|entry| entry.key.eq_ignore_ascii_case(key));
    found.map(|entry| &entry.value).find(|node| !node.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::json;

    #[test]
    fn versions_are_declared_by_two_keys() {
        let cases = [
            (
                r#"{"ignition":{"version":"2.0.0"}}"#,
                Some(OldVersion::V2_0),
            ),
            (
                r#"{"ignition":{"version":"2.4.0"}}"#,
                Some(OldVersion::V2_4),
            ),
            (
                r#"{"ignition":{"version":"2.5.0-experimental"}}"#,
                Some(OldVersion::V2_5Experimental),
            ),
            (
                r#"{"Ignition":{"VERSION":"2.1.0"}}"#,
                Some(OldVersion::V2_1),
            ),
            (r#"{"ignitionVersion":1}"#, Some(OldVersion::V1)),
            (
                r#"{"ignitionVersion":1,"ignition":{"version":"2.2.0"}}"#,
                Some(OldVersion::V2_2),
            ),
            (
                r#"{"ignitionVersion":1,"ignition":{"version":null}}"#,
                Some(OldVersion::V1),
            ),
            (
                r#"{"ignition":{"version":"2.2.0"},"ignition":{"version":"2.3.0"}}"#,
                Some(OldVersion::V2_3),
            ),
            (r#"{"ignition":{"version":"2.0.1"}}"#, None),
            (r#"{"ignition":{"version":"2.1.0-dev"}}"#, None),
            (r#"{"ignition":{"version":"2.5.0"}}"#, None),
            (r#"{"ignition":{"version":"2"}}"#, None),
            (r#"{"ignition":{"version":"1"}}"#, None),
            (r#"{"ignition":{"version":"3.0.0"}}"#, None),
            (r#"{"ignition":{"version":2}}"#, None),
            (r#"{"ignition":{"version":""}}"#, None),
            (r#"{"ignitionVersion":1,"ignition":{"version":"9"}}"#, None),
            (r#"{"ignitionVersion":"1"}"#, None),
            (r#"{"ignitionVersion":1.0}"#, None),
            (r#"{"ignitionVersion":2}"#, None),
            ("{}", None),
            ("[]", None),
        ];
        for (text, expected) in cases {
            let root = json::read(text.as_bytes()).expect(text);
            let version = match declared(&root) {
                DeclaredVersion::Old(version, _) => Some(version),
                DeclaredVersion::Other { .. } => None,
            };
            assert_eq!(version, expected, "{text}");
        }
    }
}
