//! How an attempt to get an answer ends without one.

use crate::fetch::FetchError;
use crate::fetch::retry::AttemptFailure;

/// Why there is no answer.
pub(super) enum AttemptError {
    /// The network, the server, or a limit: may go better next time.
    Transport(FailedAttempt),
    /// The total limit is over.
    OutOfTime,
    /// The answer is no longer wanted.
    Cancelled,
    /// Will not.
    Fatal(FetchError),
}

/// An attempt that is worth another one.
pub(super) struct FailedAttempt {
    /// What went wrong.
    pub(super) cause: String,
    /// How long to wait.
    pub(super) failure: AttemptFailure,
    /// What to do about it, where the cause alone does not say so.
    pub(super) remedy: Option<&'static str>,
}

impl FailedAttempt {
    /// A failure that waiting may mend.
    pub(super) fn new(cause: impl Into<String>, failure: AttemptFailure) -> Self {
        Self {
            cause: cause.into(),
            failure,
            remedy: None,
        }
    }

    /// The same with something to do.
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
