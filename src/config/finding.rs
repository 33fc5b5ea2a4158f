//! Findings: what validation reports.

use super::origin::JsonPath;
use crate::text::escaped;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a finding is. Only errors stop anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The config cannot be used.
    Error,
    /// The config does something other than its author may think.
    Warning,
    /// Worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        })
    }
}

/// A position in a text; both numbers are 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Line; lines end with LF.
    pub line: u32,
    /// Column, counted in bytes.
    pub column: u32,
}

/// One remark about a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Where in the JSON tree, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<JsonPath>,
    /// Where in the text, when known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, e.g. the closest known key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl fmt::Display for Finding {
    /// `error at $.path, line 3 col 7: message`, the form Ignition users know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.severity)?;
        let path = self.path.as_ref().map(JsonPath::to_string);
        let path = path.as_deref().map(escaped);
        match (path, self.position) {
            (Some(p), Some(at)) => write!(f, " at {p}, line {} col {}", at.line, at.column)?,
            (Some(p), None) => write!(f, " at {p}")?,
            (None, Some(at)) => write!(f, " at line {} col {}", at.line, at.column)?,
            (None, None) => {}
        }
        write!(f, ": {}", escaped(&self.message))
    }
}

/// All findings of one document, in report order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// True if any finding is an error.
    pub fn is_fatal(&self) -> bool {
        self.0.iter().any(|f| f.severity == Severity::Error)
    }
}
