//! Client for the instance metadata service, which every cloud has at the same address.

use crate::fetch::FetchEvents;
use crate::fetch::http::{Http, OneShotRequest, OneShotResponse, send_once};
use crate::fetch::pause;
use crate::fetch::retry::{AttemptFailure, Retry};
use std::time::{Duration, Instant};

/// The link-local address of the service: it needs no name lookup and no route.
pub(super) const ADDRESS: &str = "http://169.254.169.254";

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryLimits {
    /// Maximum number of attempts.
    pub attempts: u32,
    /// Maximum pause before the second attempt; it doubles.
    pub first_pause: Duration,
    /// Maximum of all pauses.
    pub max_pause: Duration,
    /// Total time limit.
    pub total: Duration,
}

/// A client for one fetch.
#[derive(Clone, Copy)]
pub(super) struct MetadataClient<'a> {
    /// HTTP without proxies.
    pub http: &'a Http,
    /// Decides about cancellation.
    pub events: &'a dyn FetchEvents,
}

/// The result of one attempt.
pub(super) enum MetadataAttempt<T> {
    /// Success.
    Done(T),
    /// Failed, and a retry would not help.
    Fatal(String),
    /// Failed, but worth a retry.
    Retry(String),
}

impl MetadataClient<'_> {
    /// Sends a request once.
    pub(super) fn send(&self, request: &OneShotRequest<'_>) -> Result<OneShotResponse, String> {
        send_once(self.http, request)
    }

    /// Retries until `attempt` succeeds, fails for good, or a limit is reached. `attempt` gets the remaining time.
    pub(super) fn with_retries<T>(
        &self,
        limits: RetryLimits,
        mut attempt: impl FnMut(Duration) -> MetadataAttempt<T>,
    ) -> Result<T, String> {
        let end = Instant::now() + limits.total;
        let mut retry = Retry::new(limits.first_pause).with_max_quick_pause(limits.max_pause);
        let mut last = String::from("no time left");
        for number in 1..=limits.attempts {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match attempt(left) {
                MetadataAttempt::Done(answer) => return Ok(answer),
                MetadataAttempt::Fatal(cause) => return Err(cause),
                MetadataAttempt::Retry(cause) => last = cause,
            }
            if number < limits.attempts {
                let left = end.saturating_duration_since(Instant::now());
                // There are only a few attempts, and the pauses are short.
                let pause = retry.pause(AttemptFailure::Unreachable, Some(left));
                self.sleep(pause.min(left))?;
            }
        }
        Err(last)
    }

    fn sleep(&self, pause: Duration) -> Result<(), String> {
        pause::sleep(self.events, pause).map_err(|_| "cancelled".into())
    }
}
