//! Durations as Go programs write them: `2m0s`, `1h1.5s`, `500ms`, `0`.
//!
//! Unit files of distributions hold such values, so the rules are those of Go's `time.ParseDuration`: a unit is
//! required except for a bare zero, units may repeat in any order, and fractions of a nanosecond are truncated.

/// Units and their length in nanoseconds. Both code points for micro are in use.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The duration in nanoseconds; `None` if the text is not a duration or does not fit.
pub(crate) fn nanoseconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let length = if rest == "0" { 0 } else { sum(rest)? };
    i64::try_from(sign * length).ok()
}

/// The sum of one or more adjacent terms, in nanoseconds.
fn sum(mut rest: &str) -> Option<i128> {
    let mut total: i128 = 0;
    loop {
        let (length, following) = term(rest)?;
        total = total.checked_add(length)?;
        if following.is_empty() {
            return Some(total);
        }
        rest = following;
    }
}

/// The value in nanoseconds of the first number and its unit, and the text after them.
fn term(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.');
    let (unit, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    // Digits past the eighteenth are less than a nanosecond, even of an hour.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let length = number(whole)?.checked_mul(*unit)?;
    Some((length + number(fraction)? * unit / scale, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn number(digits: &str) -> Option<i128> {
    if digits.is_empty() {
        return Some(0);
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn durations_are_those_of_go() {
        for (text, want) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("2m0s", 120_000_000_000),
            ("1h1.5s", 3_601_500_000_000),
            ("500ms", 500_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("+5s", 5_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("1s1h1s", 3_602_000_000_000),
            ("7ns", 7),
            ("7us", 7_000),
            ("7\u{b5}s", 7_000),
            ("7\u{3bc}s", 7_000),
            ("0.9999999999999999999999h", 3_599_999_999_999),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(nanoseconds(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_go_rejects_is_rejected() {
        for text in [
            "",
            "-",
            "+",
            "10",
            "00",
            "s",
            ".s",
            ".",
            "1",
            "1d",
            "1 s",
            " 1s",
            "1s ",
            "--1s",
            "1S",
            "1s2",
            "1..5s",
            "1e3s",
            "9223372036854775808ns",
            "99999999999999999999999999999999999999999999h",
        ] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
