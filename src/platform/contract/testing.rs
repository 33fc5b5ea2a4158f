//! A context for tests of platforms.

use super::context::FetchContext;
use crate::fetch::{Fetcher, Silent};
use crate::log::{Log, Sink};
use std::path::Path;

/// Runs `work` in a context without a network; returns its result and the log.
pub(crate) fn in_context<T>(
    config_file: &Path,
    work: impl FnOnce(&mut FetchContext<'_>) -> T,
) -> (T, String) {
    let (sink, text) = Sink::memory();
    let log = Log::new(sink);
    let mut context = FetchContext {
        fetcher: Fetcher::default().offline(),
        events: &Silent,
        log: &log,
        config_file,
        output_files: Vec::new(),
    };
    let result = work(&mut context);
    let text = text.lock().expect("one thread").clone();
    (result, text)
}
