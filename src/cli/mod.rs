//! The command line: arguments in, text or JSON out, exit codes.

pub(crate) mod apply;
pub(crate) mod argv0;
pub(crate) mod developer;
pub(crate) mod diff;
pub(crate) mod drop_in;
pub(crate) mod duration_arg;
pub(crate) mod examples;
pub(crate) mod exit;
pub(crate) mod explain;
pub(crate) mod explain_migration;
pub(crate) mod fetch;
pub mod findings;
pub(crate) mod generate;
pub(crate) mod images;
pub(crate) mod load;
pub(crate) mod local_files;
pub(crate) mod metadata;
pub(crate) mod plan;
pub(crate) mod platform;
pub(crate) mod prepare;
pub(crate) mod reading;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod suggested;
pub(crate) mod system;
pub(crate) mod target;
pub(crate) mod translate;
pub(crate) mod validate;
pub(crate) mod verify;

use crate::host::sys;
use crate::terminal;
use argv0::Name;
use clap::{CommandFactory, Parser, Subcommand};
use drop_in::{boot, translators};
use exit::{Exit, ExitError};
use nix::sys::stat::{Mode, umask};
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
    subcommand_required = true
)]
pub(crate) struct Cli {
    /// When to use colours; default: on terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_parser = ["auto", "always", "never"])]
    color: Option<String>,
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Validate configs: report every finding with its location
    Validate(validate::ValidateArgs),
    /// Translate a config to Ignition or Butane
    Translate(translate::TranslateArgs),
    /// Show how each line of a config in a legacy language is translated
    ExplainMigration(explain_migration::ExplainMigrationArgs),
    /// Explain an error code and what to do about it
    Explain(explain::ExplainArgs),
    /// Print the JSON Schema of a version of a language, for editors
    Schema(schema::SchemaArgs),
    /// Check whether a machine with these keys would trust a config and those it refers to
    Verify(verify::VerifyArgs),
    /// Plan a config and show every operation; touches nothing
    Plan(plan::PlanArgs),
    /// Compare the plans of two configs for one machine: what is added, changed, no longer requested
    Diff(diff::DiffArgs),
    /// Plan a config and execute the plan
    Apply(apply::ApplyArgs),
    /// Print the config that this machine would get, without applying it
    Fetch(fetch::FetchArgs),
    /// List and describe platforms, or guess the platform of this machine
    Platform(platform::PlatformArgs),
    /// Run one stage of a first boot, with the flags of `ignition`
    #[command(
        disable_help_flag = true,
        override_usage = "kindling boot -platform NAME -stage STAGE [flags]",
        after_help = boot::help()
    )]
    Boot(boot::BootArgs),
    /// Print the hostname, SSH keys and attributes that the platform provides for this machine
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

/// Runs the command line. The name the program was called by decides how the arguments are parsed.
pub fn main() -> ExitCode {
    survive_file_size_limits();
    keep_rights_of_owner();
    // If this fails, only commands that start other programs are affected.
    let _ = sys::wait_for_children();
    let mut arguments = std::env::args_os();
    let name = Name::of(&arguments.next().unwrap_or_default());
    let arguments: Vec<OsString> = arguments.collect();
    match name {
        Name::Kindling => run_kindling(&arguments),
        Name::Ignition => boot::run(&arguments),
        Name::Validate => drop_in::validate::run(&arguments),
        Name::Apply => drop_in::apply::run(&arguments),
        Name::Rmcfg => drop_in::rmcfg::run(&arguments),
        Name::Butane => translators::butane(&arguments),
        Name::Ct => translators::ct(&arguments),
        Name::IgnConverter => translators::ign_converter(&arguments),
    }
}

/// Makes exceeding the file size limit (RLIMIT_FSIZE) a write error to report, instead of SIGXFSZ killing the process.
/// Programs that we start keep the default action.
fn survive_file_size_limits() {
    // If this fails, the default action stays.
    let _ = signal_hook::flag::register(nix::libc::SIGXFSZ, Arc::default());
}

/// Clears the owner's bits of the umask. With these bits set, directories that are created with the rights of a user
/// could not be entered by that user. The bits for the group and others are kept.
fn keep_rights_of_owner() {
    // The mask can only be read by setting it.
    let mask = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    umask(mask.difference(Mode::S_IRWXU));
}

/// Runs the command line of `kindling`.
fn run_kindling(arguments: &[OsString]) -> ExitCode {
    if arguments.is_empty() {
        let help = Cli::command().render_help().to_string();
        return finish(
            terminal::print(&help)
                .map(|()| Exit::Done)
                .map_err(ExitError::from),
        );
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return finish(print_clap_message(&error));
        }
    };
    if let Some(when) = &cli.color {
        terminal::choose_colours(when);
    }
    finish(match cli.command {
        CliCommand::Validate(args) => validate::run(&args),
        CliCommand::Translate(args) => translate::run(&args),
        CliCommand::ExplainMigration(args) => explain_migration::run(&args),
        CliCommand::Explain(args) => explain::run(&args),
        CliCommand::Schema(args) => schema::run(&args),
        CliCommand::Verify(args) => verify::run(&args),
        CliCommand::Plan(args) => plan::run(&args),
        CliCommand::Diff(args) => diff::run(&args),
        CliCommand::Apply(args) => apply::run(&args),
        CliCommand::Fetch(args) => fetch::run(&args),
        CliCommand::Platform(args) => platform::run(&args),
        CliCommand::Boot(args) => return boot::run(&args.arguments),
        CliCommand::Metadata(args) => metadata::run(&args),
        CliCommand::Report(args) => report::run(&args),
        CliCommand::Developer(args) => developer::run(&args),
        CliCommand::Completions(args) => generate::completions(&args),
        CliCommand::Man(args) => generate::man(&args),
    })
}

/// Prints help or the version to standard output, and usage errors to standard error.
fn print_clap_message(error: &clap::Error) -> Result<Exit, ExitError> {
    let text = error.render().to_string();
    if error.use_stderr() {
        terminal::eprint(&text);
        return Ok(Exit::Usage);
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}

fn finish(result: Result<Exit, ExitError>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}
