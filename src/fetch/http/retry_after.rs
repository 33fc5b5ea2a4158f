//! When a server that is busy wants to be asked again.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// Longer than this nobody waits in front of a machine that boots: then it is asked all the same.
const LONGEST: Duration = Duration::from_secs(300);

/// How long to wait by `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which the clock of a machine that boots
/// for the first time may be wrong about.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(httpdate::parse_http_date(text).ok()?),
    };
    Some(wait.min(LONGEST))
}

fn until(date: SystemTime) -> Duration {
    date.duration_since(SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn wait(text: &'static str) -> Option<Duration> {
        let value = HeaderValue::from_static(text);
        of(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
    }

    #[test]
    fn seconds_and_dates() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait("999999"), Some(LONGEST));
        assert_eq!(wait("Thu, 01 Jan 2015 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Tue, 31 Dec 2199 23:59:59 GMT"), Some(LONGEST));
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(wait(text), None, "{text:?}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
