//! Where a value came from.

use crate::text::escaped;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A JSON path: `$` followed by `.member` and `.index`, e.g. `$.storage.files.0.path`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonPath(String);

impl JsonPath {
    /// The document itself.
    pub fn root() -> Self {
        Self("$".into())
    }
    /// A path from its text form.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The path of member or index `part` below this one.
    pub fn join(&self, part: impl fmt::Display) -> Self {
        Self(format!("{}.{part}", self.0))
    }
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The path of the value that the first parts lead to.
    pub(crate) fn first(&self, parts: usize) -> Self {
        let end = self.0.match_indices('.').nth(parts);
        Self(end.map_or(&*self.0, |(at, _)| &self.0[..at]).into())
    }
    /// The parts after `$`.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('.').skip(1)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place in a config that requested something; shown in plans, errors and reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// File name or URL of the document; `data:` URLs appear as `data:` only, they may hold secrets.
    pub source: Arc<str>,
    /// 1-based line in that document, counted in LF.
    pub line: u32,
    /// 1-based column, counted in bytes.
    pub column: u32,
    /// Path within that document (not within the merged config).
    pub path: JsonPath,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{} ({})",
            escaped(&self.source),
            self.line,
            self.column,
            escaped(&self.path.to_string())
        )
    }
}
