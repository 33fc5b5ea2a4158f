//! Versions that are missing, malformed or not accepted, and what to do about them.

use super::finding::Position;
use super::foreign::LEAVE_OUT_FORMAT;
use super::version::{LATEST_VERSION, Version};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The version as a text states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedVersion {
    /// `ignition.version`, or the empty text.
    pub text: String,
    /// Its position, or that of the section it belongs in.
    pub position: Option<Position>,
    /// Another language, which has its version elsewhere.
    pub language: Option<OtherLanguage>,
}

/// Other languages that are written in JSON as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherLanguage {
    /// A Butane config.
    Butane,
    /// A Kubernetes resource, e.g. a MachineConfig.
    Kubernetes,
    /// Version 1 of the Ignition language.
    Version1,
}

/// Members at the top level that identify other languages.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LanguageMarks {
    variant: Option<IgnoredAny>,
    kind: Option<IgnoredAny>,
    api_version: Option<IgnoredAny>,
    ignition_version: Option<IgnoredAny>,
}

impl OtherLanguage {
    /// Recognizes the language of a JSON text without a version of this language.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let marks: LanguageMarks = serde_json::from_slice(text).ok()?;
        if marks.kind.is_some() && marks.api_version.is_some() {
            return Some(OtherLanguage::Kubernetes);
        }
        if marks.variant.is_some() {
            return Some(OtherLanguage::Butane);
        }
        marks.ignition_version.map(|_| OtherLanguage::Version1)
    }

    fn remedy(self) -> String {
        match self {
            OtherLanguage::Butane => format!("this is a Butane config in JSON; {LEAVE_OUT_FORMAT}"),
            OtherLanguage::Kubernetes => {
                "this is a Kubernetes resource; of these, MachineConfigs are read, where no format is given".into()
            }
            OtherLanguage::Version1 => format!("this is a config of version 1; {LEAVE_OUT_FORMAT}"),
        }
    }
}

fn accepted_versions() -> String {
    Version::ALL.map(Version::as_str).join(", ")
}

/// What to do about a version that is missing or malformed.
pub(super) fn malformed_help(stated: &StatedVersion) -> String {
    if let Some(language) = stated.language {
        return language.remedy();
    }
    let all = format!("ignition.version must be one of {}", accepted_versions());
    match intended_version(&stated.text) {
        Some(version) => format!("write \"{version}\"; {all}"),
        None => all,
    }
}

/// The accepted version that is meant by `3.4`, `v3.4.0` or a version with blanks.
fn intended_version(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let forms = [text.to_owned(), format!("{text}.0")];
    forms.iter().find_map(|form| Version::parse(form).ok())
}

/// What to do about a version that is not accepted.
pub(super) fn unsupported_help(version: &str) -> String {
    let accepted = accepted_versions();
    match other_version_help(version) {
        Some(remedy) => format!("{remedy}; accepted are {accepted}"),
        None => format!("accepted are {accepted}"),
    }
}

/// What to do with a config of an older or newer version than those accepted, or of one that has become stable.
fn other_version_help(version: &str) -> Option<String> {
    let (numbers, _) = version.split_once(['-', '+']).unwrap_or((version, ""));
    if let Ok(stable) = Version::parse(numbers) {
        return Some(format!("write \"{stable}\""));
    }
    let first_two = |version: &str| {
        let mut numbers = version.split(['.', '-']).map(str::parse::<u64>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let latest = first_two(LATEST_VERSION.as_str())?;
    match first_two(numbers)? {
        (2, _) => Some(
            "a config of version 2 is read as it is where no format is given; `kindling translate` writes it in version 3"
                .into(),
        ),
        (0 | 1, _) => {
            Some("this version is older than 2.0.0 and was never in use; write one of 2.0.0 or later".into())
        }
        numbers if numbers < latest => None,
        _ => Some(
            "this version is newer than those this program knows: update kindling, or write an accepted version"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn remedies() {
        let cases = [
            ("{}", "ignition.version must be one of 3.0.0, "),
            (
                r#"{"ignition":{"version":"3.4"}}"#,
                "write \"3.4.0\"; ignition.version must be one of ",
            ),
            (r#"{"ignition":{"version":"v3.4.0"}}"#, "write \"3.4.0\"; "),
            (r#"{"ignition":{"version":"3.9"}}"#, "ignition.version must"),
            (
                r#"{"ignition":{"version":"3.6.0-experimental"}}"#,
                "write \"3.6.0\"; accepted are ",
            ),
            (
                r#"{"ignition":{"version":"3.7.0"}}"#,
                "this version is newer than ",
            ),
            (
                r#"{"ignition":{"version":"4.0.0"}}"#,
                "this version is newer than ",
            ),
            (r#"{"ignition":{"version":"3.1.1"}}"#, "accepted are "),
            (
                r#"{"ignition":{"version":"2.3.0"}}"#,
                "a config of version 2 is read as it is",
            ),
            (
                r#"{"ignition":{"version":"1.0.0"}}"#,
                "this version is older than 2.0.0",
            ),
            (r#"{"ignitionVersion":1}"#, "this is a config of version 1"),
            (
                r#"{"variant":"fcos","version":"1.5.0"}"#,
                "this is a Butane config in JSON",
            ),
            (
                r#"{"apiVersion":"v1","kind":"MachineConfig","spec":{}}"#,
                "this is a Kubernetes resource",
            ),
        ];
        for (text, expected) in cases {
            let error = parse("x", text.as_bytes()).outcome.expect_err(text);
            let (_, remedy) = error.advice().expect(text);
            assert!(remedy.starts_with(expected), "{text}: {remedy}");
        }
    }

    #[test]
    fn the_position_of_the_version() {
        let cases = [
            ("{\"ignition\":\n {\"version\": \"2.3.0\"}}", Some((2, 14))),
            ("{\"ignition\":\n {\"version\": \"3\"}}", Some((2, 14))),
            ("{\"ignition\":\n {}}", Some((2, 3))),
            ("{}", None),
        ];
        for (text, place) in cases {
            let error = parse("x", text.as_bytes()).outcome.expect_err(text);
            let position = error.version_position().map(|at| (at.line, at.column));
            assert_eq!(position, place, "{text}");
        }
    }
}
