//! The config that everything starts from: one text, read in its language.

use crate::config::{self, Document, Findings, ParseError};
use crate::language::{self, Language, Surroundings};
use crate::text::hex;
use sha2::{Digest as _, Sha512};

/// One config text that went into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// File name or shown URL, as in origins.
    pub name: String,
    /// SHA-512 of the unpacked text, lower-case hex.
    pub sha512: String,
    /// Length of the unpacked text.
    pub bytes: u64,
    /// False for the first config.
    pub referenced: bool,
}

/// The digest of a shorter text takes no longer than starting a thread for it.
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

    /// Describes the first text while `work` is done with it: of megabytes the digest takes as long as parsing.
    fn beside<T>(name: &str, text: &[u8], work: impl FnOnce() -> T) -> (Self, T) {
        let describe = || SourceInfo::of(name, text, false);
        if text.len() < LONG_TEXT_BYTES {
            return (describe(), work());
        }
        std::thread::scope(|scope| {
            let describing = std::thread::Builder::new().spawn_scoped(scope, describe);
            let result = work();
            let described = describing.ok().and_then(|thread| thread.join().ok());
            (described.unwrap_or_else(describe), result)
        })
    }
}

/// The config to start from, parsed.
#[derive(Debug, Clone)]
pub struct First<'s> {
    /// The document.
    pub document: Document,
    /// Its text, described.
    pub source: SourceInfo,
    /// What parsing said. It is not said again.
    pub findings: Findings,
    /// The text, unpacked, in languages whose configs are put together as texts; empty in others.
    pub text: Vec<u8>,
    /// What it is in.
    pub language: Language,
    /// What it was parsed with. Configs that it refers to see no local files of it.
    pub surroundings: Surroundings<'s>,
}

/// What became of the first text.
#[derive(Debug)]
pub struct FirstRead<'s> {
    /// The text, described.
    pub source: SourceInfo,
    /// What there is to say about it.
    pub findings: Findings,
    /// The config, or why there is none.
    pub outcome: Result<First<'s>, ParseError>,
}

/// Reads an unpacked text in the language that was stated for it, or else in the one it looks like. `name` is where it came
/// from.
pub fn read<'s>(
    name: &str,
    text: &[u8],
    stated: Option<Language>,
    surroundings: Surroundings<'s>,
) -> FirstRead<'s> {
    let detected = || language::detect_for(text, &surroundings.target).ok();
    let language = stated.or_else(detected);
    // What is in no language is refused by the reader that looks for one.
    let (source, parsed) =
        SourceInfo::beside(config::shown_source(name), text, || match language {
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

/// What is kept of a text once it is read.
fn kept_text(language: Language, text: &[u8]) -> Vec<u8> {
    match language::appends(language) {
        true => text.to_vec(),
        false => Vec::new(),
    }
}
