//! Renders findings: with the line of the config that they are about, one per line, or as JSON.
//!
//! Configs hold secrets, so only the structure and the short, harmless values of a line are shown; see [`mask`].

#[path = "findings/mask.rs"]
mod mask;
#[path = "findings/values.rs"]
mod values;

use crate::config::{
    Finding, Findings, JsonPath, LineStarts, ParseError, ParseResult, Position, Severity,
};
use crate::text::escaped;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use mask::{Excerpt, Secrecy, SplitLine};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Maximum length of a message, path or help text for people: a key may have megabytes.
const MAX_TEXT_BYTES: usize = 1000;

/// A config and the result of checking it.
pub struct CheckedConfig<'a> {
    /// Name to show.
    pub source: &'a str,
    /// The text that was parsed.
    pub text: &'a [u8],
    /// What was found.
    pub findings: &'a Findings,
    /// Why the text cannot be used, if it cannot.
    pub error: Option<&'a ParseError>,
}

impl<'a> CheckedConfig<'a> {
    /// The result of parsing a text.
    pub fn of(source: &'a str, text: &'a [u8], parsed: &'a ParseResult) -> Self {
        Self {
            source,
            text,
            findings: &parsed.findings,
            error: parsed.outcome.as_ref().err(),
        }
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings
            .0
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    }
}

/// Each finding with the line it is about, a marker below the place, and its help; then a summary.
pub fn human(checked: &CheckedConfig<'_>, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut lines = TextLines::of(checked.text);
    let mut out = String::new();
    for finding in &checked.findings.0 {
        let report = report(checked, &mut lines, finding);
        let _ = writeln!(out, "{}\n", without_separators(&renderer.render(&report)));
    }
    if let Some(finding) = checked.error.and_then(version_finding) {
        let report = report(checked, &mut lines, &finding);
        let _ = writeln!(out, "{}\n", without_separators(&renderer.render(&report)));
    } else if let Some((problem, remedy)) = refusal(checked) {
        let report = [
            Level::ERROR
                .primary_title(escaped(&problem).into_owned())
                .element(Origin::path(escaped(checked.source))),
            Group::with_title(Level::HELP.secondary_title(escaped(&remedy).into_owned())),
        ];
        let _ = writeln!(out, "{}\n", renderer.render(&report));
    }
    let _ = writeln!(out, "{}", summary(checked));
    out
}

/// One line per finding, as Ignition prints them.
pub fn plain(checked: &CheckedConfig<'_>) -> String {
    let mut out = String::new();
    for finding in &checked.findings.0 {
        let _ = writeln!(out, "{finding}");
    }
    if let Some((problem, remedy)) = refusal(checked) {
        let _ = writeln!(out, "error: {}; {}", escaped(&problem), escaped(&remedy));
    }
    out
}

/// Source, verdict, counts and findings.
pub fn json(checked: &CheckedConfig<'_>) -> Value {
    let mut value = json!({
        "source": checked.source,
        "valid": checked.error.is_none(),
        "errors": checked.count(Severity::Error),
        "warnings": checked.count(Severity::Warning),
        "findings": checked.findings,
    });
    if let (Some(value), Some(error)) = (value.as_object_mut(), checked.error) {
        value.insert("reason".into(), json!(error.to_string()));
    }
    if let (Some(value), Some((problem, remedy))) = (value.as_object_mut(), refusal(checked)) {
        value.insert("problem".into(), json!(problem));
        value.insert("help".into(), json!(remedy));
    }
    let position = checked.error.and_then(ParseError::version_position);
    if let (Some(value), Some(Position { line, column })) = (value.as_object_mut(), position) {
        value.insert("line".into(), json!(line));
        value.insert("column".into(), json!(column));
    }
    value
}

/// Why the text cannot be used, and what to do about it.
pub(super) fn refusal(checked: &CheckedConfig<'_>) -> Option<(String, String)> {
    checked.error?.advice()
}

/// An unsupported version as a finding, with the position of the version.
fn version_finding(error: &ParseError) -> Option<Finding> {
    let position = error.version_position()?;
    let (message, help) = error.advice()?;
    Some(Finding {
        severity: Severity::Error,
        path: Some(JsonPath::root().join("ignition.version")),
        position: Some(position),
        message,
        help: Some(help),
    })
}

/// Removes the separators that the renderer puts between the origin and the excerpt of a finding.
fn without_separators(rendered: &str) -> String {
    let is_separator = |line: &str| {
        let mut plain = line.to_owned();
        while let Some(escape) = plain.find('\u{1b}') {
            let end = plain[escape..]
                .find('m')
                .map_or(plain.len(), |m| escape + m + 1);
            plain.replace_range(escape..end, "");
        }
        plain.trim() == ":::"
    };
    let lines = rendered.lines().filter(|line| !is_separator(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn summary(checked: &CheckedConfig<'_>) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let errors = count(checked.count(Severity::Error), "error");
    let warnings = count(checked.count(Severity::Warning), "warning");
    let source = escaped(checked.source);
    match checked.error {
        None if checked.findings.0.is_empty() => format!("{source}: valid"),
        None if checked.findings.is_fatal() => {
            format!("{source}: invalid, {errors}, {warnings}")
        }
        None => format!("{source}: valid, {warnings}"),
        Some(ParseError::Decode | ParseError::Invalid) => {
            format!("{source}: invalid, {errors}, {warnings}")
        }
        Some(_) => format!("{source}: not usable"),
    }
}

fn report<'a>(
    checked: &'a CheckedConfig<'_>,
    lines: &mut TextLines<'_>,
    finding: &'a Finding,
) -> Vec<Group<'a>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let mut group = level
        .primary_title(brief(&finding.message))
        .elements(place(checked, lines, finding));
    if let Some(path) = &finding.path {
        group = group.element(Level::NOTE.message(brief(&format!("at {path}")).into_owned()));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(brief(help)));
    }
    vec![group]
}

/// Escapes a text for people and truncates it: texts that long quote something of unlimited length.
fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return escaped(text);
    }
    let mut ends = (0..=MAX_TEXT_BYTES).rev();
    let end = ends.find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Cow::Owned(format!("{}…", escaped(&text[..end])))
}

fn place<'a>(
    checked: &'a CheckedConfig<'_>,
    lines: &mut TextLines<'_>,
    finding: &Finding,
) -> Vec<Element<'a>> {
    let Some(Position { line, column }) = finding.position else {
        return vec![Origin::path(escaped(checked.source)).into()];
    };
    let (line, column) = (line as usize, column as usize);
    let origin = Origin::path(escaped(checked.source))
        .line(line)
        .char_column(column);
    let Some(text) = lines.get(line) else {
        return vec![origin.into()];
    };
    let secrecy = Secrecy::of(finding);
    // Positions of objects and lists are one past the opening bracket; the marker shows the bracket itself.
    let before = column.checked_sub(2).and_then(|at| text.get(at));
    let after_bracket = finding.path.is_some() && matches!(before, Some(b'{' | b'['));
    let at = if after_bracket {
        column - 2
    } else {
        column - 1
    };
    let split = lines.split(line);
    let Some(Excerpt { text, span }) = split.and_then(|line| line.excerpt(at, secrecy)) else {
        return vec![origin.into()];
    };
    let snippet = Snippet::source(text)
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(span));
    vec![origin.into(), snippet.into()]
}

/// Access to the lines of a text.
struct TextLines<'a> {
    text: &'a [u8],
    /// Whether values may be unquoted.
    is_yaml: bool,
    starts: LineStarts,
    /// The last line that was split, with its number: findings come in the order of the text.
    split: Option<(usize, SplitLine<'a>)>,
}

impl<'a> TextLines<'a> {
    fn of(text: &'a [u8]) -> Self {
        let mut bytes = text.iter().filter(|b| !b.is_ascii_whitespace());
        let begins_like_json =
            bytes.next() == Some(&b'{') && matches!(bytes.next(), Some(b'"' | b'}') | None);
        Self {
            text,
            is_yaml: !begins_like_json,
            starts: LineStarts::of(text),
            split: None,
        }
    }

    fn get(&self, line: usize) -> Option<&'a [u8]> {
        self.text.get(self.starts.line(line, self.text.len())?)
    }

    fn split(&mut self, number: usize) -> Option<&SplitLine<'a>> {
        let known = self.split.take().filter(|(known, _)| *known == number);
        let line = match known {
            Some((_, line)) => line,
            None if self.is_yaml => SplitLine::of_yaml(self.get(number)?),
            None => SplitLine::of(self.get(number)?),
        };
        Some(&self.split.insert((number, line)).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn rendered(text: &str, print: impl Fn(&CheckedConfig<'_>) -> String) -> String {
        let parsed = parse("c.ign", text.as_bytes());
        print(&CheckedConfig::of("c.ign", text.as_bytes(), &parsed))
    }

    const MISTAKES: &str = r#"{"ignition": {"version": "3.6.0"},
 "passwd": {"users": [{"name": "a", "passwordHash": "topsecret", "uuid": 5}]},
 "storage": {"disks": [{}]}}"#;

    #[test]
    fn findings_for_people() {
        let expected = r#"warning: unknown key `uuid`
 --> c.ign:2:66
  |
2 |  "passwd": {"users": [{"name": "a", "passwordHash": "…", "uuid": 5}]},
  |                                                          ^^^^^^
  |
  = note: at $.passwd.users.0.uuid
  = help: did you mean `uid`?

error: disk device is required
 --> c.ign:3:25
  |
3 |  "storage": {"disks": [{}]}}
  |                        ^
  |
  = note: at $.storage.disks.0.device

c.ign: invalid, 1 error, 1 warning
"#;
        assert_eq!(rendered(MISTAKES, |j| human(j, false)), expected);
        let coloured = rendered(MISTAKES, |j| human(j, true));
        assert!(
            coloured.contains('\u{1b}') && !coloured.contains(":::"),
            "{coloured}"
        );
    }

    #[test]
    fn findings_one_per_line() {
        let expected = "\
warning at $.passwd.users.0.uuid, line 2 col 66: unknown key `uuid`
error at $.storage.disks.0.device, line 3 col 25: disk device is required
";
        assert_eq!(rendered(MISTAKES, plain), expected);
    }

    #[test]
    fn findings_for_programs() {
        let text = rendered(MISTAKES, |j| json(j).to_string());
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(value["valid"], false);
        assert_eq!(value["reason"], "config is not valid");
        assert_eq!(
            (&value["errors"], &value["warnings"]),
            (&json!(1), &json!(1))
        );
        let expected = json!({
            "severity": "warning", "path": "$.passwd.users.0.uuid", "line": 2, "column": 66,
            "message": "unknown key `uuid`", "help": "did you mean `uid`?",
        });
        assert_eq!(value["findings"][0], expected);
    }

    #[test]
    fn texts_that_are_no_configs_get_a_remedy() {
        let accepted = "3.0.0, 3.1.0, 3.2.0, 3.3.0, 3.4.0, 3.5.0, 3.6.0, 3.7.0-experimental";
        let smallest = r#"the smallest config is {"ignition": {"version": "3.6.0"}}"#;
        let cases = [
            ("", format!("error: not a config (empty); {smallest}\n")),
            (
                "{}",
                format!(
                    "error: invalid config version (couldn't parse); \
                     ignition.version must be one of {accepted}\n"
                ),
            ),
            (
                r#"{"ignition":{"version":"2.3.0"}}"#,
                format!(
                    "error: unsupported config version: 2.3.0; a config of version 2 is read as it is where no format is \
                     given; `kindling translate` writes it in version 3; accepted are {accepted}\n"
                ),
            ),
            (
                r#"{"ignition":{"version":"3.9.0"}}"#,
                format!(
                    "error: unsupported config version: 3.9.0; this version is newer than those this program knows: update \
                     kindling, or write an accepted version; accepted are {accepted}\n"
                ),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(rendered(text, plain), expected);
            let shown = rendered(text, |j| human(j, false));
            assert!(shown.ends_with("c.ign: not usable\n"), "{shown}");
        }
        let valid = r#"{"ignition":{"version":"3.6.0"}}"#;
        assert_eq!(rendered(valid, |j| human(j, false)), "c.ign: valid\n");
    }
}
