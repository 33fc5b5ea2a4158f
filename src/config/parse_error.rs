//! Why a text is not a config, and what to do about it.

use super::finding::Position;
use super::stated::{StatedVersion, malformed_help, unsupported_help};

/// Why a text is not a config. For `Decode` and `Invalid` the findings have the details.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Zero bytes. White space is not empty.
    #[error("not a config (empty)")]
    Empty,
    /// Not JSON, or a value of a wrong JSON type.
    #[error("config is not valid")]
    Decode,
    /// `ignition.version` is absent or malformed.
    #[error("invalid config version (couldn't parse)")]
    BadVersion(StatedVersion),
    /// A version that is not accepted.
    #[error("unsupported config version")]
    Unsupported(StatedVersion),
    /// At least one rule is broken.
    #[error("config is not valid")]
    Invalid,
}

impl ParseError {
    /// What is wrong with the text as a whole, and what to do. `None` for `Decode` and `Invalid`, which findings
    /// explain.
    pub fn advice(&self) -> Option<(String, String)> {
        let remedy = match self {
            ParseError::Empty => {
                "the smallest config is {\"ignition\": {\"version\": \"3.6.0\"}}".into()
            }
            ParseError::BadVersion(stated) => malformed_help(stated),
            ParseError::Unsupported(stated) => unsupported_help(&stated.text),
            ParseError::Decode | ParseError::Invalid => return None,
        };
        let problem = match self {
            ParseError::Unsupported(stated) => {
                format!("{self}: {}", stated.text.escape_debug())
            }
            _ => self.to_string(),
        };
        Some((problem, remedy))
    }

    /// The position of the version, if that is what is wrong.
    pub fn version_position(&self) -> Option<Position> {
        match self {
            ParseError::BadVersion(stated) | ParseError::Unsupported(stated) => stated.position,
            ParseError::Empty | ParseError::Decode | ParseError::Invalid => None,
        }
    }
}
