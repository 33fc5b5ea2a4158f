//! `ignition`, or `kindling boot`: one stage of a first boot.

use super::flags::ParsedArgs;
use super::{boot_args, usage_error};
use crate::boot::args::StageArgs;
use crate::boot::process;
use crate::cli::argv0;
use clap::Args;
use std::ffi::OsString;
use std::process::ExitCode;

/// `kindling boot`
#[derive(Debug, Args)]
pub(crate) struct BootArgs {
    /// The flags of `ignition`, as listed below
    ///
    /// One dash or two; a value is the next argument, or follows `=`.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FLAGS"
    )]
    pub arguments: Vec<OsString>,
}

/// Flags and exit codes, for the help text and manual page of `kindling boot`.
pub(crate) fn help() -> String {
    format!(
        "Flags (one dash or two, `-flag value` or `-flag=value`):\n{}\n\
Exit codes:
  0  the stage succeeded
  1  the stage failed, or its state could not be saved
  2  wrong usage
  3  the state of earlier stages cannot be read, or fetching cannot be set up",
        boot_args::listing()
    )
}

/// Runs the stage that the arguments name.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let parsed = boot_args::parse(arguments, &argv0::is_platform);
    if let ParsedArgs::Invalid(text) = &parsed {
        usage_error::show(arguments, text);
    }
    argv0::dispatch(parsed, |args| start(&args))
}

fn start(args: &StageArgs) -> ExitCode {
    ExitCode::from(process::run(args))
}
