//! Why a stage failed, in parts, so that a screen, a report and a log line can be made of it.

use crate::config::{Findings, Origin, Severity};
use crate::execute::record::{Place, remedy};
use crate::fetch::references::{RenderError, RenderReason};
use crate::plan::Refusal;
use std::fmt;

/// A failure with everything there is to say about it. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What failed, as an act: `write file /etc/motd`.
    pub act: String,
    /// The chain of causes.
    pub cause: String,
    /// Where it was asked for.
    pub origin: Option<Box<Origin>>,
    /// What to do.
    pub remedy: Option<String>,
    /// How many more failed.
    pub more: usize,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.act, self.cause)?;
        if let Some(origin) = &self.origin {
            write!(f, " (asked for at {origin})")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; {more} more"),
        }
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    /// An act that failed, outside any operation.
    pub fn of(act: impl Into<String>, error: &anyhow::Error) -> Self {
        Self {
            act: act.into(),
            cause: format!("{error:#}"),
            origin: None,
            remedy: remedy(error, Place::Boot),
            more: 0,
        }
    }

    /// Wishes that cannot be planned.
    pub fn refused(refusals: &[Refusal]) -> Self {
        let Some(first) = refusals.first() else {
            return Self::bare("plan", "no reason is known");
        };
        let act = first.act.strip_prefix("cannot ").unwrap_or(&first.act);
        Self {
            act: format!("{act} {}", first.object),
            cause: first.cause.clone(),
            origin: first.origin.clone().map(Box::new),
            remedy: Some(first.remedy.clone()).filter(|text| !text.is_empty()),
            more: refusals.len() - 1,
        }
    }

    /// A config that cannot be used. `source` is its name.
    pub fn invalid(source: &str, findings: &Findings, error: &dyn fmt::Display) -> Self {
        let errors = || findings.0.iter().filter(|f| f.severity == Severity::Error);
        let Some(first) = errors().next() else {
            return Self::bare(&format!("use config {source}"), &error.to_string());
        };
        let origin = first.position.map(|at| Origin {
            source: source.into(),
            line: at.line,
            column: at.column,
            path: first
                .path
                .clone()
                .unwrap_or_else(crate::config::JsonPath::root),
        });
        Self {
            act: format!("use config {source}"),
            cause: first.message.clone(),
            origin: origin.map(Box::new),
            remedy: first
                .help
                .clone()
                .or_else(|| Some("check it with `kindling validate` and correct it".into())),
            more: errors().count() - 1,
        }
    }

    /// References that cannot be followed.
    pub fn render(error: &RenderError) -> Self {
        let invalid = matches!(
            *error.reason,
            RenderReason::Invalid { .. } | RenderReason::MergedInvalid
        );
        match error.findings.last().filter(|_| invalid) {
            Some(last) => Self::invalid(&last.source, &last.findings, &error.reason),
            None => Self {
                act: "obtain the config".into(),
                cause: error.reason.to_string(),
                origin: error.reason.origin().cloned().map(Box::new),
                remedy: None,
                more: 0,
            },
        }
    }

    fn bare(act: &str, cause: &str) -> Self {
        Self {
            act: act.into(),
            cause: cause.into(),
            origin: None,
            remedy: None,
            more: 0,
        }
    }
}

impl From<anyhow::Error> for Trouble {
    /// What a trouble was wrapped in before comes out again.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Trouble>() {
            Ok(trouble) => trouble,
            Err(error) => Trouble::of("go on", &error),
        }
    }
}
