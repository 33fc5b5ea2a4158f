//! The command line: arguments in, text or JSON out, exit codes.

pub mod apply;
pub mod argv0;
pub mod developer;
pub mod duration_arg;
pub mod exit;
pub mod explain_migration;
pub mod fetch;
pub mod findings;
pub mod generate;
pub mod ignition;
pub mod ignition_apply;
pub mod ignition_rmcfg;
pub mod ignition_validate;
pub mod images;
pub mod load;
pub mod local_files;
pub mod metadata;
pub mod plan;
pub mod platform;
pub mod prepare;
pub mod progress;
pub mod reading;
pub mod report;
pub mod schema;
pub mod system;
pub mod target;
pub mod translate;
pub mod translators;
pub mod validate;
pub mod verify;

use crate::terminal;
use argv0::Name;
use clap::{Parser, Subcommand};
use exit::{Exit, Failure};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "kindling",
    version,
    about = "First-boot provisioner: validates an Ignition config, shows the plan, applies it",
    long_about = "kindling turns an Ignition config (spec 3.0.0 to 3.6.0 and 3.7.0-experimental) into a plan \
of typed operations, shows that plan, or executes it on a disk image, an existing tree, or the devices of \
this machine. What is shown is what is executed: both are the same value.",
    after_help = exit::HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One command each.
#[derive(Debug, Subcommand)]
enum Command {
    /// Judge configs: all findings at once, with their places
    Validate(validate::ValidateArgs),
    /// Translate a config to Ignition or Butane
    Translate(translate::TranslateArgs),
    /// Tell what becomes of each line of a config in an old language
    ExplainMigration(explain_migration::ExplainMigrationArgs),
    /// Print the JSON Schema of a version of a language, for editors
    Schema(schema::SchemaArgs),
    /// Tell whether a machine with these keys would trust a config, and those it asks for
    Verify(verify::VerifyArgs),
    /// Plan a config and show every operation; touches nothing
    Plan(plan::PlanArgs),
    /// Plan a config and execute the plan
    Apply(apply::ApplyArgs),
    /// Print the config that this machine would get, without applying it
    Fetch(fetch::FetchArgs),
    /// List platforms, show what each is asked, guess which one this machine is
    Platform(platform::PlatformArgs),
    /// Run one stage of a first boot, with the flags of `ignition`
    #[command(
        disable_help_flag = true,
        override_usage = "kindling boot -platform NAME -stage STAGE [flags]",
        after_help = ignition::help()
    )]
    Boot(ignition::BootArgs),
    /// Print hostname, SSH keys and attributes of this machine, where its platform tells them
    Metadata(metadata::MetadataArgs),
    /// Show a report: time per phase, the slowest operations, what failed
    Report(report::ReportArgs),
    /// Measurements, for those who work on kindling
    #[command(hide = true)]
    Developer(developer::DeveloperArgs),
    /// Print a shell completion script
    Completions(generate::CompletionsArgs),
    /// Write manual pages into a directory
    Man(generate::ManArgs),
}

/// Does what this process was called for: the program's name decides who reads the arguments.
pub fn main() -> ExitCode {
    survive_file_size_limits();
    let mut words = std::env::args_os();
    let name = Name::of(&words.next().unwrap_or_default());
    let arguments: Vec<OsString> = words.collect();
    match name {
        Name::Kindling => kindling(),
        Name::Ignition => ignition::run(&arguments),
        Name::Validate => ignition_validate::run(&arguments),
        Name::Apply => ignition_apply::run(&arguments),
        Name::Rmcfg => ignition_rmcfg::run(&arguments),
        Name::Butane => translators::butane(&arguments),
        Name::Ct => translators::ct(&arguments),
        Name::IgnConverter => translators::ign_converter(&arguments),
    }
}

/// A file that reaches the limit of its size is an error to report, not the end of the process. Programs we start are
/// ended by the signal as ever.
fn survive_file_size_limits() {
    // Without a handler it is as it was.
    let _ = signal_hook::flag::register(nix::libc::SIGXFSZ, Arc::default());
}

/// Runs the command line of `kindling`.
fn kindling() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return ended(unparsed(&error));
        }
    };
    ended(match cli.command {
        Command::Validate(args) => validate::run(&args),
        Command::Translate(args) => translate::run(&args),
        Command::ExplainMigration(args) => explain_migration::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Platform(args) => platform::run(&args),
        Command::Boot(args) => return ignition::run(&args.arguments),
        Command::Metadata(args) => metadata::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Developer(args) => developer::run(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
    })
}

/// Prints what the arguments ask for instead of a command: help or a version. Wrong ones get a hint.
fn unparsed(error: &clap::Error) -> Result<Exit, Failure> {
    let text = error.render().to_string();
    if error.use_stderr() {
        terminal::say(&text);
        return Ok(Exit::Usage);
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}

fn ended(result: Result<Exit, Failure>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}
