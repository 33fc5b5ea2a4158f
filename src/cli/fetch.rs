//! `kindling fetch`: prints the config that this machine would get, without applying it.

use super::duration_arg::{self, TimeLimit};
use super::exit::{Exit, ExitError};
use super::load::{self, FindingSink};
use super::platform::unknown_platform;
use super::reading::ReadingArgs;
use super::suggested;
use crate::acquire::environment::Environment;
use crate::acquire::source::{self, AcquireOutcome};
use crate::acquire::{base, fetcher_setup, instance};
use crate::config::Document;
use crate::fetch::{FetchEvent, FetchEvents, Fetcher, Settings};
use crate::language;
use crate::log::{Log, Sink};
use crate::platform::{self, FetchContext, Platform};
use crate::terminal;
use crate::text::escaped;
use clap::Args;
use std::time::Instant;

/// `kindling fetch`
#[derive(Debug, Args)]
#[command(
    long_about = "Obtain the config that this machine would get on its first boot, and print it without applying it.\n\n\
The sources are asked in the order of a boot: the kernel command line, user.ign in the directories of the system, \
then the platform. The config is printed unchanged; its source and every attempt are reported on \
standard error."
)]
pub(crate) struct FetchArgs {
    /// The kind of machine this is; `kindling platform list` lists them
    #[arg(long, value_name = "ID", value_parser = suggested::platform(), hide_possible_values = true)]
    platform: String,
    /// Use no network, as the stage fetch-offline does; exit code 2 if one is needed
    #[arg(long)]
    offline: bool,
    /// Validate the config, and print it as JSON, merged with the base config of the system and all configs it refers to
    #[arg(long)]
    rendered: bool,
    /// Give up after this time, e.g. 30s; 0 waits as long as a boot does
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration_arg::parse)]
    timeout: TimeLimit,
    /// Read the config even if it can be read only once and is gone afterwards
    #[arg(long)]
    consume: bool,
}

/// Logs the events of a fetch to the terminal, and cancels it at a deadline.
struct TerminalFetch<'a> {
    log: &'a Log,
    deadline: Option<Instant>,
}

impl FetchEvents for TerminalFetch<'_> {
    fn event(&self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Announced { .. }
            | FetchEvent::Received { .. }
            | FetchEvent::Verified { .. } => {}
            FetchEvent::Downgrade { .. } => self.log.warning(event),
            _ => self.log.info(event),
        }
    }

    fn cancelled(&self) -> bool {
        self.deadline.is_some_and(|end| Instant::now() >= end)
    }
}

impl FindingSink for TerminalFetch<'_> {
    fn report(&self, checked: &super::findings::CheckedConfig<'_>) {
        load::print(checked);
    }
}

/// Obtains and prints the config.
pub(crate) fn run(args: &FetchArgs) -> Result<Exit, ExitError> {
    let platform =
        platform::find(&args.platform).ok_or_else(|| unknown_platform(&args.platform))?;
    if platform.is_read_once() && !args.consume {
        let id = platform.id();
        return Err(ExitError::usage(format!(
            "platform {id} provides its config only once: reading it now leaves none for the next boot (use --consume to read it anyway)"
        )));
    }
    let config_error = |error: anyhow::Error| ExitError::new(load::exit_of(&error), &error);
    let log = Log::new(Sink::Stderr);
    let environment = Environment::of_process().map_err(config_error)?;
    let fetcher = fetcher(args, platform, &environment, &log).map_err(config_error)?;
    let sink = TerminalFetch {
        log: &log,
        deadline: args.timeout.0.map(|limit| Instant::now() + limit),
    };
    let mut context = FetchContext {
        fetcher: fetcher.clone(),
        events: &sink,
        log: &log,
        config_file: &environment.config_file,
        output_files: Vec::new(),
    };
    let outcome = source::obtain(&environment, platform, &mut context).map_err(|error| {
        config_error(match sink.cancelled() {
            true => error.context("gave up waiting for the config (--timeout)"),
            false => error,
        })
    })?;
    match outcome {
        AcquireOutcome::Config { source, name, text } => {
            let bytes = text.len();
            eprint(&format_args!("{bytes} bytes from {source}: {name}"));
            match args.rendered {
                false => print(&text),
                true => {
                    let reading = reading(platform, &mut context, &source, &text)
                        .map_err(|error| ExitError::new(Exit::CannotObserve, &error))?;
                    let loaded = load::load_text(&name, &text, &fetcher, &reading, &sink)?;
                    let user = loaded.document;
                    print(&merged(args, &environment, &user, &log).map_err(config_error)?)
                }
            }
        }
        AcquireOutcome::Empty { source } => {
            eprint(&format_args!(
                "{source} has no config; a boot would continue without one"
            ));
            Ok(Exit::NotValid)
        }
        AcquireOutcome::NeedsNetwork { what } => {
            eprint(&format_args!("a network is required: {what}"));
            Ok(Exit::Changes)
        }
    }
}

/// How a boot would read the config: with the platform's instance metadata, if the config uses it.
fn reading(
    platform: &dyn Platform,
    context: &mut FetchContext<'_>,
    source: &str,
    text: &[u8],
) -> anyhow::Result<ReadingArgs> {
    let language = language::detect(&language::unpacked(text)).ok();
    let instance = language.map(|language| instance::instance(platform, context, source, language));
    Ok(ReadingArgs {
        metadata: instance.transpose()?,
        platform: Some(platform.id().into()),
        ..ReadingArgs::default()
    })
}

fn fetcher(
    args: &FetchArgs,
    platform: &dyn Platform,
    environment: &Environment,
    log: &Log,
) -> anyhow::Result<Fetcher> {
    let settings = Settings::with_fallback_total(args.timeout.0);
    let trust = fetcher_setup::trust(environment, log)?;
    let fetcher = fetcher_setup::fetcher(platform, environment, settings, trust, log)?;
    Ok(match args.offline {
        true => fetcher.offline(),
        false => fetcher,
    })
}

/// The config that the stages of a boot would apply, as JSON.
fn merged(
    args: &FetchArgs,
    environment: &Environment,
    user: &Document,
    log: &Log,
) -> anyhow::Result<Vec<u8>> {
    let base = base::load(&environment.config_dirs, &args.platform, log)?;
    let mut text = Document::merge(&base, user).to_json()?;
    text.push(b'\n');
    Ok(text)
}

fn print(text: &[u8]) -> Result<Exit, ExitError> {
    terminal::write(text)?;
    Ok(Exit::Done)
}

fn eprint(what: &dyn std::fmt::Display) {
    terminal::eprint(&format!("kindling: {}\n", escaped(&what.to_string())));
}
