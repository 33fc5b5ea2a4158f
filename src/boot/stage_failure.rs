//! The failure of a stage, in parts that the screen, the report and the log are made from.

use crate::acquire::references::{RenderError, RenderReason};
use crate::config::{Findings, Origin, Severity};
use crate::failure::{ErrorCode, Failure};
use crate::report::code;
use crate::report::remedy::{Audience, remedy};
use std::fmt;

/// The remedy for a config that has errors.
const CHECK_REMEDY: &str = "check it with `kindling validate` and correct it";

/// Why a stage failed: the first failure, and the number of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageFailure {
    /// The first failure.
    pub failure: Box<Failure>,
    /// The number of further failures.
    pub more: usize,
}

impl fmt::Display for StageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure.line())?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; {more} more"),
        }
    }
}

impl std::error::Error for StageFailure {}

impl From<Failure> for StageFailure {
    fn from(failure: Failure) -> Self {
        Self {
            failure: Box::new(failure),
            more: 0,
        }
    }
}

impl StageFailure {
    /// An act that failed outside of any operation.
    pub(crate) fn of(act: impl Into<String>, error: &anyhow::Error) -> Self {
        Self::at(act, error, None)
    }

    /// An act that failed, requested at `origin`.
    pub(crate) fn at(
        act: impl Into<String>,
        error: &anyhow::Error,
        origin: Option<Origin>,
    ) -> Self {
        let failure = Failure {
            origin,
            remedy: remedy(error, Audience::Boot).unwrap_or_default(),
            code: code::of(error),
            ..Failure::new(act, format!("{error:#}"))
        };
        failure.into()
    }

    /// The refusals of a plan.
    pub(crate) fn refused(refusals: &[Failure]) -> Self {
        match refusals {
            [] => Failure::new("plan", "unknown cause").into(),
            [first, more @ ..] => Self {
                failure: Box::new(first.clone()),
                more: more.len(),
            },
        }
    }

    /// A config that cannot be used; `source` is its name.
    pub(crate) fn invalid(source: &str, findings: &Findings, error: &dyn fmt::Display) -> Self {
        let act = format!("use config {source}");
        let code = Some(ErrorCode::INVALID_CONFIG);
        let errors = || findings.0.iter().filter(|f| f.severity == Severity::Error);
        let Some(first) = errors().next() else {
            let failure = Failure::new(act, error.to_string());
            return Failure { code, ..failure }.into();
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
        let remedy = first.help.clone();
        Self {
            failure: Box::new(Failure {
                origin,
                remedy: remedy.unwrap_or_else(|| CHECK_REMEDY.into()),
                code,
                ..Failure::new(act, first.message.clone())
            }),
            more: errors().count() - 1,
        }
    }

    /// A config whose references cannot be rendered.
    pub(crate) fn of_render_error(error: &RenderError) -> Self {
        let invalid = error.findings.last().filter(|last| match &*error.reason {
            RenderReason::Invalid { reference, .. } => {
                last.source == reference.url && last.findings.is_fatal()
            }
            RenderReason::MergedInvalid => true,
            _ => false,
        });
        match invalid {
            Some(last) => Self::invalid(&last.source, &last.findings, &error.reason),
            None => {
                let failure = Failure::new("obtain the config", error.reason.to_string());
                let origin = error.reason.origin().cloned();
                let fetch = error.reason.fetch_error();
                let code = fetch.map_or(Some(ErrorCode::REFERENCE), code::of_fetch);
                Failure {
                    origin,
                    code,
                    ..failure
                }
                .into()
            }
        }
    }
}

impl From<anyhow::Error> for StageFailure {
    /// Unwraps a stage failure that was converted to an error before.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<StageFailure>() {
            Ok(failure) => failure,
            Err(error) => StageFailure::of("run the stage", &error),
        }
    }
}
