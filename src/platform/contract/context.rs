//! The context that platforms run in.

use crate::config::model::File;
use crate::fetch::{FetchEvents, Fetcher};
use crate::log::Log;
use std::path::Path;

/// What a platform needs to obtain its config.
pub struct FetchContext<'a> {
    /// The client; offline in stages that must not use a network. `Platform::init` may add credentials to it.
    pub fetcher: Fetcher,
    /// Receives events of fetches, and decides about cancellation.
    pub events: &'a (dyn FetchEvents + Sync),
    /// The log.
    pub log: &'a Log,
    /// Path of the config of platform `file`.
    pub config_file: &'a Path,
    /// Files that the platform supplies in addition to the config. The files stage writes them, even without a config.
    pub output_files: Vec<File>,
}
