//! Shell completions and manual pages, generated from the argument definitions.

use super::Cli;
use super::examples::{self, Example};
use super::exit::{Exit, ExitError};
use crate::terminal;
use anyhow::Context;
use clap::{Args, CommandFactory};
use std::io;
use std::path::{Path, PathBuf};

/// `kindling completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete for
    shell: clap_complete::Shell,
}

/// `kindling man`
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Directory the pages are written to
    directory: PathBuf,
}

/// Prints a completion script.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, ExitError> {
    let mut script = Vec::new();
    let command = &mut visible(&Cli::command());
    clap_complete::generate(args.shell, command, "kindling", &mut script);
    terminal::write(&script)?;
    Ok(Exit::Done)
}

/// The command line without hidden commands, which completion scripts would include.
fn visible(command: &clap::Command) -> clap::Command {
    let subcommands = command.get_subcommands().filter(|one| !one.is_hide_set());
    clap::Command::new("kindling")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(subcommands.cloned())
}

/// Writes one manual page per command.
pub(crate) fn man(args: &ManArgs) -> Result<Exit, ExitError> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(&args.directory)
        .and_then(|()| write_pages(&command, "", &args.directory))
        .with_context(|| format!("cannot write manual pages to {}", args.directory.display()))
        .map_err(|error| ExitError::new(Exit::Failed, &error))?;
    Ok(Exit::Done)
}

/// Writes the pages of a command and its subcommands; `name` is the command without the program's name.
fn write_pages(command: &clap::Command, name: &str, directory: &Path) -> io::Result<()> {
    let file = match name.is_empty() {
        true => "kindling.1".to_owned(),
        false => format!("kindling-{}.1", name.replace(' ', "-")),
    };
    std::fs::write(directory.join(file), page(command, name)?)?;
    let visible = command.get_subcommands().filter(|one| !one.is_hide_set());
    for one in visible {
        let words = [name, one.get_name()].join(" ");
        write_pages(one, words.trim_start(), directory)?;
    }
    Ok(())
}

/// The manual page of a command, with examples before the version, where readers expect them.
fn page(command: &clap::Command, name: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let version = b"\n.SH VERSION\n";
    let place = page.windows(version.len()).position(|part| part == version);
    let place = place.map_or(page.len(), |place| place + 1);
    page.splice(place..place, examples_section(name).into_bytes());
    Ok(page)
}

fn examples_section(name: &str) -> String {
    let mut section = String::from(".SH EXAMPLES\n");
    for Example { purpose, words } in examples::of(name) {
        let words = words.replace('-', "\\-");
        section += &format!(".TP\n{purpose}:\n.nf\nkindling {words}\n.fi\n");
    }
    section
}
