//! Loading a config with everything it refers to.

use super::exit::{Distrust, Exit, ExitError};
use super::findings::{self, JudgedConfig};
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
    /// The sources as plans and reports name them.
    pub(crate) fn report_sources(&self) -> Vec<Source> {
        let source = |source: &SourceInfo| Source {
            name: source.name.clone(),
            sha512: source.sha512.clone(),
        };
        self.sources.iter().map(source).collect()
    }
}

/// Hears what there is to say about configs while they are loaded.
pub(crate) trait FindingSink: FetchEvents {
    /// A config was judged, and there is something to say about it.
    fn report(&self, judged: &JudgedConfig<'_>);
}

/// A person at a terminal. Hears what a fetch is doing as soon as it is not done at the first try.
struct ConfigFetchEvents;

impl FetchEvents for ConfigFetchEvents {
    fn event(&self, event: FetchEvent<'_>) {
        tell_retry(event);
    }
}

impl FindingSink for ConfigFetchEvents {
    fn report(&self, judged: &JudgedConfig<'_>) {
        print(judged);
    }
}

/// Says that a fetch did not come at once, and why, or that it lost its protection.
pub(crate) fn tell_retry(event: FetchEvent<'_>) {
    let kind = match event {
        FetchEvent::Retry { .. } => "kindling",
        FetchEvent::Downgrade { .. } => "warning",
        _ => return,
    };
    terminal::say(&format!("{kind}: {}\n", escaped(&event.to_string())));
}

/// Reads, judges and merges. Findings go to standard error; errors among them end it.
pub(crate) fn load(
    argument: &str,
    offline: bool,
    reading: &ReadingArgs,
) -> Result<LoadedConfig, ExitError> {
    let fetcher = Fetcher::new(Settings::desk());
    let fetcher = if offline { fetcher.offline() } else { fetcher };
    load_for(argument.as_ref(), &fetcher, reading, &ConfigFetchEvents)
}

/// Reads, judges and merges. `audience` hears of findings; errors among them end it.
pub(crate) fn load_for(
    argument: &OsStr,
    fetcher: &Fetcher,
    reading: &ReadingArgs,
    audience: &dyn FindingSink,
) -> Result<LoadedConfig, ExitError> {
    let bad = |error: anyhow::Error| ExitError::new(exit_of(&error), &error);
    let location = ConfigLocation::of(argument);
    let ConfigText { name, text } =
        location::load(&location, fetcher, audience).map_err(|error| bad(error.into()))?;
    config::sharing(text, |text| {
        load_text(&name, text, fetcher, reading, audience)
    })
}

/// Judges a text and merges what it asks for.
pub(crate) fn load_text(
    name: &str,
    text: &[u8],
    fetcher: &Fetcher,
    reading: &ReadingArgs,
    audience: &dyn FindingSink,
) -> Result<LoadedConfig, ExitError> {
    let files = reading.local_files();
    let surroundings = Surroundings {
        is_followed: true,
        ..reading.surroundings(files.as_ref())
    };
    let first = read(name, text, reading, surroundings, audience)?;
    let rendered = references::render(first, fetcher, audience).map_err(|error| {
        error
            .findings
            .iter()
            .for_each(|found| pass_on(found, audience));
        let exit = match error.reason.is_untrusted() {
            true => Exit::NotValid,
            false => Exit::BadConfig,
        };
        ExitError::new(exit, &error.into())
    })?;
    rendered
        .findings
        .iter()
        .for_each(|found| pass_on(found, audience));
    Ok(LoadedConfig {
        document: rendered.document,
        sources: rendered.sources,
        fetcher: rendered.fetcher,
    })
}

/// A config that is not trusted is something else than one that cannot be used.
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
    audience: &dyn FindingSink,
) -> Result<First<'s>, ExitError> {
    let text = &*language::unpacked(text);
    let read = first::read(name, text, reading.stated_language(), surroundings);
    let error = read.outcome.as_ref().err();
    if error.is_some() || !read.findings.0.is_empty() {
        audience.report(&JudgedConfig {
            source: config::shown_source(name),
            text,
            findings: &read.findings,
            error,
        });
    }
    read.outcome.map_err(|_| ExitError::said(Exit::BadConfig))
}

fn pass_on(found: &SourceFindings, audience: &dyn FindingSink) {
    let text = found.text.as_deref().unwrap_or_default();
    audience.report(&JudgedConfig {
        source: &found.source,
        text,
        findings: &found.findings,
        error: None,
    });
}

pub(super) fn print(judged: &JudgedConfig<'_>) {
    terminal::say(&findings::human(judged, terminal::stderr_has_colours()));
}
