//! Pauses between attempts, which end when the fetch is cancelled.

use super::FetchEvents;
use std::time::{Duration, Instant};

/// How often a pause checks whether it was cancelled.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The pause was cancelled.
#[derive(Debug, Clone, Copy)]
pub struct Cancelled;

/// Sleeps for `pause`, or until the fetch is cancelled.
pub(super) fn sleep(events: &dyn FetchEvents, pause: Duration) -> Result<(), Cancelled> {
    sleep_unless(&|| events.cancelled(), pause)
}

/// Sleeps for `pause`, or until `cancelled` returns true.
///
/// # Errors
/// If it was cancelled.
pub fn sleep_unless(cancelled: &dyn Fn() -> bool, pause: Duration) -> Result<(), Cancelled> {
    let end = Instant::now() + pause;
    loop {
        if cancelled() {
            return Err(Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(CANCEL_CHECK_INTERVAL));
    }
}
