//! `kindling report`: a report as a table.

use super::exit::{Exit, Failure};
use crate::boot;
use crate::report::AnyReport;
use crate::terminal;
use clap::Args;
use std::path::PathBuf;

/// `kindling report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The report, as written by `kindling apply --report FILE` or by a first boot; default: that of this
    /// boot, else that of this machine's first boot
    file: Option<PathBuf>,
}

/// Prints totals, the slowest operations, and what failed.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let file = args.file.clone().unwrap_or_else(default_file);
    let report = AnyReport::read(&file).map_err(|error| Failure::new(Exit::BadConfig, &error))?;
    terminal::print(&report.render())?;
    Ok(Exit::Done)
}

/// `/run` is empty again after the first boot.
fn default_file() -> PathBuf {
    let present = boot::paths::report();
    if present.exists() {
        present
    } else {
        crate::plan::first_boot::REPORT_FILE.into()
    }
}
