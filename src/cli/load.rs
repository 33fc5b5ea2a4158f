//! Loads a config with everything it refers to.

use super::exit::{Distrust, Exit, ExitError};
use super::findings::{self, CheckedConfig};
use super::reading::ReadingArgs;
use crate::acquire::first::{self, First, SourceInfo};
use crate::acquire::location::{self, ConfigLocation, ConfigText, LoadError};
use crate::acquire::references::{self, SourceFindings};
use crate::config::{self, Document};
use crate::fetch::{FetchError, FetchEvent, FetchEvents, Fetcher, Settings};
use crate::language::{self, Surroundings};
use crate::report::Source;
use crate::terminal;
use crate::text::escaped;
use std::ffi::OsStr;

/// A config ready to be planned.
pub(crate) struct LoadedConfig {
    /// The merged document.
    pub document: Document,
    /// Every document that went into it.
    pub sources: Vec<SourceInfo>,
    /// A fetcher with the config's own transport settings.
    pub fetcher: Fetcher,
}

impl LoadedConfig {
    /// The sources, in the form that plans and reports have.
    pub(crate) fn report_sources(&self) -> Vec<Source> {
        let source = |source: &SourceInfo| Source {
            name: source.name.clone(),
            sha512: source.sha512.clone(),
        };
        self.sources.iter().map(source).collect()
    }
}

/// Receives the findings about configs while they are loaded.
pub(crate) trait FindingSink: FetchEvents {
    /// Called for a config that has findings or cannot be used.
    fn report(&self, checked: &CheckedConfig<'_>);
}

/// Prints findings, and fetches that do not succeed at the first attempt, to the terminal.
pub(crate) struct TerminalEvents;

impl FetchEvents for TerminalEvents {
    fn event(&self, event: FetchEvent<'_>) {
        print_fetch_problem(event);
    }
}

impl FindingSink for TerminalEvents {
    fn report(&self, checked: &CheckedConfig<'_>) {
        print(checked);
    }
}

/// Prints that a fetch is retried, and why, or that it was downgraded to an insecure protocol.
pub(crate) fn print_fetch_problem(event: FetchEvent<'_>) {
    let kind = match event {
        FetchEvent::Retry { .. } => "kindling",
        FetchEvent::Downgrade { .. } => "warning",
        _ => return,
    };
    terminal::eprint(&format!("{kind}: {}\n", escaped(&event.to_string())));
}

/// Reads, checks and merges a config and those it refers to. Findings go to standard error; an error ends it.
pub(crate) fn load(
    argument: &str,
    offline: bool,
    reading: &ReadingArgs,
) -> Result<LoadedConfig, ExitError> {
    let fetcher = Fetcher::new(Settings::interactive());
    let fetcher = if offline { fetcher.offline() } else { fetcher };
    load_for(argument.as_ref(), &fetcher, reading, &TerminalEvents)
}

/// Reads, checks and merges a config and those it refers to. `sink` receives the findings; an error ends it.
pub(crate) fn load_for(
    argument: &OsStr,
    fetcher: &Fetcher,
    reading: &ReadingArgs,
    sink: &dyn FindingSink,
) -> Result<LoadedConfig, ExitError> {
    let bad = |error: anyhow::Error| ExitError::new(exit_of(&error), &error);
    let location = ConfigLocation::of(argument);
    let ConfigText { name, text } =
        location::load(&location, fetcher, sink).map_err(|error| bad(error.into()))?;
    config::sharing(text, |text| load_text(&name, text, fetcher, reading, sink))
}

/// Checks a text and merges the configs it refers to.
pub(crate) fn load_text(
    name: &str,
    text: &[u8],
    fetcher: &Fetcher,
    reading: &ReadingArgs,
    sink: &dyn FindingSink,
) -> Result<LoadedConfig, ExitError> {
    let files = reading.local_files();
    let surroundings = Surroundings {
        is_followed: true,
        ..reading.surroundings(files.as_ref())
    };
    let first = read(name, text, reading, surroundings, sink)?;
    let rendered = references::render(first, fetcher, sink).map_err(|error| {
        error
            .findings
            .iter()
            .for_each(|found| report_findings(found, sink));
        let exit = match error.reason.is_untrusted() {
            true => Exit::NotValid,
            false => Exit::BadConfig,
        };
        ExitError::new(exit, &error.into())
    })?;
    rendered
        .findings
        .iter()
        .for_each(|found| report_findings(found, sink));
    Ok(LoadedConfig {
        document: rendered.document,
        sources: rendered.sources,
        fetcher: rendered.fetcher,
    })
}

/// The exit code for an error: a config that is not trusted has one of its own.
pub(super) fn exit_of(error: &anyhow::Error) -> Exit {
    let is_distrust = error.chain().any(|cause| {
        cause.is::<Distrust>()
            || matches!(cause.downcast_ref(), Some(FetchError::Untrusted { .. }))
            || cause
                .downcast_ref::<LoadError>()
                .is_some_and(LoadError::is_untrusted)
    });
    match is_distrust {
        true => Exit::NotValid,
        false => Exit::BadConfig,
    }
}

fn read<'s>(
    name: &str,
    text: &[u8],
    reading: &ReadingArgs,
    surroundings: Surroundings<'s>,
    sink: &dyn FindingSink,
) -> Result<First<'s>, ExitError> {
    let text = &*language::unpacked(text);
    let read = first::read(name, text, reading.stated_language(), surroundings);
    let error = read.outcome.as_ref().err();
    if error.is_some() || !read.findings.0.is_empty() {
        sink.report(&CheckedConfig {
            source: config::shown_source(name),
            text,
            findings: &read.findings,
            error,
        });
    }
    read.outcome.map_err(|_| ExitError::silent(Exit::BadConfig))
}

fn report_findings(found: &SourceFindings, sink: &dyn FindingSink) {
    let text = found.text.as_deref().unwrap_or_default();
    sink.report(&CheckedConfig {
        source: &found.source,
        text,
        findings: &found.findings,
        error: None,
    });
}

pub(super) fn print(checked: &CheckedConfig<'_>) {
    terminal::eprint(&findings::human(checked, terminal::stderr_has_colours()));
}
