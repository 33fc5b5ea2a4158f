//! The first config, which may refer to others: one text, parsed in its language.

use crate::config::{self, Document, Findings, ParseError};
use crate::language::{self, Language, Surroundings};
use crate::text::hex;
use crate::threads::run_beside;
use sha2::{Digest as _, Sha512};

/// One config text that went into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// File name or redacted URL, as in origins.
    pub name: String,
    /// SHA-512 of the unpacked text, lower-case hex.
    pub sha512: String,
    /// Length of the unpacked text in bytes.
    pub bytes: u64,
    /// False for the first config.
    pub referenced: bool,
}

/// Hashing a shorter text takes no longer than starting a thread for it.
const LONG_TEXT_BYTES: usize = 1 << 20;

impl SourceInfo {
    /// Describes `text`.
    pub fn of(name: impl Into<String>, text: &[u8], referenced: bool) -> Self {
        SourceInfo {
            name: name.into(),
            sha512: hex(&Sha512::digest(text)),
            bytes: text.len() as u64,
            referenced,
        }
    }

    /// Describes the first text while `work` runs: hashing megabytes takes as long as parsing them.
    fn describe_while<T>(name: &str, text: &[u8], work: impl FnOnce() -> T) -> (Self, T) {
        let describe = || SourceInfo::of(name, text, false);
        if text.len() < LONG_TEXT_BYTES {
            return (describe(), work());
        }
        run_beside(describe, work)
    }
}

/// The first config, parsed.
#[derive(Debug, Clone)]
pub struct First<'s> {
    /// The document.
    pub document: Document,
    /// Describes its text.
    pub source: SourceInfo,
    /// Findings of the parser. They are not reported again for the merged config.
    pub findings: Findings,
    /// The unpacked text, in languages whose configs are appended as text; empty in others.
    pub text: Vec<u8>,
    /// Its language.
    pub language: Language,
    /// What it was parsed with. Configs that it refers to cannot see its local files.
    pub surroundings: Surroundings<'s>,
}

/// Result of reading the first text.
#[derive(Debug)]
pub struct FirstRead<'s> {
    /// Describes the text.
    pub source: SourceInfo,
    /// Findings of the parser.
    pub findings: Findings,
    /// The config, or why there is none.
    pub outcome: Result<First<'s>, ParseError>,
}

/// Parses an unpacked text in the language that was stated for it, or else in the detected one. `name` is where it
/// came from.
pub fn read<'s>(
    name: &str,
    text: &[u8],
    stated: Option<Language>,
    surroundings: Surroundings<'s>,
) -> FirstRead<'s> {
    let detected = || language::detect_for(text, &surroundings.target).ok();
    let language = stated.or_else(detected);
    // A text in no known language is refused by `parse`, which detects the language itself.
    let (source, parsed) =
        SourceInfo::describe_while(config::shown_source(name), text, || match language {
            Some(language) => language::parse_as(name, text, language, &surroundings),
            None => language::parse(name, text, &surroundings),
        });
    let language = language.unwrap_or(Language::Ignition);
    let findings = parsed.findings;
    let outcome = parsed.outcome.map(|document| First {
        document,
        source: source.clone(),
        findings: findings.clone(),
        text: kept_text(language, text),
        language,
        surroundings,
    });
    FirstRead {
        source,
        findings,
        outcome,
    }
}

/// The part of a text that is needed after it was parsed.
fn kept_text(language: Language, text: &[u8]) -> Vec<u8> {
    match language::appends(language) {
        true => text.to_vec(),
        false => Vec::new(),
    }
}
