//! What one stage works with.

use super::args::StageArgs;
use super::state::State;
use crate::acquire::environment::Environment;
use crate::acquire::first::SourceInfo;
use crate::config::model::File;
use crate::fetch::{FetchEvents, Fetcher};
use crate::log::Log;
use crate::narration::console::ConsoleProgress;
use crate::narration::log_lines::Fetches;
use crate::platform::{FetchContext, Platform};
use std::sync::atomic::AtomicBool;

/// A stage under way.
pub(crate) struct Engine<'a> {
    /// Flags.
    pub args: &'a StageArgs,
    pub environment: &'a Environment,
    /// True on Flatcar.
    pub flatcar: bool,
    pub platform: &'static dyn Platform,
    pub log: &'a Log,
    /// The console.
    pub progress: &'a ConsoleProgress,
    /// With the transport settings in force.
    pub fetcher: Fetcher,
    /// What passes between stages.
    pub state: State,
    /// Every config text that was read.
    pub sources: Vec<SourceInfo>,
}

impl<'a> Engine<'a> {
    /// What the platform works with.
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

    /// Tells the log of fetches that end with `stop`.
    pub(crate) fn fetches<'s>(&self, stop: &'s AtomicBool) -> Fetches<'s>
    where
        'a: 's,
    {
        Fetches {
            log: self.log,
            stop,
            progress: Some(self.progress),
        }
    }

    /// Keeps the files a platform hands over, for the files stage.
    pub(crate) fn keep_output_files(&mut self, files: Vec<File>) {
        if !files.is_empty() {
            self.state.provider_output_files = Some(files);
        }
    }
}
