//! `kindling plan`: observe, plan, show. Touches nothing.

use super::exit::{Exit, Failure};
use super::prepare::{self, Prepared};
use super::target::TargetArgs;
use crate::host::devices::Access;
use crate::plan::Plan;
use crate::plan::digest::digest;
use crate::plan::show::{ShowOptions, Summary, show};
use crate::report::Source;
use crate::terminal;
use clap::Args;
use serde::Serialize;

/// `kindling plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Print the plan as JSON (schemas/plan.json)
    #[arg(long)]
    json: bool,
    /// Show sizes and places in sectors as well
    #[arg(long)]
    sectors: bool,
    /// The config: a file, - for standard input, or a URL
    #[arg(value_name = "CONFIG")]
    config: String,
}

/// A plan as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanDocument<'a> {
    version: u32,
    digest: String,
    summary: Summary,
    sources: Vec<Source>,
    operations: &'a [crate::plan::Operation],
    warnings: &'a [crate::plan::Warning],
}

/// Shows the plan; the exit code tells whether there is anything to do.
pub fn run(args: &PlanArgs) -> Result<Exit, Failure> {
    let Prepared { plan, loaded, .. } = prepare::prepare(&args.config, &args.target, Access::Read)?;
    if args.json {
        terminal::write_line(&json(&plan, loaded.report_sources())?)?;
    } else {
        let options = ShowOptions {
            sectors: args.sectors,
            colour: terminal::stdout_has_colours(),
        };
        terminal::print(&show(&plan, options))?;
    }
    Ok(if Summary::of(&plan).is_nothing() {
        Exit::Done
    } else {
        Exit::Changes
    })
}

fn json(plan: &Plan, sources: Vec<Source>) -> Result<String, Failure> {
    let document = PlanDocument {
        version: 1,
        digest: digest(plan),
        summary: Summary::of(plan),
        sources,
        operations: &plan.operations,
        warnings: &plan.warnings,
    };
    serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::new(Exit::CannotObserve, &error.into()))
}
