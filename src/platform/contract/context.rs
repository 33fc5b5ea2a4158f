//! What a platform is given when it is asked.

use crate::config::model::File;
use crate::fetch::{FetchEvents, Fetcher};
use crate::log::Log;
use std::path::Path;

/// What a platform is given when it is asked.
pub struct FetchContext<'a> {
    /// The client; offline in stages that must do without a network. `Platform::init` may put credentials into it.
    pub fetcher: Fetcher,
    /// Told of fetches, and asked whether they are cancelled.
    pub events: &'a (dyn FetchEvents + Sync),
    /// Where messages go.
    pub log: &'a Log,
    /// Path of the config of platform `file`.
    pub config_file: &'a Path,
    /// Files that the platform supplies besides the config. The files stage writes them, with or without a config.
    pub output_files: Vec<File>,
}
