//! Points in time as text. Clocks of machines without a working battery show anything; no date is a reason to stop.

use std::time::{Duration, SystemTime};

/// 9999-12-31T23:59:59Z in seconds since 1970: the last second that RFC 3339 has a form for.
const MAX_SECONDS: u64 = 253_402_300_799;

/// A point in time as RFC 3339 in UTC, whole seconds, e.g. `2026-11-03T02:45:00Z`. What is before 1970 or after 9999
/// is shown as the first or the last second between.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(within_range(time)).to_string()
}

/// The present time, as [`rfc3339`].
pub(crate) fn now() -> String {
    rfc3339(SystemTime::now())
}

/// The nearest point in time that has a form in text.
pub(crate) fn within_range(time: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds(time).min(MAX_SECONDS))
}

/// Seconds since 1970; none before.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_has_a_text() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let before = |seconds| SystemTime::UNIX_EPOCH - Duration::from_secs(seconds);
        for (time, want) in [
            (at(0), "1970-01-01T00:00:00Z"),
            (at(1_793_674_805), "2026-11-03T03:00:05Z"),
            (at(MAX_SECONDS), "9999-12-31T23:59:59Z"),
            (at(MAX_SECONDS + 1), "9999-12-31T23:59:59Z"),
            (at(i64::MAX as u64), "9999-12-31T23:59:59Z"),
            (before(1), "1970-01-01T00:00:00Z"),
            (before(i64::MAX as u64), "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(time), want);
        }
    }
}
