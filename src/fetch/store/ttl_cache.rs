//! Caches a value with a lifetime.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures are cached as well, for many files that are fetched one after the other.
const FAILURE_LIFETIME: Duration = Duration::from_secs(30);

/// A cached value. Concurrent callers wait while it is being fetched.
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
    /// The cached value; `fetch` returns a new one and its lifetime.
    pub(super) fn get(
        &self,
        fetch: impl FnOnce() -> Result<(T, Duration), String>,
    ) -> Result<T, String> {
        let mut entry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entry.as_ref().filter(|entry| Instant::now() < entry.until) {
            return known.result.clone();
        }
        let (result, lifetime) = match fetch() {
            Ok((answer, lifetime)) => (Ok(answer), lifetime),
            Err(cause) => (Err(cause), FAILURE_LIFETIME),
        };
        let until = Instant::now() + lifetime;
        *entry = Some(CacheEntry {
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
    fn expired_values_are_fetched_again() {
        let cache = TtlCache::default();
        let hour = Duration::from_secs(3600);
        assert_eq!(cache.get(|| Ok((1, Duration::ZERO))), Ok(1));
        assert_eq!(cache.get(|| Ok((2, hour))), Ok(2));
        assert_eq!(cache.get(|| Ok((3, hour))), Ok(2));
    }

    #[test]
    fn failures_are_cached_briefly() {
        let cache = TtlCache::<u8>::default();
        assert_eq!(cache.get(|| Err("a".into())), Err("a".into()));
        let second = cache.get(|| Ok((1, Duration::ZERO)));
        assert_eq!(second, Err("a".into()));
    }
}
