//! Asks the service that describes a machine to itself, which every cloud has at one address.

use crate::fetch::FetchEvents;
use crate::fetch::http::{Http, Question, Reply, ask};
use crate::fetch::pause;
use crate::fetch::retry::{AttemptFailure, Retry};
use std::time::{Duration, Instant};

/// The service, at an address that needs no name and no route.
pub(super) const ADDRESS: &str = "http://169.254.169.254";

/// How long to go on asking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Questions in all.
    pub attempts: u32,
    /// The longest pause before the second one; doubles.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
    /// For everything together.
    pub total: Duration,
}

/// The service as one fetch sees it.
#[derive(Clone, Copy)]
pub(super) struct MetadataClient<'a> {
    /// Without proxies.
    pub http: &'a Http,
    /// Says when to stop.
    pub events: &'a dyn FetchEvents,
}

/// What came of one attempt.
pub(super) enum MetadataAttempt<T> {
    /// An answer.
    Done(T),
    /// None that will ever come.
    Never(String),
    /// None, but the next attempt may bring one.
    NotNow(String),
}

impl MetadataClient<'_> {
    /// Asks once.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Reply, String> {
        ask(self.http, question)
    }

    /// Tries until there is an answer, or enough. `attempt` is told what is left of the time.
    pub(super) fn patiently<T>(
        &self,
        patience: Patience,
        mut attempt: impl FnMut(Duration) -> MetadataAttempt<T>,
    ) -> Result<T, String> {
        let end = Instant::now() + patience.total;
        let mut retry = Retry::new(patience.first_pause).at_most(patience.longest_pause);
        let mut last = String::from("no time left");
        for number in 1..=patience.attempts {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match attempt(left) {
                MetadataAttempt::Done(answer) => return Ok(answer),
                MetadataAttempt::Never(cause) => return Err(cause),
                MetadataAttempt::NotNow(cause) => last = cause,
            }
            if number < patience.attempts {
                let left = end.saturating_duration_since(Instant::now());
                // These are asked a few times only, and quickly.
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
