//! `kindling report`: a report as a table.

use super::exit::{Exit, Failure};
use crate::report::{self, Report};
use clap::Args;
use std::path::PathBuf;

/// `kindling report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The report, as written by `kindling apply --report FILE`
    file: PathBuf,
}

/// Prints totals, the slowest operations, and what failed.
#[allow(
    clippy::print_stdout,
    reason = "the table is the result of this command"
)]
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let report = Report::read(&args.file).map_err(|error| Failure::new(Exit::BadConfig, &error))?;
    print!("{}", report::render(&report));
    Ok(Exit::Done)
}
