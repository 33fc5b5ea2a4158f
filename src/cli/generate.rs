//! Shell completions and manual pages, made from the argument definitions.

use super::Cli;
use super::exit::{Exit, Failure};
use crate::terminal;
use anyhow::Context;
use clap::{Args, CommandFactory};
use std::path::PathBuf;

/// `kindling completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete for
    shell: clap_complete::Shell,
}

/// `kindling man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Directory the pages are written to
    directory: PathBuf,
}

/// Prints a completion script.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let command = &mut visible(&Cli::command());
    clap_complete::generate(args.shell, command, "kindling", &mut script);
    terminal::write(&script)?;
    Ok(Exit::Done)
}

/// The command line without hidden commands, which would be completed as well.
fn visible(command: &clap::Command) -> clap::Command {
    let subcommands = command.get_subcommands().filter(|one| !one.is_hide_set());
    clap::Command::new("kindling")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(subcommands.cloned())
}

/// Writes one manual page per command.
pub fn man(args: &ManArgs) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.directory))
        .with_context(|| format!("cannot write manual pages to {}", args.directory.display()))
        .map_err(|error| Failure::new(Exit::Failed, &error))?;
    Ok(Exit::Done)
}
