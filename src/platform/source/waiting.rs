//! Waiting with a time limit, cancellation, and log messages.

use crate::fetch::sleep_unless;
use crate::log::Log;
use anyhow::bail;
use std::time::{Duration, Instant};

/// Interval between log messages, including the time before the first one.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// A wait in progress.
pub(crate) struct WaitProgress<'a> {
    what: String,
    timeout: Option<Duration>,
    start: Instant,
    last_logged: Instant,
    log: &'a Log,
    cancelled: &'a dyn Fn() -> bool,
}

impl<'a> WaitProgress<'a> {
    /// Starts a wait for `what` of at most `timeout`.
    pub(crate) fn begin(
        what: impl Into<String>,
        timeout: Option<Duration>,
        log: &'a Log,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Self {
        let start = Instant::now();
        Self {
            what: what.into(),
            timeout,
            start,
            last_logged: start,
            log,
            cancelled,
        }
    }

    /// Sleeps until the next check is due.
    ///
    /// # Errors
    /// If the time limit is reached, or the wait was cancelled.
    pub(crate) fn pause(&mut self, pause: Duration) -> anyhow::Result<()> {
        let left = |timeout: Duration| timeout.saturating_sub(self.start.elapsed());
        let pause = self
            .timeout
            .map_or(pause, |timeout| pause.min(left(timeout)));
        if sleep_unless(self.cancelled, pause).is_err() {
            bail!("waiting for {} was cancelled", self.what);
        }
        if let Some(timeout) = self.timeout.filter(|timeout| left(*timeout).is_zero()) {
            let (what, seconds) = (&self.what, timeout.as_secs());
            bail!("{what} did not appear within {seconds} s");
        }
        if self.last_logged.elapsed() >= LOG_INTERVAL {
            self.last_logged = Instant::now();
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
    fn waits_end_by_timeout_or_cancellation() {
        let log = Log::new(Sink::memory().0);
        let timeout = Some(Duration::from_millis(20));
        let not_cancelled = || false;
        let mut waiting = WaitProgress::begin("a disc", timeout, &log, &not_cancelled);
        let error = loop {
            if let Err(error) = waiting.pause(Duration::from_millis(5)) {
                break error;
            }
        };
        assert_eq!(error.to_string(), "a disc did not appear within 0 s");
        let checks = Cell::new(0);
        let cancelled_at_second_check = || checks.replace(checks.get() + 1) == 1;
        let mut waiting = WaitProgress::begin("a disc", None, &log, &cancelled_at_second_check);
        let error = waiting.pause(Duration::from_secs(60)).expect_err("over");
        assert_eq!(error.to_string(), "waiting for a disc was cancelled");
    }
}
