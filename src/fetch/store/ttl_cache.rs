//! Answers that are asked for once and hold for a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures are kept as well: many files are fetched one after the other.
const FAILURES_HOLD: Duration = Duration::from_secs(30);

/// Such an answer. Whoever comes while it is being asked for waits for it.
#[derive(Debug)]
pub(super) struct TtlCache<T>(Mutex<Option<CacheEntry<T>>>);

#[derive(Debug)]
struct CacheEntry<T> {
    result: Result<T, String>,
    until: Instant,
}

impl<T> Default for TtlCache<T> {
    fn default() -> Self {
        TtlCache(Mutex::new(None))
    }
}

impl<T: Clone> TtlCache<T> {
    /// The answer; `ask` gives a new one, and how long it holds.
    pub(super) fn get(
        &self,
        ask: impl FnOnce() -> Result<(T, Duration), String>,
    ) -> Result<T, String> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return known.result.clone();
        }
        let (result, holds) = match ask() {
            Ok((answer, holds)) => (Ok(answer), holds),
            Err(cause) => (Err(cause), FAILURES_HOLD),
        };
        let until = Instant::now() + holds;
        *held = Some(CacheEntry {
            result: result.clone(),
            until,
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_asked_for_again_when_they_are_over() {
        let kept = TtlCache::default();
        let hour = Duration::from_secs(3600);
        assert_eq!(kept.get(|| Ok((1, Duration::ZERO))), Ok(1));
        assert_eq!(kept.get(|| Ok((2, hour))), Ok(2));
        assert_eq!(kept.get(|| Ok((3, hour))), Ok(2));
    }

    #[test]
    fn failures_hold_for_a_moment() {
        let kept = TtlCache::<u8>::default();
        assert_eq!(kept.get(|| Err("a".into())), Err("a".into()));
        let again = kept.get(|| Ok((1, Duration::ZERO)));
        assert_eq!(again, Err("a".into()));
    }
}
