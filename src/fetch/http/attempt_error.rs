//! Why an attempt ended without a response.

use crate::fetch::FetchError;
use crate::fetch::retry::AttemptFailure;

/// Why there is no response.
pub(super) enum AttemptError {
    /// The network, the server or a time limit: worth a retry.
    Transport(FailedAttempt),
    /// The total time limit has expired.
    OutOfTime,
    /// The fetch was cancelled.
    Cancelled,
    /// A retry would not help.
    Fatal(FetchError),
}

/// A failed attempt that is worth a retry.
pub(super) struct FailedAttempt {
    /// What failed.
    pub(super) cause: String,
    /// Decides how long to wait.
    pub(super) failure: AttemptFailure,
    /// What to do about it, if that does not follow from the cause.
    pub(super) remedy: Option<&'static str>,
}

impl FailedAttempt {
    /// A failed attempt without a remedy.
    pub(super) fn new(cause: impl Into<String>, failure: AttemptFailure) -> Self {
        Self {
            cause: cause.into(),
            failure,
            remedy: None,
        }
    }

    /// The same with a remedy.
    #[must_use]
    pub(super) fn with_remedy(self, remedy: Option<&'static str>) -> Self {
        Self { remedy, ..self }
    }
}

impl AttemptError {
    /// See [`FailedAttempt::new`].
    pub(super) fn transport(cause: impl Into<String>, failure: AttemptFailure) -> Self {
        Self::Transport(FailedAttempt::new(cause, failure))
    }
}
