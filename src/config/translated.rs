//! A config that was translated from another language, judged by the rules of the version it came out in.

use super::document::{Document, Paths, Source};
use super::finding::{Finding, Findings};
use super::lines::Lines;
use super::origin::JsonPath;
use super::parse::{ParseError, Parsed, shown_source, typed};
use super::rules;
use super::tree::Tree;
use super::upward;
use super::version::Version;
use super::written::WrittenPaths;
use std::sync::Arc;

/// A config as a tree in the shape of the table, each value with the place in the text that it was made from.
pub(crate) struct Translated<'a> {
    pub(crate) root: Tree<'a>,
    /// The version whose table and rules hold.
    pub(crate) version: Version,
    /// Lines of the text.
    pub(crate) lines: Lines,
    /// Paths of the text, in the spelling of its language.
    pub(crate) paths: WrittenPaths,
    /// What the language had to say, no error among it.
    pub(crate) findings: Vec<Finding>,
}

/// Judges the result of a translation. Findings name places and paths of the text that was translated.
pub(crate) fn judge(source: &str, translated: Translated<'_>) -> Parsed {
    let Translated {
        root,
        version,
        lines,
        paths,
        mut findings,
    } = translated;
    let duplicates = rules::duplicates(&root, version);
    let (mut config, places) = match typed(root) {
        Ok(typed) => typed,
        // A language gives every member its type, so this would be a mistake of ours.
        Err(message) => return refusal(findings, message),
    };
    let meaning = rules::meaning(&config, version);
    let duplicates = rules::not_judged(duplicates, &meaning);
    let judged = meaning.into_iter().chain(duplicates);
    findings.extend(judged.map(|mut finding| {
        let deepest = finding.path.as_ref().map(|path| places.deepest(path));
        if let Some(value) = deepest {
            let offset = value.at.offset;
            finding.position = Some(lines.position(offset));
            let path = paths.path_to(offset, value.is_leaf());
            finding.path = Some(path.unwrap_or_else(JsonPath::root));
        }
        finding
    }));
    findings.sort_by_key(|finding| finding.position);
    findings.dedup();
    let findings = Findings(findings);
    if findings.is_fatal() {
        return Parsed {
            findings,
            outcome: Err(ParseError::Invalid),
            version: Some(version),
        };
    }
    upward::translate(&mut config, version);
    let source = Source {
        name: shown_source(source).into(),
        lines,
        paths: Paths::Written(paths),
        origins: None,
    };
    Parsed {
        findings,
        outcome: Ok(Document {
            config,
            sources: vec![Arc::new(source)],
            places,
        }),
        version: Some(version),
    }
}

fn refusal(mut findings: Vec<Finding>, message: String) -> Parsed {
    findings.push(Finding {
        severity: super::finding::Severity::Error,
        path: None,
        position: None,
        message,
        help: None,
    });
    Parsed {
        findings: Findings(findings),
        outcome: Err(ParseError::Decode),
        version: None,
    }
}
