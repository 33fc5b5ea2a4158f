//! When to retry: one rule for HTTP, TFTP and metadata services.
//!
//! Machines that start together send requests together, and a server can answer only so many at a time. So every
//! pause is random ("full jitter"): uniformly distributed between zero and a limit that doubles. There are two cases:
//!
//! - A server that cannot be reached is not overloaded. The limit grows to 5 s, so that a machine that waits for its
//!   network or its server continues soon after they are up.
//! - A server that is reached but does not answer (5xx, 429, a closed connection, silence) has too many clients.
//!   After a few quick attempts, a client pauses once for up to [`SPREAD_WINDOW`] and then retries every
//!   [`MAX_STEADY_PAUSE`] at most: clients that are spread evenly are served as fast as the server can. With a limit
//!   of 5 s only, ten thousand clients would cause twenty times the load of a server that handles 200 requests/s.
//!
//! `tests/pure/retries.rs` measures it; the figures are in `docs/retries.md`. The existing crates (`backon`,
//! `exponential-backoff`) support only one kind of failure and one growing limit.

use std::time::Duration;

/// Maximum pause between attempts to reach a server, and between quick attempts.
const MAX_QUICK_PAUSE: Duration = Duration::from_secs(5);
/// Number of refused attempts before clients are spread.
const QUICK_ATTEMPTS: u32 = 5;
/// The window over which clients are spread after that.
const SPREAD_WINDOW: Duration = Duration::from_secs(30);
/// Maximum pause from then on; the minimum is half of it.
const MAX_STEADY_PAUSE: Duration = Duration::from_secs(15);

/// Why an attempt failed, as far as it matters for the next pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// There is no route to the server, or nothing listens there.
    Unreachable,
    /// The server refused the request, or closed the connection.
    Refused {
        /// `Retry-After`: the minimum pause.
        not_before: Option<Duration>,
    },
    /// The server did not answer within this time.
    Silent(Duration),
}

/// The pauses of one fetch.
#[derive(Debug, Clone)]
pub struct Retry {
    first: Duration,
    max_quick: Duration,
    random: fastrand::Rng,
    failures: u32,
    has_spread: bool,
}

impl Retry {
    /// Pauses that start with at most `first`.
    pub fn new(first: Duration) -> Self {
        Retry::with_random(first, fastrand::Rng::new())
    }

    /// The same with the given random number generator.
    pub fn with_random(first: Duration, random: fastrand::Rng) -> Self {
        Retry {
            first,
            max_quick: MAX_QUICK_PAUSE,
            random,
            failures: 0,
            has_spread: false,
        }
    }

    /// The same with quick pauses of at most `limit`.
    pub fn with_max_quick_pause(self, limit: Duration) -> Self {
        Retry {
            max_quick: limit,
            ..self
        }
    }

    /// The pause after another failed attempt. `left` is what remains of the total time limit.
    pub fn pause(&mut self, failure: AttemptFailure, left: Option<Duration>) -> Duration {
        let (min_pause, max_pause) = self.range(failure);
        self.failures = self.failures.saturating_add(1);
        let not_before = match failure {
            AttemptFailure::Refused { not_before } => not_before.unwrap_or_default(),
            AttemptFailure::Unreachable | AttemptFailure::Silent(_) => Duration::ZERO,
        };
        let mut max_pause = max_pause.max(not_before.min(SPREAD_WINDOW));
        if let Some(left) = left {
            // A pause must not use up all the remaining time, so that a last attempt is possible.
            max_pause = max_pause.min(MAX_QUICK_PAUSE.max(left / 2));
            if !not_before.is_zero() && not_before < left {
                max_pause = max_pause.min((left - not_before) / 2);
            }
        }
        let min_pause = min_pause.min(max_pause);
        not_before + min_pause + (max_pause - min_pause).mul_f64(self.random.f64())
    }

    fn range(&mut self, failure: AttemptFailure) -> (Duration, Duration) {
        let doubled = 2_u32.saturating_pow(self.failures);
        let quick = self.first.saturating_mul(doubled).min(self.max_quick);
        let waited = match failure {
            AttemptFailure::Unreachable => return (Duration::ZERO, quick),
            AttemptFailure::Refused { .. }
                if self.failures < QUICK_ATTEMPTS && !self.has_spread =>
            {
                return (Duration::ZERO, quick);
            }
            AttemptFailure::Refused { .. } => Duration::ZERO,
            AttemptFailure::Silent(waited) => waited,
        };
        if !self.has_spread {
            self.has_spread = true;
            return (Duration::ZERO, SPREAD_WINDOW);
        }
        // The time spent waiting for an answer counts as a part of the pause.
        let max_pause = MAX_STEADY_PAUSE.saturating_sub(waited).max(self.max_quick);
        (max_pause / 2, max_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(200);
    const BUSY: AttemptFailure = AttemptFailure::Refused { not_before: None };

    /// The shortest and the longest of many pauses after these failures.
    fn extremes(failures: &[AttemptFailure], left: Option<Duration>) -> (f64, f64) {
        let mut all: Vec<f64> = Vec::new();
        for seed in 0..400 {
            let mut retry = Retry::with_random(FIRST, fastrand::Rng::with_seed(seed));
            let pauses = failures.iter().map(|failure| retry.pause(*failure, left));
            all.extend(pauses.last().map(|pause| pause.as_secs_f64()));
        }
        let most = all.iter().copied().fold(0.0, f64::max);
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        (least, most)
    }

    #[track_caller]
    fn assert_fills((least, most): (f64, f64), from: f64, to: f64) {
        let margin = (to - from) / 20.0;
        assert!(least >= from && least <= from + margin, "{least} {from}");
        assert!(most <= to && most >= to - margin, "{most} {to}");
    }

    #[test]
    fn pauses_are_spread_below_limits_that_double() {
        for (count, limit) in [(1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (60, 5.0)] {
            assert_fills(
                extremes(&vec![AttemptFailure::Unreachable; count], None),
                0.0,
                limit,
            );
        }
        for (count, limit) in [(1, 0.2), (5, 3.2), (6, 30.0)] {
            assert_fills(extremes(&vec![BUSY; count], None), 0.0, limit);
        }
        assert_fills(extremes(&[BUSY; 7], None), 7.5, 15.0);
        let silent = AttemptFailure::Silent(Duration::from_secs(10));
        assert_fills(extremes(&[silent], None), 0.0, 30.0);
        assert_fills(extremes(&[silent; 2], None), 2.5, 5.0);
    }

    #[test]
    fn retry_after_is_respected() {
        let after = |seconds| AttemptFailure::Refused {
            not_before: Some(Duration::from_secs(seconds)),
        };
        assert_fills(extremes(&[after(8)], None), 8.0, 16.0);
        assert_fills(extremes(&[after(300)], None), 300.0, 330.0);
        assert_fills(extremes(&[after(0)], None), 0.0, 0.2);
    }

    #[test]
    fn the_last_attempts_are_not_lost() {
        let left = |seconds| Some(Duration::from_secs(seconds));
        assert_fills(extremes(&[BUSY; 6], left(20)), 0.0, 10.0);
        assert_fills(extremes(&[BUSY; 6], left(8)), 0.0, 5.0);
        let after = AttemptFailure::Refused {
            not_before: Some(Duration::from_secs(8)),
        };
        assert_fills(extremes(&[after], left(10)), 8.0, 9.0);
        let (least, _) = extremes(&[after], left(5));
        assert!(least >= 8.0, "there is no time for it: {least}");
    }
}
