//! `kindling validate`: checks configs, independently of any machine.

use super::exit::{Exit, ExitError};
use super::findings::{self, CheckedConfig};
use super::reading::ReadingArgs;
use crate::config::{self, Findings, ParseResult};
use crate::fetch::MAX_BUFFER_BYTES;
use crate::input;
use crate::language::{self, Language};
use crate::terminal;
use crate::threads::run_beside;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// `kindling validate`
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Configs to check; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = FindingFormat::Human, value_name = "FORMAT")]
    format: FindingFormat,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingFormat {
    /// With the line of the config each finding is about
    Human,
    /// One line per finding
    Plain,
    /// For programs
    Json,
}

/// Checks each config and prints its findings. Warnings do not make a config invalid.
pub(crate) fn run(args: &ValidateArgs) -> Result<Exit, ExitError> {
    let mut json = Vec::new();
    let mut exit = Exit::Done;
    for file in &args.files {
        let name = if file.as_os_str() == "-" {
            "<stdin>".into()
        } else {
            file.to_string_lossy()
        };
        let text = read(file).map_err(|error| ExitError::new(Exit::BadConfig, &error))?;
        let outcome = config::sharing(text, |text| check(&name, text, args, &mut json))?;
        if outcome != Exit::Done {
            exit = outcome;
        }
    }
    if args.format == FindingFormat::Json {
        terminal::write_json(&format!("{:#}", serde_json::Value::Array(json)))?;
    }
    Ok(exit)
}

/// Checks one config, and prints its findings or adds them to `json`.
fn check(
    name: &str,
    text: &[u8],
    args: &ValidateArgs,
    json: &mut Vec<serde_json::Value>,
) -> Result<Exit, ExitError> {
    let text = language::unpacked(text);
    // Reading a large text a second time takes a fifth of the time of the first.
    let (repeated, mut parsed) = run_beside(
        || repeated_keys(&text, &args.reading),
        || args.reading.parse(name, &text),
    );
    add_warnings(&mut parsed, repeated);
    let checked = CheckedConfig::of(name, &text, &parsed);
    match args.format {
        FindingFormat::Human => {
            terminal::print(&findings::human(&checked, terminal::stdout_has_colours()))?;
        }
        FindingFormat::Plain => terminal::print(&findings::plain(&checked))?,
        FindingFormat::Json => json.push(findings::json(&checked)),
    }
    Ok(match parsed.outcome {
        Ok(_) => Exit::Done,
        Err(_) => Exit::NotValid,
    })
}

/// Warnings about keys that an object of a config in JSON repeats.
fn repeated_keys(text: &[u8], reading: &ReadingArgs) -> Findings {
    let is_json = |language| matches!(language, Language::Ignition | Language::OldIgnition);
    match reading.language(text).is_ok_and(is_json) {
        true => config::repeated_keys(text),
        false => Findings::default(),
    }
}

/// Adds warnings about what the language permits, but is unlikely to be intended or fails on every machine.
fn add_warnings(parsed: &mut ParseResult, repeated: Findings) {
    let mut new = repeated.0;
    if let Ok(document) = &parsed.outcome {
        new.extend(config::collisions(document).0);
    }
    if !new.is_empty() {
        let findings = &mut parsed.findings.0;
        findings.append(&mut new);
        findings.sort_by_key(|finding| finding.position);
    }
}

/// Reads the text of a config; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return input::read(file, MAX_BUFFER_BYTES)
            .with_context(|| format!("cannot read {}", file.display()));
    }
    input::read_all(&mut std::io::stdin(), MAX_BUFFER_BYTES).context("cannot read standard input")
}
