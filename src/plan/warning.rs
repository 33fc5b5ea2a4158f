//! Warnings: what a plan does that may not have the expected effect.
//!
//! A warning does not affect the run, so it is not part of the plan's digest.

use crate::config::Origin;
use crate::text::escaped;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that can be executed but may not take effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about, e.g. `unit a.service`.
    pub what: String,
    /// What is going to happen, and why.
    pub cause: String,
    /// Which line of which config requested it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What to do about it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Warning {
    /// A warning from a fetch.
    pub fn of_fetch((what, cause): (String, String)) -> Self {
        Warning {
            what,
            cause,
            origin: None,
            hint: "use the final URL, or make the server redirect to https".into(),
        }
    }

    /// The warning on a single line, for logs.
    pub fn line(&self) -> String {
        self.parts().join("; ")
    }

    fn parts(&self) -> Vec<String> {
        let origin = self.origin.as_ref().map(|o| format!("requested at {o}"));
        let hint = (!self.hint.is_empty()).then(|| format!("to do: {}", escaped(&self.hint)));
        let [what, cause] = [&self.what, &self.cause].map(|part| escaped(part));
        [Some(format!("{what}: {cause}")), origin, hint]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// For display, on several lines; the first one begins with `warning: `.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warning: {}", self.parts().join("\n  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_has_a_long_and_a_short_form() {
        let mut warning = Warning {
            what: "unit a.service".into(),
            cause: "it does not exist".into(),
            origin: None,
            hint: "add contents".into(),
        };
        assert_eq!(
            warning.to_string(),
            "warning: unit a.service: it does not exist\n  to do: add contents"
        );
        assert_eq!(
            warning.line(),
            "unit a.service: it does not exist; to do: add contents"
        );
        warning.hint.clear();
        assert_eq!(
            warning.to_string(),
            "warning: unit a.service: it does not exist"
        );
    }
}
