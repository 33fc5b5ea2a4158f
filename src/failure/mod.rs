//! Why something could not be done: one structured type for refusals of a plan, failed operations and failed stages,
//! with its renderings.
//!
//! | rendering | for |
//! |---|---|
//! | [`Failure::line`] | logs |
//! | [`Failure`]'s `Display` | a terminal, several lines |
//! | [`screen`] | the consoles of a boot that failed |
//!
//! Reports contain the individual fields.

pub(crate) mod code;
pub(crate) mod screen;

pub use code::ErrorCode;

use crate::config::Origin;
use crate::text::escaped;
use std::fmt;

/// What could not be done, and why. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// The action that failed, as a verb: `create partition`.
    pub act: String,
    /// The object of the action, e.g. `3 on /dev/vda`; empty if the action names it.
    pub object: String,
    /// The chain of causes.
    pub cause: String,
    /// Where in which config it was requested.
    pub origin: Option<Origin>,
    /// What to do about it; empty where that is not known.
    pub remedy: String,
    /// The kind of failure, where it is one of those that are explained.
    pub code: Option<ErrorCode>,
}

impl Failure {
    /// A failure that is not related to a place in a config.
    pub fn new(act: impl Into<String>, cause: impl Into<String>) -> Self {
        let (act, cause) = without_repetition(act.into(), cause.into());
        Self {
            act,
            cause,
            ..Self::default()
        }
    }

    /// The action with its object.
    pub fn operation(&self) -> String {
        match (self.act.is_empty(), self.object.is_empty()) {
            (false, false) => format!("{} {}", self.act, self.object),
            (true, _) => self.object.clone(),
            (_, true) => self.act.clone(),
        }
    }

    /// The remedy, if there is one.
    pub fn remedy(&self) -> Option<&str> {
        Some(self.remedy.as_str()).filter(|text| !text.is_empty())
    }

    /// Everything but the remedy, on one line unless a part has line breaks.
    pub fn line(&self) -> String {
        let line = format!("cannot {}: {}", self.operation(), self.cause);
        match &self.origin {
            Some(origin) => format!("{line} (requested at {origin})"),
            None => line,
        }
    }
}

impl fmt::Display for Failure {
    /// Lines for a terminal; external text is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, cause) = (self.operation(), &self.cause);
        write!(f, "cannot {}: {}", escaped(&operation), escaped(cause))?;
        if let Some(origin) = &self.origin {
            write!(f, "\n  requested at {origin}")?;
        }
        if let Some(remedy) = self.remedy() {
            write!(f, "\n  to do: {}", escaped(remedy))?;
        }
        match self.code {
            Some(code) => write!(f, "\n  more: kindling explain {code}"),
            None => Ok(()),
        }
    }
}

/// Removes a repetition of the action from its cause. If the cause starts with the action in more detail, it replaces
/// the action: "obtain the config" and "cannot obtain the config from platform x: y" become "obtain the config from
/// platform x" and "y".
fn without_repetition(act: String, cause: String) -> (String, String) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_not_repeated() {
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
            assert_eq!(Failure::new(act, cause).line(), expected);
        }
    }

    #[test]
    fn a_terminal_gets_every_part_escaped() {
        let failure = Failure {
            act: "create partition".into(),
            object: "3 on /dev/vda".into(),
            cause: "no\nroom".into(),
            origin: None,
            remedy: "shrink it".into(),
            code: Some(ErrorCode::PARTITIONS),
        };
        let expected = "cannot create partition 3 on /dev/vda: no\\nroom\n  to do: shrink it\n  \
                        more: kindling explain K0304";
        assert_eq!(failure.to_string(), expected);
    }
}
