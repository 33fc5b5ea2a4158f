//! Time limits on the command line, in the same form as for the flags of `ignition`.

use super::drop_in::duration::nanoseconds;
use std::time::Duration;

/// A time limit; `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit(pub Option<Duration>);

/// Parses a time limit; 0 means no limit.
///
/// # Errors
/// If the text is not a duration, or a negative one.
pub(crate) fn parse(text: &str) -> Result<TimeLimit, &'static str> {
    let nanos = nanoseconds(text).and_then(|nanos| u64::try_from(nanos).ok());
    let nanos = nanos.ok_or("it must be a duration such as 30s or 2m, or 0")?;
    Ok(TimeLimit((nanos > 0).then(|| Duration::from_nanos(nanos))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_durations() {
        for (text, want) in [
            ("0", None),
            ("0s", None),
            ("30s", Some(30)),
            ("1m30s", Some(90)),
        ] {
            let parsed = parse(text).expect(text).0;
            assert_eq!(parsed, want.map(Duration::from_secs), "{text}");
        }
        for text in ["", "30", "-1s", "soon"] {
            parse(text).expect_err(text);
        }
    }
}
