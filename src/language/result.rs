//! The result of reading a language, and how it becomes a config.

use super::butane::machine_config::MachineConfig;
use crate::config::model::NewParent;
use crate::config::tree::Tree;
use crate::config::write;
use crate::config::{
    self, EncodedContents, Finding, Findings, LineStarts, ParseError, ParseResult, Severity,
    TranslatedConfig, TranslatedText, ValidationResult, Version, WrittenPaths,
};

/// The translation of a text.
#[derive(Default)]
pub(crate) struct TranslationResult<'t> {
    /// The findings. If one of them is an error, there is no config.
    pub(crate) findings: Vec<Finding>,
    /// Paths of the text.
    pub(crate) paths: WrittenPaths,
    /// The config in the shape of its version; see [`shaped`](super::shaped).
    pub(crate) config: Option<(Tree<'t>, Version)>,
    /// Contents of files that are kept apart, if the config is not printed; see [`EncodedContents`].
    pub(crate) encoded: Vec<EncodedContents>,
    /// See [`Document::new_parents`](crate::config::Document::new_parents).
    pub(crate) new_parents: Vec<NewParent>,
    /// What the config is wrapped in when it is printed.
    pub(crate) wrapper: Option<MachineConfig>,
}

/// Checks an outcome and prints it on one line, without its wrapper.
pub(super) fn printed(
    lines: LineStarts,
    outcome: TranslationResult<'_>,
) -> (Findings, Option<String>) {
    let (parsed, text) = finish("", lines, outcome, |tree| write::json(tree, false));
    let text = text.filter(|_| parsed.outcome.is_ok());
    (parsed.findings, text)
}

/// Checks the translation of a text, and prints it before it becomes a config of the latest version.
pub(super) fn finish<T>(
    source: &str,
    lines: LineStarts,
    outcome: TranslationResult<'_>,
    print: impl FnOnce(&Tree<'_>) -> T,
) -> (ParseResult, Option<T>) {
    let is_fatal = outcome
        .findings
        .iter()
        .any(|f| f.severity == Severity::Error);
    let Some((root, version)) = outcome.config.filter(|_| !is_fatal) else {
        let parsed = ParseResult {
            findings: Findings(outcome.findings),
            outcome: Err(ParseError::Invalid),
            version: None,
        };
        return (parsed, None);
    };
    let printed = print(&root);
    let text = TranslatedText {
        name: source.into(),
        lines,
        paths: outcome.paths,
        findings: outcome.findings,
        new_parents: outcome.new_parents,
    };
    let ValidationResult { findings, outcome } = config::validate(TranslatedConfig {
        root,
        version,
        texts: vec![text],
        encoded: outcome.encoded,
    });
    let parsed = ParseResult {
        findings: findings.into_iter().next().unwrap_or_default(),
        version: Some(version).filter(|_| !matches!(outcome, Err(ParseError::Decode))),
        outcome,
    };
    (parsed, Some(printed))
}
