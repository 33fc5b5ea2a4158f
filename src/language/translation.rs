//! From a text in any language to a config.

use super::detect::{Language, Undetected, detect_for};
use super::surroundings::Surroundings;
use super::{butane, clc, cloud_init, coreos_cloudinit, k3os, machine_config, old_ignition};
use crate::config::tree::Tree;
use crate::config::write;
use crate::config::{
    self, EncodedContents, Finding, Findings, Judged, LineStarts, ParseError, Parsed, Severity,
    Translated, TranslatedText, Version, WrittenPaths,
};

/// What a language makes of a text.
#[derive(Default)]
pub(crate) struct Outcome<'t> {
    /// What it has to say. With an error among it, there is no config.
    pub(crate) findings: Vec<Finding>,
    /// Paths of the text.
    pub(crate) paths: WrittenPaths,
    /// The config in the shape of its version; see [`shaped`](super::shaped).
    pub(crate) config: Option<(Tree<'t>, Version)>,
    /// Contents of files that are put aside, of a config that is not printed; see [`EncodedContents`].
    pub(crate) encoded: Vec<EncodedContents>,
    /// What the config is wrapped in when it is printed.
    pub(crate) wrapper: Option<butane::MachineConfig>,
}

/// A text in the words of Ignition.
#[derive(Debug)]
pub struct Translation {
    /// Everything there is to say, in the order of the text.
    pub findings: Findings,
    /// The translated text without a line end behind it, or why there is none.
    pub outcome: Result<String, ParseError>,
}

/// Parses a config in whatever language it is written; `source` is the name shown in origins.
pub fn parse(source: &str, text: &[u8], surroundings: &Surroundings<'_>) -> Parsed {
    match detect_for(text, &surroundings.target) {
        Ok(language) => parse_as(source, text, language, surroundings),
        Err(Undetected { finding }) => Parsed {
            findings: Findings(vec![finding]),
            outcome: Err(ParseError::Decode),
            version: None,
        },
    }
}

/// [`parse`] for a text that is known to be in `language`.
pub fn parse_as(
    source: &str,
    text: &[u8],
    language: Language,
    surroundings: &Surroundings<'_>,
) -> Parsed {
    if language == Language::Ignition || text.is_empty() {
        return config::parse(source, text);
    }
    if language == Language::MachineConfig {
        return machine_config::parse(source, text, surroundings);
    }
    let lines = LineStarts::of(text);
    let outcome = outcome(text, &lines, language, surroundings);
    let (parsed, _) = finish(source, lines, outcome, |_| ());
    parsed
}

/// Translates `text`, which is in `language`, to the version of Ignition that belongs to it.
pub fn translate(
    source: &str,
    text: &[u8],
    language: Language,
    surroundings: &Surroundings<'_>,
    is_pretty: bool,
) -> Translation {
    if language == Language::MachineConfig {
        return taken_out(parse_as(source, text, language, surroundings), is_pretty);
    }
    let lines = LineStarts::of(text);
    let surroundings = Surroundings {
        is_printed: true,
        ..*surroundings
    };
    let mut outcome = outcome(text, &lines, language, &surroundings);
    let wrapper = outcome.wrapper.take();
    let (parsed, printed) = finish(source, lines, outcome, |tree| match &wrapper {
        Some(wrapper) => wrapper.print(tree),
        None => write::json(tree, is_pretty),
    });
    Translation {
        findings: parsed.findings,
        outcome: parsed.outcome.map(|_| printed.unwrap_or_default()),
    }
}

/// A config that is in the words of Ignition already, in its own version.
fn taken_out(parsed: Parsed, is_pretty: bool) -> Translation {
    let version = parsed.version.unwrap_or(config::LATEST_VERSION);
    let outcome = parsed.outcome.and_then(|document| {
        let text = document.express(version, is_pretty);
        text.map_err(|_| ParseError::Invalid)
    });
    Translation {
        findings: parsed.findings,
        outcome,
    }
}

/// Judges an outcome and prints it in one line, whatever it would be wrapped in.
pub(super) fn printed(lines: LineStarts, outcome: Outcome<'_>) -> (Findings, Option<String>) {
    let (parsed, text) = finish("", lines, outcome, |tree| write::json(tree, false));
    let text = text.filter(|_| parsed.outcome.is_ok());
    (parsed.findings, text)
}

/// What `language` makes of `text`.
pub(super) fn outcome<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    language: Language,
    surroundings: &Surroundings<'_>,
) -> Outcome<'t> {
    match language {
        Language::OldIgnition => old_ignition::read(text, lines, surroundings),
        Language::Butane => butane::read(text, lines, surroundings),
        Language::ContainerLinux => clc::read(text, lines, surroundings),
        Language::CoreosCloudinit => coreos_cloudinit::read(text, lines, surroundings),
        Language::CloudInit => cloud_init::read(text, lines, surroundings),
        Language::K3os => k3os::read(text, lines, surroundings),
        Language::Ignition | Language::MachineConfig => Outcome::default(),
    }
}

/// Judges what a language made of a text, and prints it before it becomes a config of the latest version.
pub(super) fn finish<T>(
    source: &str,
    lines: LineStarts,
    outcome: Outcome<'_>,
    print: impl FnOnce(&Tree<'_>) -> T,
) -> (Parsed, Option<T>) {
    let is_fatal = outcome
        .findings
        .iter()
        .any(|f| f.severity == Severity::Error);
    let Some((root, version)) = outcome.config.filter(|_| !is_fatal) else {
        let parsed = Parsed {
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
    };
    let Judged { findings, outcome } = config::judge(Translated {
        root,
        version,
        texts: vec![text],
        encoded: outcome.encoded,
    });
    let parsed = Parsed {
        findings: findings.into_iter().next().unwrap_or_default(),
        version: Some(version).filter(|_| !matches!(outcome, Err(ParseError::Decode))),
        outcome,
    };
    (parsed, Some(printed))
}
