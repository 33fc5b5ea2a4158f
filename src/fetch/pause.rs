//! Pauses between attempts, which end when the fetch does.

use super::FetchEvents;
use std::time::{Duration, Instant};

/// How long a pause runs before looking whether the fetch was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(100);

/// The fetch is no longer wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cancelled;

/// Sleeps for `pause`, or until the fetch is cancelled.
pub(super) fn sleep(events: &dyn FetchEvents, pause: Duration) -> Result<(), Cancelled> {
    let end = Instant::now() + pause;
    loop {
        if events.cancelled() {
            return Err(Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(CANCEL_CHECK));
    }
}
