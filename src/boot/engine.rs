//! The context of one stage.

use super::args::StageArgs;
use super::state::State;
use crate::acquire::environment::Environment;
use crate::acquire::first::SourceInfo;
use crate::config::model::File;
use crate::fetch::{FetchEvents, Fetcher};
use crate::log::Log;
use crate::narration::console::ConsoleProgress;
use crate::narration::log_lines::FetchLogger;
use crate::platform::{FetchContext, Platform};
use std::sync::atomic::AtomicBool;

/// A running stage.
pub(crate) struct Engine<'a> {
    /// The parsed flags.
    pub args: &'a StageArgs,
    pub environment: &'a Environment,
    /// True on Flatcar.
    pub is_flatcar: bool,
    pub platform: &'static dyn Platform,
    pub log: &'a Log,
    /// Progress on the consoles.
    pub progress: &'a ConsoleProgress,
    /// Has the transport settings in force.
    pub fetcher: Fetcher,
    /// State passed between stages.
    pub state: State,
    /// Every config that was read.
    pub sources: Vec<SourceInfo>,
}

impl<'a> Engine<'a> {
    /// The context for calls to the platform.
    pub(crate) fn context<'s>(&self, events: &'s (dyn FetchEvents + Sync)) -> FetchContext<'s>
    where
        'a: 's,
    {
        FetchContext {
            fetcher: self.fetcher.clone(),
            events,
            log: self.log,
            config_file: &self.environment.config_file,
            output_files: Vec::new(),
        }
    }

    /// Logs fetches, and cancels them when `stop` is set.
    pub(crate) fn fetch_logger<'s>(&self, stop: &'s AtomicBool) -> FetchLogger<'s>
    where
        'a: 's,
    {
        FetchLogger {
            log: self.log,
            stop,
            progress: Some(self.progress),
        }
    }

    /// Stores the files that a platform provides for the files stage.
    pub(crate) fn keep_output_files(&mut self, files: Vec<File>) {
        if !files.is_empty() {
            self.state.provider_output_files = Some(files);
        }
    }
}
