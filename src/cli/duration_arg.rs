//! Time limits on the command line, in the form that the flags of `ignition` have.

use super::drop_in::duration::nanoseconds;
use std::time::Duration;

/// A time limit; none means that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub Option<Duration>);

/// Reads a limit; 0 is none.
///
/// # Errors
/// It is not a duration.
pub(crate) fn parse(text: &str) -> Result<Limit, &'static str> {
    let length = nanoseconds(text).and_then(|length| u64::try_from(length).ok());
    let length = length.ok_or("it must be a duration such as 30s or 2m, or 0")?;
    Ok(Limit((length > 0).then(|| Duration::from_nanos(length))))
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
