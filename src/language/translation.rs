//! Translates a text in any language to a config.

use super::detect::{DetectError, detect_for};
use super::languages::Language;
use super::result::{TranslationResult, finish};
use super::surroundings::Surroundings;
use super::{butane, clc, cloud_init, coreos_cloudinit, k3os, machine_config, old_ignition};
use crate::config::write;
use crate::config::{self, Findings, LineStarts, ParseError, ParseResult};

/// A text translated to Ignition.
#[derive(Debug)]
pub struct Translation {
    /// All findings, in the order of the text.
    pub findings: Findings,
    /// The translated text without a trailing newline, or why there is none.
    pub outcome: Result<String, ParseError>,
}

/// Parses a config in whatever language it is written; `source` is the name shown in origins.
pub fn parse(source: &str, text: &[u8], surroundings: &Surroundings<'_>) -> ParseResult {
    match detect_for(text, &surroundings.target) {
        Ok(language) => parse_as(source, text, language, surroundings),
        Err(DetectError { finding }) => ParseResult {
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
) -> ParseResult {
    if language == Language::Ignition || text.is_empty() {
        return config::parse(source, text);
    }
    if language == Language::MachineConfig {
        return machine_config::parse(text, |config, language| {
            parse_as(source, config, language, surroundings)
        });
    }
    let lines = LineStarts::of(text);
    let outcome = read_as(text, &lines, language, surroundings);
    let (parsed, _) = finish(source, lines, outcome, |_| ());
    parsed
}

/// Translates `text`, which is in `language`, to the corresponding version of Ignition.
pub fn translate(
    source: &str,
    text: &[u8],
    language: Language,
    surroundings: &Surroundings<'_>,
    is_pretty: bool,
) -> Translation {
    if language == Language::MachineConfig {
        return printed_document(parse_as(source, text, language, surroundings), is_pretty);
    }
    let lines = LineStarts::of(text);
    let surroundings = Surroundings {
        is_printed: true,
        ..*surroundings
    };
    let mut outcome = read_as(text, &lines, language, &surroundings);
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

/// Prints a config that is Ignition already, in its own version.
fn printed_document(parsed: ParseResult, is_pretty: bool) -> Translation {
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

/// Reads `text` as `language`, in whose words later findings are.
pub(super) fn read_as<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    language: Language,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    let mut outcome = read_in(text, lines, language, surroundings);
    outcome.paths.set_wording(language.wording());
    outcome
}

fn read_in<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    language: Language,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    match language {
        Language::OldIgnition => old_ignition::read(text, lines, surroundings),
        Language::Butane => butane::read(text, lines, surroundings),
        Language::ContainerLinux => clc::read(text, lines, surroundings),
        Language::CoreosCloudinit => coreos_cloudinit::read(text, lines, surroundings),
        Language::CloudInit => cloud_init::read(text, lines, surroundings),
        Language::K3os => k3os::read(text, lines, surroundings),
        Language::Ignition | Language::MachineConfig => TranslationResult::default(),
    }
}
