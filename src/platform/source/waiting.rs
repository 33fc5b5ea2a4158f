//! Waiting with a limit, cancellation, and lines in the log.

use crate::fetch::sleep_unless;
use crate::log::Log;
use anyhow::bail;
use std::time::{Duration, Instant};

/// Interval between lines in the log; the first comes after it, too.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// A wait in progress.
pub(crate) struct WaitProgress<'a> {
    what: String,
    limit: Option<Duration>,
    start: Instant,
    told: Instant,
    log: &'a Log,
    cancelled: &'a dyn Fn() -> bool,
}

impl<'a> WaitProgress<'a> {
    /// Begins to wait for `what`, at most for `limit`.
    pub(crate) fn begin(
        what: impl Into<String>,
        limit: Option<Duration>,
        log: &'a Log,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Self {
        let start = Instant::now();
        Self {
            what: what.into(),
            limit,
            start,
            told: start,
            log,
            cancelled,
        }
    }

    /// Sleeps until the next look is due.
    ///
    /// # Errors
    /// The limit is reached, or the wait was cancelled.
    pub(crate) fn pause(&mut self, pause: Duration) -> anyhow::Result<()> {
        let left = |limit: Duration| limit.saturating_sub(self.start.elapsed());
        let pause = self.limit.map_or(pause, |limit| pause.min(left(limit)));
        if sleep_unless(self.cancelled, pause).is_err() {
            bail!("waiting for {} was cancelled", self.what);
        }
        if let Some(limit) = self.limit.filter(|limit| left(*limit).is_zero()) {
            let (what, seconds) = (&self.what, limit.as_secs());
            bail!("{what} did not appear within {seconds} s");
        }
        if self.told.elapsed() >= LOG_INTERVAL {
            self.told = Instant::now();
            let (what, seconds) = (&self.what, self.start.elapsed().as_secs());
            self.log.info(format_args!(
                "still waiting for {what} ({seconds} s so far)"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use std::cell::Cell;

    #[test]
    fn waits_end_by_their_limit_or_when_nobody_waits() {
        let log = Log::new(Sink::memory().0);
        let limit = Some(Duration::from_millis(20));
        let wanted = || false;
        let mut waiting = WaitProgress::begin("a disc", limit, &log, &wanted);
        let error = loop {
            if let Err(error) = waiting.pause(Duration::from_millis(5)) {
                break error;
            }
        };
        assert_eq!(error.to_string(), "a disc did not appear within 0 s");
        let looks = Cell::new(0);
        let unwanted = || looks.replace(looks.get() + 1) == 1;
        let mut waiting = WaitProgress::begin("a disc", None, &log, &unwanted);
        let error = waiting.pause(Duration::from_secs(60)).expect_err("over");
        assert_eq!(error.to_string(), "waiting for a disc was cancelled");
    }
}
