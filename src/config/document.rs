//! A parsed config with the place of each value.

use super::{Config, JsonPath, Origin};

/// A config in the latest version whose values know where they came from.
#[derive(Debug, Clone, Default)]
pub struct Document {
    config: Config,
}

impl Document {
    /// The typed config.
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// Where the value at `path` of this (possibly merged) document came from.
    pub fn origin(&self, _path: &JsonPath) -> Option<Origin> {
        None
    }
}

impl From<Config> for Document {
    /// A document without origins, for tests and generated configs.
    fn from(config: Config) -> Self {
        Self { config }
    }
}
