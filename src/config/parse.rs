//! Parses bytes into a document, with all findings about them.

use super::document::{Document, Paths, SourceText};
use super::finding::{Finding, Findings, Severity};
use super::foreign::{self, Foreign};
use super::json::{Cursor, Start, SyntaxError};
use super::lines::{Lines, offset};
use super::model::Config;
use super::parse_error::ParseError;
use super::path::Path;
use super::places::PlaceTree;
use super::read::{Reading, read};
use super::rules;
use super::spec_table::{Kind, PREAMBLE, ROOT};
use super::stated::{OtherLanguage, StatedVersion};
use super::tree::{Tree, Value};
use super::type_check;
use super::upward;
use super::version::{LATEST_VERSION, Version, VersionError};
use super::wording::Wording;
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;

/// The result of parsing: findings in any case, and a document if nothing was fatal.
#[derive(Debug)]
pub struct ParseResult {
    /// All findings, in report order.
    pub findings: Findings,
    /// The document in the latest version, or why there is none.
    pub outcome: Result<Document, ParseError>,
    /// The version that the text is written in or was translated to, where it is known.
    pub version: Option<Version>,
}

/// Parses `text`; `source` is the name shown in origins.
pub fn parse(source: &str, text: &[u8]) -> ParseResult {
    if text.is_empty() {
        return refusal(ParseError::Empty, Vec::new());
    }
    if u32::try_from(text.len()).is_err() {
        let finding = error("a config must be smaller than 4 GiB".into());
        return refusal(ParseError::Decode, vec![finding]);
    }
    let lines = Lines::of(text);
    if let Some((version, reading)) = read_in_one_pass(text, &lines) {
        return parse_reading(source, lines, version, reading);
    }
    match version(text, &lines) {
        Ok(version) => match read(text, &lines, &ROOT, version) {
            Ok(reading) => parse_reading(source, lines, version, reading),
            Err(e) => refusal(ParseError::Decode, vec![syntax_finding(text, e, &lines)]),
        },
        Err((error, findings)) => refusal(error, findings),
    }
}

/// Reads a text in the version that it begins with, so that it need not be read twice. `None` if it does not begin with
/// its version, or if anything is wrong that [`version`] has to report.
fn read_in_one_pass<'t>(text: &'t [u8], lines: &Lines) -> Option<(Version, Reading<'t>)> {
    let version = leading_version(text)?;
    let reading = read(text, lines, &ROOT, version).ok()?;
    // The key may be repeated, and the last one is used.
    let ignition = reading.root.member("ignition")?;
    let is_confirmed = Version::parse(ignition.member_text("version")).ok() == Some(version);
    let is_sound = reading.shadowed.is_empty() && matches!(ignition.value, Value::Object(_));
    (is_confirmed && is_sound).then_some((version, reading))
}

/// The version in the first member of a text, if that is `ignition` and is well-formed.
fn leading_version(text: &[u8]) -> Option<Version> {
    let mut cursor = Cursor::new(text);
    if !matches!(cursor.start().ok()?, Start::Object) || cursor.key(true).ok()??.1 != "ignition" {
        return None;
    }
    if !matches!(cursor.start().ok()?, Start::Object) {
        return None;
    }
    let mut is_first = true;
    while let Some((_, key)) = cursor.key(is_first).ok()? {
        is_first = false;
        match cursor.start().ok()? {
            Start::Text(version) if key == "version" => return Version::parse(&version).ok(),
            other => cursor.skip_rest(&other).ok()?,
        }
    }
    None
}

fn parse_reading(
    source: &str,
    lines: Lines,
    version: Version,
    reading: Reading<'_>,
) -> ParseResult {
    let Reading {
        mut root,
        mut warnings,
        shadowed,
    } = reading;
    let mut findings = type_check::check(&mut root, version, &lines);
    findings.extend(shadowed);
    findings.sort_by_key(|f| f.position);
    let mismatches = Mismatches::of(&findings);
    let duplicates = rules::find_duplicates(&root, version);
    let (mut config, places) = match typed(root) {
        Ok(typed) => typed,
        Err(message) => return refusal(ParseError::Decode, vec![error(message)]),
    };
    let broken_rules = rules::check(&config, version, Wording::Ignition);
    let duplicates = rules::not_yet_reported(duplicates, &broken_rules);
    let duplicates = duplicates.into_iter().map(|duplicate| duplicate.finding);
    let checked = broken_rules.into_iter().chain(duplicates);
    let checked = checked.filter(|f| !mismatches.explains(f));
    findings.extend(checked.map(|f| with_position(f, &places, &lines)));
    findings.append(&mut warnings);
    // In text order; findings at the same place stay in the order of the rules.
    findings.sort_by_key(|finding| finding.position);
    let findings = Findings(findings);
    if !mismatches.is_empty() {
        return ParseResult {
            findings,
            outcome: Err(ParseError::Decode),
            version: Some(version),
        };
    }
    if findings.is_fatal() {
        return ParseResult {
            findings,
            outcome: Err(ParseError::Invalid),
            version: Some(version),
        };
    }
    upward::translate(&mut config, version);
    ParseResult {
        findings,
        outcome: Ok(document(source, config, places, lines)),
        version: Some(version),
    }
}

pub(super) fn typed(root: Tree<'_>) -> Result<(Config, Arc<PlaceTree>), String> {
    let places = Arc::new(PlaceTree::of(&root));
    let config = Config::deserialize(root).map_err(|e| e.to_string())?;
    Ok((config, places))
}

pub(super) fn document(
    source: &str,
    config: Config,
    places: Arc<PlaceTree>,
    lines: Lines,
) -> Document {
    let name = shown_source(source).into();
    let source = SourceText {
        name,
        lines,
        paths: Paths::Table(Arc::clone(&places)),
        origins: None,
        new_parents: Vec::new(),
    };
    Document {
        config,
        sources: vec![Arc::new(source)],
        places,
    }
}

/// The name of a source as it may be shown: a `data:` URL contains its data, which may be secret.
pub fn shown_source(source: &str) -> &str {
    match source.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => "data:",
        _ => source,
    }
}

/// The version a text is written in. This also checks the syntax of the whole text.
fn version(text: &[u8], lines: &Lines) -> Result<Version, (ParseError, Vec<Finding>)> {
    let Reading {
        root, mut shadowed, ..
    } = read(text, lines, &PREAMBLE, LATEST_VERSION)
        .map_err(|e| (ParseError::Decode, vec![syntax_finding(text, e, lines)]))?;
    type_check::report_mismatches(
        &root,
        Kind::Object(&PREAMBLE),
        &Path::Root,
        lines,
        &mut shadowed,
    );
    if !shadowed.is_empty() {
        return Err((ParseError::Decode, shadowed));
    }
    let ignition = root.member("ignition");
    let version = ignition.map_or("", |i| i.member_text("version"));
    Version::parse(version).map_err(|e| {
        let place = ignition.map(|i| i.member("version").unwrap_or(i).at);
        let stated = |language| StatedVersion {
            text: version.into(),
            position: place.map(|at| lines.position(at.offset)),
            language,
        };
        let error = match e {
            VersionError::Malformed => ParseError::BadVersion(stated(OtherLanguage::of(text))),
            VersionError::Unsupported => ParseError::Unsupported(stated(None)),
        };
        (error, Vec::new())
    })
}

fn refusal(error: ParseError, findings: Vec<Finding>) -> ParseResult {
    ParseResult {
        findings: Findings(findings),
        outcome: Err(error),
        version: None,
    }
}

fn error(message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        path: None,
        position: None,
        message,
        help: None,
    }
}

/// Reports what the text is instead of JSON if that is known, else the position of the unexpected byte.
fn syntax_finding(text: &[u8], e: SyntaxError, lines: &Lines) -> Finding {
    if let Some(Foreign { what, help }) = foreign::recognize(text) {
        return Finding {
            help: Some(help.into()),
            ..error(format!("not JSON: {what}"))
        };
    }
    let position = Some(lines.position(offset(e.offset)));
    Finding {
        position,
        help: e
            .help
            .or_else(|| foreign::help_at(text, e.offset).map(String::from)),
        ..error(e.message)
    }
}

fn with_position(mut finding: Finding, places: &PlaceTree, lines: &Lines) -> Finding {
    let at = finding
        .path
        .as_ref()
        .map(|path| places.root().deepest(path).0.at());
    finding.position = at.map(|at| lines.position(at.offset));
    finding
}

/// Values of a wrong type, which were left out. A rule may be broken for that reason alone.
#[derive(Debug, Default)]
struct Mismatches {
    paths: HashSet<String>,
    /// Their ancestors.
    ancestors: HashSet<String>,
    /// Objects that have lost their `source` because it, or what contains it, has a wrong type.
    sourceless: HashSet<String>,
    /// The parents of these objects.
    parents_of_sourceless: HashSet<String>,
}

impl Mismatches {
    fn of(findings: &[Finding]) -> Self {
        let mut mismatches = Self::default();
        for path in findings.iter().filter_map(|finding| finding.path.as_ref()) {
            let path = path.as_str();
            let holder = match path.rsplit('.').next() {
                Some("source") => Some(parent(path).unwrap_or_default()),
                Some("contents" | "keyFile") => Some(path),
                _ => None,
            };
            if let Some(holder) = holder {
                let outside = parent(holder).unwrap_or_default();
                mismatches.parents_of_sourceless.insert(outside.into());
                mismatches.sourceless.insert(holder.into());
            }
            mismatches
                .ancestors
                .extend(ancestors(path).map(String::from));
            mismatches.paths.insert(path.into());
        }
        mismatches
    }

    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// True if a rule was only broken because a value had a wrong type and was left out.
    fn explains(&self, finding: &Finding) -> bool {
        let Some(path) = &finding.path else {
            return false;
        };
        let path = path.as_str();
        self.paths.contains(path)
            || self.ancestors.contains(path)
            || ancestors(path).any(|ancestor| self.paths.contains(ancestor))
            || self.explains_need_of_source(path)
    }

    /// True for rules that require a source next to the member at `path`, or below a sibling of it.
    fn explains_need_of_source(&self, path: &str) -> bool {
        match path.rsplit('.').next() {
            Some("overwrite") => self
                .parents_of_sourceless
                .contains(parent(path).unwrap_or_default()),
            Some("hash" | "httpHeaders") => {
                ancestors(path).any(|ancestor| self.sourceless.contains(ancestor))
            }
            _ => false,
        }
    }
}

/// The path of the object or list that contains a value.
fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent)
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}
