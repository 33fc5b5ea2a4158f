//! From bytes to a document, with everything there is to say about them.

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
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;

/// What parsing gives: findings in any case, a document if nothing was fatal.
#[derive(Debug)]
pub struct ParseResult {
    /// Everything there is to say, in report order.
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
    if let Some((version, reading)) = read_at_once(text, &lines) {
        return parse_reading(source, lines, version, reading);
    }
    match version(text, &lines) {
        Ok(version) => match read(text, &lines, &ROOT, version) {
            Ok(reading) => parse_reading(source, lines, version, reading),
            Err(e) => refusal(ParseError::Decode, vec![syntax(text, e, &lines)]),
        },
        Err((error, findings)) => refusal(error, findings),
    }
}

/// Reads a text by the version that its beginning states, so that it is read once. `None` for one that begins with
/// something else, and for all in which anything is wrong up to here: [`version`] tells what.
fn read_at_once<'t>(text: &'t [u8], lines: &Lines) -> Option<(Version, Reading<'t>)> {
    let version = stated_first(text)?;
    let reading = read(text, lines, &ROOT, version).ok()?;
    // The same key may come again, and replace what the first one says.
    let ignition = reading.root.member("ignition")?;
    let is_confirmed = Version::parse(ignition.member_text("version")).ok() == Some(version);
    let is_sound = reading.shadowed.is_empty() && matches!(ignition.value, Value::Object(_));
    (is_confirmed && is_sound).then_some((version, reading))
}

/// The version in the first member of a text, if that is `ignition` and is well-formed.
fn stated_first(text: &[u8]) -> Option<Version> {
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
    let misfits = Misfits::of(&findings);
    let duplicates = rules::duplicates(&root, version);
    let (mut config, places) = match typed(root) {
        Ok(typed) => typed,
        Err(message) => return refusal(ParseError::Decode, vec![error(message)]),
    };
    let meaning = rules::meaning(&config, version);
    let duplicates = rules::not_judged(duplicates, &meaning);
    let judged = meaning.into_iter().chain(duplicates);
    let judged = judged.filter(|f| !misfits.explain(f));
    findings.extend(judged.map(|f| placed(f, &places, &lines)));
    findings.append(&mut warnings);
    // In the order of the text; what has one place stays in the order of the rules.
    findings.sort_by_key(|finding| finding.position);
    let findings = Findings(findings);
    if !misfits.is_empty() {
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
    };
    Document {
        config,
        sources: vec![Arc::new(source)],
        places,
    }
}

/// The name of a source as it may be shown: `data:` URLs hold what they name, maybe secrets.
pub fn shown_source(source: &str) -> &str {
    match source.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => "data:",
        _ => source,
    }
}

/// The version a text is written in. The whole text is checked for syntax on the way.
fn version(text: &[u8], lines: &Lines) -> Result<Version, (ParseError, Vec<Finding>)> {
    let Reading {
        root, mut shadowed, ..
    } = read(text, lines, &PREAMBLE, LATEST_VERSION)
        .map_err(|e| (ParseError::Decode, vec![syntax(text, e, lines)]))?;
    type_check::aliens(
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

/// What the text is instead of JSON, if that is known. Else the position is that of the byte which does not fit.
fn syntax(text: &[u8], e: SyntaxError, lines: &Lines) -> Finding {
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

fn placed(mut finding: Finding, places: &PlaceTree, lines: &Lines) -> Finding {
    let at = finding
        .path
        .as_ref()
        .map(|path| places.root().deepest(path).at());
    finding.position = at.map(|at| lines.position(at.offset));
    finding
}

/// Values of a wrong type, which were left out: a rule may be broken for that reason alone.
#[derive(Debug, Default)]
struct Misfits {
    paths: HashSet<String>,
    /// Everything that has one of them in it.
    above: HashSet<String>,
    /// Objects without their `source`, as that is one of them or in one.
    without_source: HashSet<String>,
    /// What these objects are in.
    above_without_source: HashSet<String>,
}

impl Misfits {
    fn of(findings: &[Finding]) -> Self {
        let mut misfits = Self::default();
        for path in findings.iter().filter_map(|finding| finding.path.as_ref()) {
            let path = path.as_str();
            let holder = match path.rsplit('.').next() {
                Some("source") => Some(above(path).unwrap_or_default()),
                Some("contents" | "keyFile") => Some(path),
                _ => None,
            };
            if let Some(holder) = holder {
                let outside = above(holder).unwrap_or_default();
                misfits.above_without_source.insert(outside.into());
                misfits.without_source.insert(holder.into());
            }
            misfits.above.extend(all_above(path).map(String::from));
            misfits.paths.insert(path.into());
        }
        misfits
    }

    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// True if a rule was only broken because a value had a wrong type and was left out.
    fn explain(&self, finding: &Finding) -> bool {
        let Some(path) = &finding.path else {
            return false;
        };
        let path = path.as_str();
        self.paths.contains(path)
            || self.above.contains(path)
            || all_above(path).any(|above| self.paths.contains(above))
            || self.explain_need_of_source(path)
    }

    /// Rules that want a source next to (or below the sibling of) the member they speak of.
    fn explain_need_of_source(&self, path: &str) -> bool {
        match path.rsplit('.').next() {
            Some("overwrite") => self
                .above_without_source
                .contains(above(path).unwrap_or_default()),
            Some("hash" | "httpHeaders") => {
                all_above(path).any(|above| self.without_source.contains(above))
            }
            _ => false,
        }
    }
}

/// The path of what a value is in.
fn above(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(above, _)| above)
}

fn all_above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(above(path), |path| above(path))
}
