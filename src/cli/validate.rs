//! `kindling validate`: judges a config without looking at any machine.

use super::exit::{Exit, ExitError};
use super::findings::{self, JudgedConfig};
use super::reading::ReadingArgs;
use crate::config;
use crate::fetch::BUFFER_LIMIT_BYTES;
use crate::input;
use crate::language;
use crate::terminal;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// `kindling validate`
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Configs to judge; `-` is standard input
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

/// Prints everything there is to say about each config. Warnings do not make a config invalid.
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
        let judged = config::sharing(text, |text| judge(&name, text, args, &mut json))?;
        if judged != Exit::Done {
            exit = judged;
        }
    }
    if args.format == FindingFormat::Json {
        terminal::write_json(&format!("{:#}", serde_json::Value::Array(json)))?;
    }
    Ok(exit)
}

/// Judges one config, and prints what there is to say about it or adds it to `json`.
fn judge(
    name: &str,
    text: &[u8],
    args: &ValidateArgs,
    json: &mut Vec<serde_json::Value>,
) -> Result<Exit, ExitError> {
    let text = language::unpacked(text);
    let parsed = args.reading.parse(name, &text);
    let judged = JudgedConfig::of(name, &text, &parsed);
    match args.format {
        FindingFormat::Human => {
            terminal::print(&findings::human(&judged, terminal::stdout_has_colours()))?;
        }
        FindingFormat::Plain => terminal::print(&findings::plain(&judged))?,
        FindingFormat::Json => json.push(findings::json(&judged)),
    }
    Ok(match parsed.outcome {
        Ok(_) => Exit::Done,
        Err(_) => Exit::NotValid,
    })
}

/// The text of a config; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return input::read(file, BUFFER_LIMIT_BYTES)
            .with_context(|| format!("cannot read {}", file.display()));
    }
    input::read_all(&mut std::io::stdin(), BUFFER_LIMIT_BYTES).context("cannot read standard input")
}
