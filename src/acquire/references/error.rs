//! Why the references of a config cannot be followed.

use super::{MAX_DEPTH, MAX_FETCHES, MAX_TOTAL_BYTES, SourceFindings};
use crate::config::{Origin, ParseError};
use crate::fetch::FetchError;
use std::fmt;

/// Why there is no merged document.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RenderError {
    /// The reason.
    pub reason: Box<RenderReason>,
    /// What was found in the configs read so far; for [`RenderReason::Invalid`] and
    /// [`RenderReason::MergedInvalid`] the last of them are the cause.
    pub findings: Vec<SourceFindings>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum RenderReason {
    /// A resource cannot be fetched.
    #[error("cannot fetch the {reference}: {}", .error.with_remedy())]
    Fetch {
        /// The reference.
        reference: Box<Reference>,
        /// The cause.
        error: FetchError,
    },
    /// The text is empty. Ignition would then ignore all configs.
    #[error("the {reference} is not a config (empty); give it a text, or remove the reference")]
    Empty {
        /// The reference.
        reference: Box<Reference>,
    },
    /// The text is not a usable config.
    #[error("the {reference}, {}, cannot be used: {}", .reference.url, unusable(error))]
    Invalid {
        /// The reference.
        reference: Box<Reference>,
        /// The cause, in short.
        error: ParseError,
    },
    /// References are nested too deeply: most likely, configs refer to each other in a cycle.
    #[error("not fetching the {reference}: configs refer to configs more than {MAX_DEPTH} deep; does {} lead back to itself?", .reference.url)]
    TooDeep {
        /// The first one over the limit.
        reference: Box<Reference>,
    },
    /// There are too many references: most likely for the same reason.
    #[error("not fetching the {reference}: more than {MAX_FETCHES} configs already; does {} lead back to itself?", .reference.url)]
    TooMany {
        /// The first one over the limit.
        reference: Box<Reference>,
    },
    /// All configs together are too large.
    #[error("cannot use the {reference}: with it, the configs of this run have more than {} MiB together; put large contents into files with a URL of their own", MAX_TOTAL_BYTES >> 20)]
    TooLarge {
        /// The first one over the limit.
        reference: Box<Reference>,
    },
    /// Each config is valid, but the merged one is not.
    #[error("merging gave an invalid config")]
    MergedInvalid,
}

/// A place in a config that refers to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it is for.
    pub role: ReferenceRole,
    /// The redacted URL.
    pub url: String,
    /// Where the URL is in the config.
    pub origin: Option<Origin>,
}

/// What a reference is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceRole {
    /// `ignition.config.merge`
    Merge,
    /// `ignition.config.replace`
    Replace,
    /// `ignition.security.tls.certificateAuthorities`
    Authority,
}

impl RenderReason {
    /// Where the reference is that could not be followed.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            RenderReason::Fetch { reference, .. }
            | RenderReason::Empty { reference }
            | RenderReason::Invalid { reference, .. }
            | RenderReason::TooDeep { reference }
            | RenderReason::TooMany { reference }
            | RenderReason::TooLarge { reference } => reference.origin.as_ref(),
            RenderReason::MergedInvalid => None,
        }
    }
    /// The fetch error, if the resource could not be fetched.
    pub fn fetch_error(&self) -> Option<&FetchError> {
        match self {
            RenderReason::Fetch { error, .. } => Some(error),
            _ => None,
        }
    }
    /// True if there is a config, but it is not trusted.
    pub fn is_untrusted(&self) -> bool {
        matches!(
            self,
            RenderReason::Fetch {
                error: FetchError::Untrusted { .. },
                ..
            }
        )
    }
    /// True if nothing but the missing network is wrong.
    pub fn needs_network(&self) -> bool {
        matches!(self, RenderReason::Fetch { error, .. } if error.needs_network())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.role {
            ReferenceRole::Merge => "config to merge",
            ReferenceRole::Replace => "replacing config",
            ReferenceRole::Authority => "certificate authorities",
        })?;
        match &self.origin {
            Some(origin) => write!(f, " named at {origin}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a referenced text, and what to do, where no finding covers it.
fn unusable(error: &ParseError) -> String {
    match error.advice() {
        Some((problem, remedy)) => format!("{problem} ({remedy})"),
        None => error.to_string(),
    }
}
