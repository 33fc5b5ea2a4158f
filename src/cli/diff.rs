//! `kindling diff`: what a change of a config means for a machine.

use super::exit::{Exit, ExitError};
use super::prepare;
use super::target::TargetArgs;
use crate::host::devices::DeviceAccess;
use crate::plan::Effect;
use crate::plan::compare::{FieldDifference, PlanComparison, PlanDifference, compare};
use crate::plan::digest::digest;
use crate::plan::show::{place_note, symbol};
use crate::terminal;
use crate::text::escaped;
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;

/// `kindling diff`
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Print the differences as JSON (schemas/diff.json)
    #[arg(long)]
    json: bool,
    /// The config as it was: a file, - for standard input, or a URL
    #[arg(value_name = "OLD", value_hint = clap::ValueHint::FilePath)]
    old: String,
    /// The config as it is now
    #[arg(value_name = "NEW", value_hint = clap::ValueHint::FilePath)]
    new: String,
}

/// A comparison as JSON.
#[derive(Serialize)]
struct DiffDocument<'a> {
    version: u32,
    /// Digests of the plans.
    old: String,
    new: String,
    #[serde(flatten)]
    comparison: &'a PlanComparison,
}

/// Plans both configs for the same machine and prints the differences; the exit code reports whether there are any.
pub(crate) fn run(args: &DiffArgs) -> Result<Exit, ExitError> {
    if args.old == "-" && args.new == "-" {
        return Err(ExitError {
            exit: Exit::Usage,
            message: "only one of the two configs can come from standard input".into(),
        });
    }
    let old = prepare::prepare(&args.old, &args.target, DeviceAccess::Read)?.plan;
    let new = prepare::prepare(&args.new, &args.target, DeviceAccess::Read)?.plan;
    let comparison = compare(&old, &new);
    if args.json {
        let document = DiffDocument {
            version: 1,
            old: digest(&old),
            new: digest(&new),
            comparison: &comparison,
        };
        let text = serde_json::to_string_pretty(&document);
        terminal::write_json(&text.map_err(|error| ExitError::new(Exit::Failed, &error.into()))?)?;
    } else {
        terminal::print(&text(&comparison, terminal::stdout_has_colours()))?;
    }
    Ok(match comparison.differences.is_empty() {
        true => Exit::Done,
        false => Exit::Changes,
    })
}

fn text(comparison: &PlanComparison, colour: bool) -> String {
    let mut text = String::new();
    for difference in &comparison.differences {
        write_difference(&mut text, difference, colour);
    }
    let count = |effect| {
        comparison
            .differences
            .iter()
            .filter(|one| one.effect == effect)
            .count()
    };
    let removed = count(Effect::Destroy);
    if !comparison.differences.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "Difference: {} added, {} changed, {removed} no longer requested, {} the same.",
        count(Effect::Create),
        count(Effect::Change),
        comparison.same
    );
    if removed > 0 {
        text.push_str("Machines that already have it keep what is no longer requested.\n");
    }
    text
}

fn write_difference(text: &mut String, difference: &PlanDifference, colour: bool) {
    let symbol = symbol(Some(difference.effect), colour);
    let _ = write!(text, "{symbol} {}", escaped(&difference.act));
    if let Some(origin) = &difference.origin {
        text.push_str(&place_note(&escaped(&origin.source), origin.line, colour));
    }
    text.push('\n');
    for field in &difference.fields {
        let _ = writeln!(text, "    {}", field_text(field));
    }
}

fn field_text(field: &FieldDifference) -> String {
    let name = escaped(&field.field);
    match (&field.old, &field.new) {
        (None, None) => format!("{name} differs"),
        (Some(old), Some(new)) => format!("{name}: {} -> {}", escaped(old), escaped(new)),
        (None, Some(new)) => format!("{name}: {} (new)", escaped(new)),
        (Some(old), None) => format!("{name}: {} (removed)", escaped(old)),
    }
}
