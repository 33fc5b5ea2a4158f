//! Timestamps. The clock of a machine without a working battery may have any value, so none is an error.

use std::time::{Duration, SystemTime};

/// 9999-12-31T23:59:59Z as a Unix time: the last second that RFC 3339 can represent.
const MAX_SECONDS: u64 = 253_402_300_799;

/// A time in the format of RFC 3339, in UTC and whole seconds, e.g. `2026-11-03T02:45:00Z`. Times before 1970 or after
/// 9999 are clamped.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(within_range(time)).to_string()
}

/// The current time, as [`rfc3339`].
pub(crate) fn now() -> String {
    rfc3339(SystemTime::now())
}

/// The nearest time that [`rfc3339`] can represent.
pub(crate) fn within_range(time: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds(time).min(MAX_SECONDS))
}

/// Seconds since 1970; 0 for earlier times.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_formatted() {
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
