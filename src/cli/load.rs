//! Loading a config with everything it refers to.

use super::exit::{Exit, Failure};
use super::findings::{self, Judged};
use super::reading::ReadingArgs;
use super::verify::Distrust;
use crate::config::{self, Document};
use crate::fetch::references::{self, First, SourceFindings, SourceInfo};
use crate::fetch::{FetchError, FetchEvent, FetchEvents, Fetcher, Settings, top};
use crate::language::{self, Language, Surroundings};
use crate::report::Source;
use crate::terminal;
use crate::text::escaped;
use std::ffi::OsStr;

/// A config ready to be planned.
pub struct Loaded {
    /// The merged document.
    pub document: Document,
    /// Every document that went into it.
    pub sources: Vec<SourceInfo>,
    /// A fetcher with the config's own transport settings.
    pub fetcher: Fetcher,
}

impl Loaded {
    /// The sources as plans and reports name them.
    pub fn report_sources(&self) -> Vec<Source> {
        let source = |source: &SourceInfo| Source {
            name: source.name.clone(),
            sha512: source.sha512.clone(),
        };
        self.sources.iter().map(source).collect()
    }
}

/// Hears what there is to say about configs while they are loaded.
pub trait FindingSink: FetchEvents {
    /// A config was judged, and there is something to say about it.
    fn report(&self, judged: &Judged<'_>);
}

/// A person at a terminal. Hears what a fetch is doing as soon as it is not done at the first try.
struct TerminalEvents;

impl FetchEvents for TerminalEvents {
    fn event(&self, event: FetchEvent<'_>) {
        tell_retry(event);
    }
}

impl FindingSink for TerminalEvents {
    fn report(&self, judged: &Judged<'_>) {
        print(judged);
    }
}

/// Says that a fetch did not come at once, and why, or that it lost its protection.
pub(crate) fn tell_retry(event: FetchEvent<'_>) {
    let event_text = escaped(&event.to_string()).into_owned();
    match event {
        FetchEvent::Retry { .. } => terminal::say(&format!("kindling: {event_text}\n")),
        FetchEvent::Downgrade { .. } => terminal::say(&format!("warning: {event_text}\n")),
        _ => {}
    }
}

/// Reads, judges and merges. Findings go to standard error; errors among them end it.
pub fn load(argument: &str, offline: bool, reading: &ReadingArgs) -> Result<Loaded, Failure> {
    let fetcher = Fetcher::new(Settings::desk());
    let fetcher = if offline { fetcher.offline() } else { fetcher };
    load_for(argument.as_ref(), &fetcher, reading, &TerminalEvents)
}

/// Reads, judges and merges. `audience` hears of findings; errors among them end it.
pub fn load_for(
    argument: &OsStr,
    fetcher: &Fetcher,
    reading: &ReadingArgs,
    audience: &dyn FindingSink,
) -> Result<Loaded, Failure> {
    let bad = |error: anyhow::Error| Failure::new(exit_of(&error), &error);
    let top = top::Top::of(argument);
    let text = top::load(&top, fetcher, audience).map_err(|error| bad(error.into()))?;
    load_text(&text.name, &text.text, fetcher, reading, audience)
}

/// Judges a text and merges what it asks for.
pub fn load_text(
    name: &str,
    text: &[u8],
    fetcher: &Fetcher,
    reading: &ReadingArgs,
    audience: &dyn FindingSink,
) -> Result<Loaded, Failure> {
    let files = reading.local_files();
    let surroundings = Surroundings {
        is_followed: true,
        ..reading.surroundings(files.as_ref())
    };
    let first = judge(name, text, reading, surroundings, audience)?;
    let rendered = references::render(first, fetcher, audience).map_err(|error| {
        error
            .findings
            .iter()
            .for_each(|found| pass_on(found, audience));
        let exit = match error.reason.is_untrusted() {
            true => Exit::NotValid,
            false => Exit::BadConfig,
        };
        Failure::new(exit, &error.into())
    })?;
    rendered
        .findings
        .iter()
        .for_each(|found| pass_on(found, audience));
    Ok(Loaded {
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
                .downcast_ref::<top::LoadError>()
                .is_some_and(top::LoadError::is_untrusted)
    });
    match is_distrust {
        true => Exit::NotValid,
        false => Exit::BadConfig,
    }
}

fn judge<'s>(
    name: &str,
    text: &[u8],
    reading: &ReadingArgs,
    surroundings: Surroundings<'s>,
    audience: &dyn FindingSink,
) -> Result<First<'s>, Failure> {
    let text = &*language::unpacked(text);
    let parsed = reading.parse_with(name, text, &surroundings);
    if parsed.outcome.is_err() || !parsed.findings.0.is_empty() {
        audience.report(&Judged::of(name, text, &parsed));
    }
    match parsed.outcome {
        Ok(document) => Ok(First {
            document,
            source: SourceInfo::of(config::shown_source(name), text, false),
            findings: parsed.findings,
            text: text.to_vec(),
            language: reading.language(text).unwrap_or(Language::Ignition),
            surroundings,
        }),
        Err(_) => Err(Failure::said(Exit::BadConfig)),
    }
}

fn pass_on(found: &SourceFindings, audience: &dyn FindingSink) {
    let text = found.text.as_deref().unwrap_or_default();
    audience.report(&Judged {
        source: &found.source,
        text,
        findings: &found.findings,
        error: None,
    });
}

pub(super) fn print(judged: &Judged<'_>) {
    terminal::say(&findings::human(judged, terminal::stderr_has_colours()));
}
