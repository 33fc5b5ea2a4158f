//! Why a round ends without a plan.

use crate::plan::Failure;

/// Why there is no plan.
#[derive(Debug)]
pub(crate) enum RoundError {
    /// The machine cannot be observed.
    Unobservable(anyhow::Error),
    /// It was observed, and the config is refused for it.
    Refused(Vec<Failure>),
}

impl From<anyhow::Error> for RoundError {
    fn from(error: anyhow::Error) -> Self {
        Self::Unobservable(error)
    }
}
