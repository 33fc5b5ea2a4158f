//! Results of obtaining the config from a platform.

use crate::fetch::FetchError;

/// The result of obtaining the config from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A config.
    Config {
        /// Name for origins and messages.
        name: String,
        /// The bytes, as they were found.
        text: Vec<u8>,
    },
    /// The source has no config, which is not an error.
    Empty,
    /// The source does not apply to this machine; another may have the config.
    NoConfig,
    /// The source needs a network.
    NeedsNetwork {
        /// What the network is needed for.
        what: String,
    },
}

impl Answer {
    /// The answer for the contents of a source: [`Answer::Empty`] if there are none.
    pub fn of(name: impl Into<String>, text: Vec<u8>) -> Self {
        if text.is_empty() {
            return Answer::Empty;
        }
        let name = name.into();
        Answer::Config { name, text }
    }

    /// The answer for the result of a fetch. A missing network is an answer; every other failure is an error.
    ///
    /// # Errors
    /// If the fetch failed for any other reason than a missing network.
    pub fn fetched(
        name: impl Into<String>,
        result: Result<Vec<u8>, FetchError>,
    ) -> anyhow::Result<Self> {
        match result {
            Ok(text) => Ok(Answer::of(name, text)),
            Err(error) if error.needs_network() => Ok(Answer::NeedsNetwork {
                what: error.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the config can be obtained now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Yes,
    /// A network is needed first.
    NeedsNetwork {
        /// What the network is needed for.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Fetcher, Request, Silent};

    #[test]
    fn a_missing_network_is_an_answer() {
        let fetched = Fetcher::default().offline();
        let fetched = fetched.fetch_to_vec(&Request::get("http://h/c"), &Silent);
        let answer = Answer::fetched("x", fetched.map(|(text, _)| text)).expect("an answer");
        assert!(matches!(answer, Answer::NeedsNetwork { what } if what.contains("http://h/c")));
        let failed = Err(FetchError::NotFound {
            method: "GET".into(),
            url: "u".into(),
        });
        assert!(Answer::fetched("x", failed).is_err());
        assert_eq!(Answer::of("x", Vec::new()), Answer::Empty);
    }
}
