//! Validates a config that was translated from another language, by the rules of the version it was translated to.

use super::document::{Document, Paths, SourceText};
use super::finding::{Finding, Findings, Position, Severity};
use super::lines::Lines;
use super::model::{Config, NewParent};
use super::origin::JsonPath;
use super::parse::{shown_source, typed};
use super::parse_error::ParseError;
use super::places::{NOWHERE, PlaceTree};
use super::rules;
use super::tree::Tree;
use super::upward;
use super::version::Version;
use super::written::WrittenPaths;
use std::collections::HashSet;
use std::sync::Arc;

/// A config as a tree that follows the spec table, each value with its place in the text it was made from.
pub(crate) struct TranslatedConfig<'a> {
    pub(crate) root: Tree<'a>,
    /// The version whose table and rules apply.
    pub(crate) version: Version,
    /// What it was made from; at least one. `Place::source` is an index into it.
    pub(crate) texts: Vec<TranslatedText>,
    /// Contents of files that are [`ENCODED_PLACEHOLDER`] in `root`.
    pub(crate) encoded: Vec<EncodedContents>,
}

/// Placeholder in a tree for contents that the translation itself has encoded. They are known to be valid, and decoding
/// them to check that would take longer than all rules.
pub(crate) const ENCODED_PLACEHOLDER: &str = "data:,";

/// The contents of a file, encoded by the translation.
pub(crate) struct EncodedContents {
    /// Index of the file in `storage.files`.
    pub(crate) file: usize,
    /// The URL.
    pub(crate) source: String,
}

/// A text that was translated.
pub(crate) struct TranslatedText {
    /// As shown in origins.
    pub(crate) name: String,
    pub(crate) lines: Lines,
    /// Its paths, in the spelling of its language.
    pub(crate) paths: WrittenPaths,
    /// The findings of the translation, none of them an error.
    pub(crate) findings: Vec<Finding>,
    /// See [`Document::new_parents`].
    pub(crate) new_parents: Vec<NewParent>,
}

/// The result of [`validate`].
pub(crate) struct ValidationResult {
    /// All findings of each text, in the order of that text.
    pub(crate) findings: Vec<Findings>,
    /// The document in the latest version, or why there is none.
    pub(crate) outcome: Result<Document, ParseError>,
}

/// Validates the result of a translation. Findings refer to places and paths of the texts that were translated.
pub(crate) fn validate(translated: TranslatedConfig<'_>) -> ValidationResult {
    let TranslatedConfig {
        root,
        version,
        mut texts,
        encoded,
    } = translated;
    let duplicates = rules::find_duplicates(&root, version);
    let (mut config, places) = match typed(root) {
        Ok(typed) => typed,
        // The translation gives every member its type, so this would be a bug.
        Err(message) => return decode_failure(texts, message),
    };
    let wording = texts.first().map(|text| text.paths.wording());
    let broken_rules = rules::check(&config, version, wording.unwrap_or_default());
    insert_encoded(&mut config, encoded);
    let duplicates = rules::not_yet_reported(duplicates, &broken_rules);
    let duplicates = duplicates.into_iter().map(|mut duplicate| {
        duplicate.finding.message = places_in_message(&duplicate, &places, &texts);
        duplicate.finding
    });
    let found: Vec<Finding> = broken_rules.into_iter().chain(duplicates).collect();
    let known: Vec<KnownWarnings> = texts.iter().map(known_warnings).collect();
    for finding in found {
        add_finding(finding, &places, &mut texts, &known);
    }
    let findings = take_findings(&mut texts);
    if findings.iter().any(Findings::is_fatal) {
        return ValidationResult {
            findings,
            outcome: Err(ParseError::Invalid),
        };
    }
    upward::translate(&mut config, version);
    let sources = texts.into_iter().map(|text| {
        Arc::new(SourceText {
            name: shown_source(&text.name).into(),
            lines: text.lines,
            paths: Paths::Written(text.paths),
            origins: None,
            new_parents: text.new_parents,
        })
    });
    ValidationResult {
        findings,
        outcome: Ok(Document {
            config,
            sources: sources.collect(),
            places,
        }),
    }
}

/// The value at `path` of the config: the text that it is from, its offset there, and whether it is a scalar.
fn written_at(path: &JsonPath, places: &PlaceTree) -> Option<(usize, u32, bool)> {
    let (value, _) = places.root().deepest(path);
    let source = match value.at() {
        NOWHERE => 0,
        at => usize::try_from(at.source).ok()?,
    };
    Some((source, value.at().offset, value.is_leaf()))
}

/// Where a language has warned of its values.
type KnownWarnings = HashSet<(Option<Position>, Option<JsonPath>)>;

fn known_warnings(text: &TranslatedText) -> KnownWarnings {
    let findings = text.findings.iter();
    let warnings = findings.filter(|finding| finding.severity == Severity::Warning);
    let places = warnings.map(|warning| (warning.position, warning.path.clone()));
    places.collect()
}

/// Adds a finding about the config to those of the text that the value is from, unless it is a warning of a value that
/// the language has warned of, which is clearer. `known` are the warnings of each language.
fn add_finding(
    mut finding: Finding,
    places: &PlaceTree,
    texts: &mut [TranslatedText],
    known: &[KnownWarnings],
) {
    let written = finding.path.as_ref().map(|path| written_at(path, places));
    let Some((source, offset, is_leaf)) = written.unwrap_or(Some((0, 0, false))) else {
        return;
    };
    let (Some(text), Some(known)) = (texts.get_mut(source), known.get(source)) else {
        return;
    };
    finding.position = Some(text.lines.position(offset));
    let path = text.paths.path_to(offset, is_leaf);
    finding.path = Some(path.unwrap_or_else(JsonPath::root));
    let is_weaker = finding.severity == Severity::Warning && is_leaf;
    if is_weaker && known.contains(&(finding.position, finding.path.clone())) {
        return;
    }
    text.findings.push(finding);
}

/// The message about an element that repeats an earlier one, with the place of that in its text: its index in the
/// config can be another one.
fn places_in_message(
    duplicate: &rules::Duplicate,
    places: &PlaceTree,
    texts: &[TranslatedText],
) -> String {
    let written = written_at(&duplicate.first, places)
        .and_then(|(source, offset, is_leaf)| Some((texts.get(source)?, offset, is_leaf)));
    let Some((text, offset, is_leaf)) = written else {
        return duplicate.finding.message.clone();
    };
    let path = text.paths.path_to(offset, is_leaf);
    let path = path.unwrap_or_else(JsonPath::root);
    let line = text.lines.position(offset).line;
    let of = match texts {
        [_] => String::new(),
        _ => format!(" of {}", shown_source(&text.name)),
    };
    let about = text.paths.wording().apply(duplicate.about.clone());
    format!("{about} (the other one: {path}, line {line}{of})")
}

fn insert_encoded(config: &mut Config, encoded: Vec<EncodedContents>) {
    for EncodedContents { file, source } in encoded {
        if let Some(file) = config.storage.files.get_mut(file) {
            file.contents.source = Some(source.into());
        }
    }
}

fn take_findings(texts: &mut [TranslatedText]) -> Vec<Findings> {
    let each = texts.iter_mut().map(|text| {
        let mut findings = std::mem::take(&mut text.findings);
        findings.sort_by_key(|finding| finding.position);
        findings.dedup();
        Findings(findings)
    });
    each.collect()
}

fn decode_failure(mut texts: Vec<TranslatedText>, message: String) -> ValidationResult {
    if let Some(first) = texts.first_mut() {
        first.findings.push(Finding {
            severity: Severity::Error,
            path: None,
            position: None,
            message,
            help: None,
        });
    }
    ValidationResult {
        findings: take_findings(&mut texts),
        outcome: Err(ParseError::Decode),
    }
}
