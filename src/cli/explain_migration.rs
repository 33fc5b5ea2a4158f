//! `kindling explain-migration`: how each line of a config in a legacy language is translated.

use super::exit::{Exit, ExitError};
use super::reading::ReadingArgs;
use super::validate;
use crate::config::Severity;
use crate::language::{self, Language, Migration, MigrationStep};
use crate::terminal;
use crate::text::escaped;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// `kindling explain-migration`
#[derive(Debug, Args)]
pub(crate) struct ExplainMigrationArgs {
    /// The config; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Platform of the target machine, for configs with variables for its addresses, e.g. ec2
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Prints a page about one config, even if it cannot be translated.
pub(crate) fn run(args: &ExplainMigrationArgs) -> Result<Exit, ExitError> {
    let bytes = validate::read(&args.file).map_err(|e| ExitError::new(Exit::BadConfig, &e))?;
    let text = language::unpacked(&bytes);
    let detected = args.reading.language(&text).map_err(|unknown| {
        ExitError::new(Exit::BadConfig, &anyhow::anyhow!("{}", unknown.finding))
    })?;
    if detected == Language::Ignition {
        terminal::print("This is an Ignition 3 config. It needs no migration.\n")?;
        return Ok(Exit::Done);
    }
    let files = args.reading.local_files();
    let surroundings = language::Surroundings {
        platform: args.platform.as_deref(),
        ..args.reading.surroundings(files.as_ref())
    };
    let migration = language::explain(&text, detected, &surroundings);
    if args.json {
        terminal::write_json(&format!("{:#}", document(detected, &migration)))?;
    } else {
        let name = args.file.display().to_string();
        terminal::print(&page(&name, detected, &migration))?;
    }
    Ok(match migration.is_possible {
        true => Exit::Done,
        false => Exit::NotValid,
    })
}

/// The page for a person.
fn page(name: &str, language: Language, migration: &Migration) -> String {
    let mut out = format!("{}: {}\n\n", escaped(name), language.title());
    for finding in &migration.remarks {
        let _ = writeln!(out, "{}", escaped(&finding.to_string()));
    }
    let without_counterpart: Vec<&MigrationStep> =
        migration.steps.iter().filter(|s| is_lost(s)).collect();
    section(&mut out, "Has no counterpart", &without_counterpart);
    let with_remarks: Vec<&MigrationStep> = migration
        .steps
        .iter()
        .filter(|step| !is_lost(step) && !step.remarks.is_empty())
        .collect();
    section(
        &mut out,
        "Changes its meaning, or has remarks",
        &with_remarks,
    );
    let translated: Vec<&MigrationStep> = migration
        .steps
        .iter()
        .filter(|step| !is_lost(step) && step.remarks.is_empty())
        .collect();
    section(&mut out, "Is translated", &translated);
    let _ = match migration.is_possible {
        true => writeln!(
            out,
            "To write the new config: kindling translate --to butane {}",
            escaped(name)
        ),
        false => writeln!(
            out,
            "It cannot be translated until the errors above are fixed."
        ),
    };
    out
}

fn is_lost(step: &MigrationStep) -> bool {
    step.new.is_empty() && step.part_of.is_empty()
}

fn section(out: &mut String, title: &str, steps: &[&MigrationStep]) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}:");
    for step in steps {
        let _ = writeln!(
            out,
            "  line {}: {}{}",
            step.position.line,
            escaped(step.old.as_str()),
            destination(step)
        );
        for finding in &step.remarks {
            let label = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "note",
            };
            let _ = writeln!(out, "      {label}: {}", escaped(&finding.message));
            if let Some(help) = &finding.help {
                let _ = writeln!(out, "      help: {}", escaped(help));
            }
        }
    }
    out.push('\n');
}

/// The keys that a value is translated to, as a suffix of its line.
fn destination(step: &MigrationStep) -> String {
    let join = |paths: &[crate::config::JsonPath]| {
        let texts: Vec<String> = paths
            .iter()
            .map(|p| escaped(p.as_str()).into_owned())
            .collect();
        texts.join(", ")
    };
    match (&step.new[..], &step.part_of[..]) {
        ([], []) => String::new(),
        ([], part_of) => format!(" -> part of {}", join(part_of)),
        (new, _) => format!(" -> {}", join(new)),
    }
}

fn document(language: Language, migration: &Migration) -> Value {
    let steps: Vec<Value> = migration
        .steps
        .iter()
        .map(|step| {
            json!({
                "line": step.position.line,
                "column": step.position.column,
                "old": step.old,
                "new": step.new,
                "partOf": step.part_of,
                "remarks": step.remarks,
            })
        })
        .collect();
    json!({
        "language": language.name(),
        "possible": migration.is_possible,
        "remarks": migration.remarks,
        "steps": steps,
    })
}
