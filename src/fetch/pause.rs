//! Pauses between attempts, which end when the fetch does.

use super::FetchEvents;
use std::time::{Duration, Instant};

/// How long a pause runs before looking whether it is still wanted.
const CANCEL_CHECK: Duration = Duration::from_millis(10);

/// What the pause was for is no longer wanted.
#[derive(Debug, Clone, Copy)]
pub struct Cancelled;

/// Sleeps for `pause`, or until the fetch is cancelled.
pub(super) fn sleep(events: &dyn FetchEvents, pause: Duration) -> Result<(), Cancelled> {
    sleep_unless(&|| events.cancelled(), pause)
}

/// Sleeps for `pause`, or until it is cancelled.
///
/// # Errors
/// It was cancelled.
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
        std::thread::sleep(left.min(CANCEL_CHECK));
    }
}
