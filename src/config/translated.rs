//! A config that was translated from another language, judged by the rules of the version it came out in.

use super::document::{Document, Paths, SourceText};
use super::finding::{Finding, Findings, Severity};
use super::lines::Lines;
use super::model::Config;
use super::origin::JsonPath;
use super::parse::{shown_source, typed};
use super::parse_error::ParseError;
use super::places::NOWHERE;
use super::rules;
use super::tree::Tree;
use super::upward;
use super::version::Version;
use super::written::WrittenPaths;
use std::sync::Arc;

/// A config as a tree in the shape of the table, each value with the place in the text that it was made from.
pub(crate) struct TranslatedConfig<'a> {
    pub(crate) root: Tree<'a>,
    /// The version whose table and rules hold.
    pub(crate) version: Version,
    /// What it was made from; at least one. Places count them.
    pub(crate) texts: Vec<TranslatedText>,
    /// Contents of files that are [`ENCODED`] in `root`.
    pub(crate) encoded: Vec<EncodedContents>,
}

/// What stands in a tree for contents that a language has encoded itself: they are right, and decoding them to find that
/// out takes longer than all rules do.
pub(crate) const ENCODED: &str = "data:,";

/// The contents of a file, encoded by a language.
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
    /// What the language had to say, no error among it.
    pub(crate) findings: Vec<Finding>,
}

/// What judging gives.
pub(crate) struct JudgedDocument {
    /// Everything there is to say of each text, in its order.
    pub(crate) findings: Vec<Findings>,
    /// The document in the latest version, or why there is none.
    pub(crate) outcome: Result<Document, ParseError>,
}

/// Judges the result of a translation. Findings name places and paths of the texts that were translated.
pub(crate) fn judge(translated: TranslatedConfig<'_>) -> JudgedDocument {
    let TranslatedConfig {
        root,
        version,
        mut texts,
        encoded,
    } = translated;
    let duplicates = rules::duplicates(&root, version);
    let (mut config, places) = match typed(root) {
        Ok(typed) => typed,
        // A language gives every member its type, so this would be a mistake of ours.
        Err(message) => return refused(texts, message),
    };
    let meaning = rules::meaning(&config, version);
    put_back(&mut config, encoded);
    let duplicates = rules::not_judged(duplicates, &meaning);
    for mut finding in meaning.into_iter().chain(duplicates) {
        let deepest = finding
            .path
            .as_ref()
            .map(|path| places.root().deepest(path));
        let at = deepest.map(|value| value.at()).filter(|at| *at != NOWHERE);
        let source = at.map_or(0, |at| usize::try_from(at.source).unwrap_or(usize::MAX));
        let Some(text) = texts.get_mut(source) else {
            continue;
        };
        if let Some(value) = deepest {
            let offset = value.at().offset;
            finding.position = Some(text.lines.position(offset));
            let path = text.paths.path_to(offset, value.is_leaf());
            finding.path = Some(path.unwrap_or_else(JsonPath::root));
        }
        text.findings.push(finding);
    }
    let findings = said(&mut texts);
    if findings.iter().any(Findings::is_fatal) {
        return JudgedDocument {
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
        })
    });
    JudgedDocument {
        findings,
        outcome: Ok(Document {
            config,
            sources: sources.collect(),
            places,
        }),
    }
}

fn put_back(config: &mut Config, encoded: Vec<EncodedContents>) {
    for EncodedContents { file, source } in encoded {
        if let Some(file) = config.storage.files.get_mut(file) {
            file.contents.source = Some(source.into());
        }
    }
}

fn said(texts: &mut [TranslatedText]) -> Vec<Findings> {
    let each = texts.iter_mut().map(|text| {
        let mut findings = std::mem::take(&mut text.findings);
        findings.sort_by_key(|finding| finding.position);
        findings.dedup();
        Findings(findings)
    });
    each.collect()
}

fn refused(mut texts: Vec<TranslatedText>, message: String) -> JudgedDocument {
    if let Some(first) = texts.first_mut() {
        first.findings.push(Finding {
            severity: Severity::Error,
            path: None,
            position: None,
            message,
            help: None,
        });
    }
    JudgedDocument {
        findings: said(&mut texts),
        outcome: Err(ParseError::Decode),
    }
}
