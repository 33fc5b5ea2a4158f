//! `kindling report`: shows a report as a table or a page.

use super::exit::{Exit, ExitError};
use crate::boot;
use crate::report::{AnyReport, html};
use crate::terminal;
use clap::Args;
use std::path::PathBuf;

/// `kindling report`
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The report, as written by `kindling apply --report FILE` or by a first boot; default: that of this
    /// boot, else that of this machine's first boot
    file: Option<PathBuf>,
    /// Write the report to FILE as a page for browsers, with a timeline of every operation, and print nothing
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Prints totals, the slowest operations, and what failed.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit, ExitError> {
    let file = args.file.clone().unwrap_or_else(default_file);
    let report = AnyReport::read(&file).map_err(|error| ExitError::new(Exit::BadConfig, &error))?;
    match &args.html {
        Some(page) => {
            html::write(&report, page).map_err(|error| ExitError::new(Exit::Failed, &error))?;
        }
        None => terminal::print(&report.render())?,
    }
    Ok(Exit::Done)
}

/// The report of this boot, else that of the first boot, which is kept because `/run` is lost on reboot.
fn default_file() -> PathBuf {
    let current = boot::paths::report();
    if current.exists() {
        current
    } else {
        crate::layout::REPORT_FILE.into()
    }
}
