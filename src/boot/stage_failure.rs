//! Why a stage failed, in parts, so that a screen, a report and a log line can be made of it.

use crate::config::{Findings, Origin, Severity};
use crate::execute::record::{Place, remedy};
use crate::fetch::references::{RenderError, RenderReason};
use crate::plan::Refusal;
use std::fmt;

/// A failure with everything there is to say about it. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFailure {
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

/// An act and its cause. A cause that begins with the act, and says more of it, takes its place: "obtain the config" and
/// "cannot obtain the config from platform x: y" are "obtain the config from platform x" and "y".
fn said_once(act: String, cause: String) -> (String, String) {
    let repeated = cause.strip_prefix("cannot ").and_then(|more| {
        let rest = more.strip_prefix(act.as_str())?;
        rest.starts_with([' ', ':'])
            .then(|| more.split_once(": "))
            .flatten()
    });
    match repeated {
        Some((act, cause)) => (act.to_owned(), cause.to_owned()),
        None => (act, cause),
    }
}

impl fmt::Display for StageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.act, self.cause)?;
        if let Some(origin) = &self.origin {
            write!(f, " (requested at {origin})")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; {more} more"),
        }
    }
}

impl std::error::Error for StageFailure {}

impl StageFailure {
    /// An act that failed, outside any operation.
    pub fn of(act: impl Into<String>, error: &anyhow::Error) -> Self {
        let (act, cause) = said_once(act.into(), format!("{error:#}"));
        Self {
            act,
            cause,
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
        let said = error.findings.last().filter(|last| match &*error.reason {
            RenderReason::Invalid { reference, .. } => {
                last.source == reference.url && last.findings.is_fatal()
            }
            RenderReason::MergedInvalid => true,
            _ => false,
        });
        match said {
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

impl From<anyhow::Error> for StageFailure {
    /// What a trouble was wrapped in before comes out again.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<StageFailure>() {
            Ok(failure) => failure,
            Err(error) => StageFailure::of("go on", &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_said_once() {
        let cases = [
            (
                "obtain the config",
                "timed out",
                "cannot obtain the config: timed out",
            ),
            (
                "obtain the config",
                "cannot obtain the config from platform x: timed out",
                "cannot obtain the config from platform x: timed out",
            ),
            (
                "create user a",
                "cannot create user a: full",
                "cannot create user a: full",
            ),
            (
                "create user a",
                "cannot create user ab: full",
                "cannot create user a: cannot create user ab: full",
            ),
        ];
        for (act, cause, expected) in cases {
            let failure = StageFailure::of(act, &anyhow::anyhow!(cause));
            assert_eq!(failure.to_string(), expected);
        }
    }
}
