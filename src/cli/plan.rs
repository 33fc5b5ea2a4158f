//! `kindling plan`: observe, plan, show. Changes nothing.

use super::exit::{Exit, ExitError};
use super::prepare::{self, PreparedRun};
use super::target::TargetArgs;
use crate::host::devices::DeviceAccess;
use crate::plan::Plan;
use crate::plan::digest::digest;
use crate::plan::show::{ShowOptions, Summary, show};
use crate::report::{Source, plan_page};
use crate::terminal;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// `kindling plan`
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Print the plan as JSON (schemas/plan.json)
    #[arg(long)]
    json: bool,
    /// Write the plan to FILE as a page for browsers, with disks to scale, and print nothing
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Show sizes and places in sectors as well
    #[arg(long)]
    sectors: bool,
    /// The config: a file, - for standard input, or a URL
    #[arg(value_name = "CONFIG", value_hint = clap::ValueHint::FilePath)]
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

/// Shows the plan; the exit code reports whether there is anything to do.
pub(crate) fn run(args: &PlanArgs) -> Result<Exit, ExitError> {
    let PreparedRun { plan, loaded, .. } =
        prepare::prepare(&args.config, &args.target, DeviceAccess::Read)?;
    if let Some(page) = &args.html {
        plan_page::write(&plan, &digest(&plan), &loaded.report_sources(), page)
            .map_err(|error| ExitError::new(Exit::Failed, &error))?;
    } else if args.json {
        terminal::write_json(&json(&plan, loaded.report_sources())?)?;
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

fn json(plan: &Plan, sources: Vec<Source>) -> Result<String, ExitError> {
    let document = PlanDocument {
        version: 1,
        digest: digest(plan),
        summary: Summary::of(plan),
        sources,
        operations: &plan.operations,
        warnings: &plan.warnings,
    };
    serde_json::to_string_pretty(&document)
        .map_err(|error| ExitError::new(Exit::CannotObserve, &error.into()))
}
