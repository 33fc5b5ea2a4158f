//! When to ask again: one rule for HTTP, TFTP and metadata services.
//!
//! Machines that start together ask together, and whoever answers can answer only so many at a time. So every pause
//! is random ("full jitter"): evenly distributed between nothing and a limit that doubles. Two cases differ:
//!
//! - A server that cannot be reached sheds nobody. Limits end at 5 s, so that a machine that waits for its network or
//!   its server goes on soon after they are there.
//! - A server that is reached and does not answer (5xx, 429, a connection that is closed, silence) has too many
//!   clients. After a few quick attempts, a client spreads over [`SPREAD`] once and then asks every [`STEADY`] at most:
//!   clients that keep their distance from each other need no luck, and are served as fast as the server can. With 5 s
//!   alone, ten thousand clients ask for twenty times of what a server with 200 answers a second has.
//!
//! `tests/pure/retries.rs` measures it; the figures are in `docs/retries.md`. The crates for this (`backon`,
//! `exponential-backoff`) know one kind of failure and one growing limit, so the rule is here.

use std::time::Duration;

/// Limit of the pauses between attempts to reach a server, and of quick attempts.
const MAX_QUICK: Duration = Duration::from_secs(5);
/// Attempts that a server turned away before its clients spread.
const QUICK_ATTEMPTS: u32 = 5;
/// The range over which clients spread that were turned away so often.
const SPREAD: Duration = Duration::from_secs(30);
/// The longest pause from then on; the shortest is half of it.
const STEADY: Duration = Duration::from_secs(15);

/// Why an attempt failed, as far as it matters for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// There is no way to the server, or nobody listens there.
    Unreachable,
    /// The server turned the client away, or dropped it.
    Refused {
        /// `Retry-After`: not before so long.
        not_before: Option<Duration>,
    },
    /// The server stayed silent for so long.
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
    /// Pauses that begin with at most `first`.
    pub fn new(first: Duration) -> Self {
        Retry::with_random(first, fastrand::Rng::new())
    }

    /// The same with another source of randomness.
    pub fn with_random(first: Duration, random: fastrand::Rng) -> Self {
        Retry {
            first,
            max_quick: MAX_QUICK,
            random,
            failures: 0,
            has_spread: false,
        }
    }

    /// The same with quick pauses of at most `limit`.
    pub fn at_most(self, limit: Duration) -> Self {
        Retry {
            max_quick: limit,
            ..self
        }
    }

    /// The pause after another failed attempt, with `left` of the time for all of them.
    pub fn pause(&mut self, failure: AttemptFailure, left: Option<Duration>) -> Duration {
        let (shortest, longest) = self.range(failure);
        self.failures = self.failures.saturating_add(1);
        let not_before = match failure {
            AttemptFailure::Refused { not_before } => not_before.unwrap_or_default(),
            AttemptFailure::Unreachable | AttemptFailure::Silent(_) => Duration::ZERO,
        };
        let mut longest = longest.max(not_before.min(SPREAD));
        if let Some(left) = left {
            // The last attempts must not be lost to a pause that is longer than the time.
            longest = longest.min(MAX_QUICK.max(left / 2));
            if !not_before.is_zero() && not_before < left {
                longest = longest.min((left - not_before) / 2);
            }
        }
        let shortest = shortest.min(longest);
        not_before + shortest + (longest - shortest).mul_f64(self.random.f64())
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
            return (Duration::ZERO, SPREAD);
        }
        // What was waited for an answer counts as a part of the distance.
        let longest = STEADY.saturating_sub(waited).max(self.max_quick);
        (longest / 2, longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(200);
    const BUSY: AttemptFailure = AttemptFailure::Refused { not_before: None };

    /// The longest of many pauses after these failures, and the shortest.
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
    fn fills((least, most): (f64, f64), from: f64, to: f64) {
        let margin = (to - from) / 20.0;
        assert!(least >= from && least <= from + margin, "{least} {from}");
        assert!(most <= to && most >= to - margin, "{most} {to}");
    }

    #[test]
    fn pauses_are_spread_below_limits_that_double() {
        for (count, limit) in [(1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (60, 5.0)] {
            fills(
                extremes(&vec![AttemptFailure::Unreachable; count], None),
                0.0,
                limit,
            );
        }
        for (count, limit) in [(1, 0.2), (5, 3.2), (6, 30.0)] {
            fills(extremes(&vec![BUSY; count], None), 0.0, limit);
        }
        fills(extremes(&[BUSY; 7], None), 7.5, 15.0);
        let silent = AttemptFailure::Silent(Duration::from_secs(10));
        fills(extremes(&[silent], None), 0.0, 30.0);
        fills(extremes(&[silent; 2], None), 2.5, 5.0);
    }

    #[test]
    fn servers_that_say_when_are_not_asked_before() {
        let after = |seconds| AttemptFailure::Refused {
            not_before: Some(Duration::from_secs(seconds)),
        };
        fills(extremes(&[after(8)], None), 8.0, 16.0);
        fills(extremes(&[after(300)], None), 300.0, 330.0);
        fills(extremes(&[after(0)], None), 0.0, 0.2);
    }

    #[test]
    fn the_last_attempts_are_not_lost() {
        let left = |seconds| Some(Duration::from_secs(seconds));
        fills(extremes(&[BUSY; 6], left(20)), 0.0, 10.0);
        fills(extremes(&[BUSY; 6], left(8)), 0.0, 5.0);
        let after = AttemptFailure::Refused {
            not_before: Some(Duration::from_secs(8)),
        };
        fills(extremes(&[after], left(10)), 8.0, 9.0);
        let (least, _) = extremes(&[after], left(5));
        assert!(least >= 8.0, "there is no time for it: {least}");
    }
}
