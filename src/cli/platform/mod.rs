//! `kindling platform`: lists the platforms, shows how each provides its config, and guesses that of this machine.

mod detect;
mod list;
mod markdown;
mod show;

pub(super) use show::unknown_platform;

use super::exit::{Exit, ExitError};
use clap::{Args, Subcommand};

/// `kindling platform`
#[derive(Debug, Args)]
pub(crate) struct PlatformArgs {
    #[command(subcommand)]
    command: PlatformCommand,
}

#[derive(Debug, Subcommand)]
enum PlatformCommand {
    /// List every platform, and where its config is
    List(list::ListArgs),
    /// Show the requests that are made to a platform, and how its answers are interpreted
    Show(show::ShowArgs),
    /// Guess from firmware, devices and labels which platform this machine is
    ///
    /// For people only: a boot never guesses, but uses ignition.platform.id of the kernel command line.
    Detect(detect::DetectArgs),
}

/// Runs the subcommand.
pub(crate) fn run(args: &PlatformArgs) -> Result<Exit, ExitError> {
    match &args.command {
        PlatformCommand::List(args) => list::run(args),
        PlatformCommand::Show(args) => show::run(args),
        PlatformCommand::Detect(args) => detect::run(args),
    }
}
