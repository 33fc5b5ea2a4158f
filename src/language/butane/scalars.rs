//! Reads YAML scalars as texts, integers and flags.

use crate::language::node::{Scalar, Style};
use crate::language::scalars;
pub(super) use crate::language::scalars::text;

/// Beyond this, a double does not hold every integer, so a number written as one is not what was meant.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A number read as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Int {
    Exact(i64),
    /// The integer part of a fraction. Nobody means that, but Butane translates such configs.
    Truncated(i64),
}

/// An integer in one of the forms of YAML 1.1 and 1.2.
pub(super) fn int(scalar: &Scalar<'_>) -> Result<Int, &'static str> {
    let is_number = match scalar.tag.as_deref() {
        Some("int" | "float") => true,
        Some(_) => false,
        None => scalar.style == Style::Plain,
    };
    if !is_number {
        return Err("expected an integer, found a string");
    }
    if let Some(number) = scalars::parse_int(&scalar.text) {
        return Ok(Int::Exact(number));
    }
    match float(&scalar.text.replace('_', "")) {
        None => Err("expected an integer"),
        Some(number) if number.abs() > MAX_EXACT => Err("this integer is too large"),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "it is small enough to be exact"
        )]
        Some(number) => Ok(match number.fract() == 0.0 {
            true => Int::Exact(number as i64),
            false => Int::Truncated(number as i64),
        }),
    }
}

/// A number in decimal digits, with a fraction or an exponent.
fn float(text: &str) -> Option<f64> {
    let is_decimal = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// A flag in one of the spellings of YAML 1.1. As in the original, those that YAML 1.2 takes for strings may be quoted.
pub(super) fn flag(scalar: &Scalar<'_>) -> Result<bool, &'static str> {
    let is_flag = match scalar.tag.as_deref() {
        Some("bool") => true,
        Some(_) => false,
        None => scalar.style == Style::Plain,
    };
    let may_be_string = matches!(scalar.tag.as_deref(), None | Some("str"))
        && !["true", "false"].contains(&scalar.text.to_ascii_lowercase().as_str());
    match scalars::parse_flag(&scalar.text) {
        Some(flag) if is_flag || may_be_string => Ok(flag),
        _ if is_flag => Err("expected true or false"),
        _ => Err("expected true or false, found a string"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn scalar(text: &str, style: Style, tag: Option<&str>) -> Scalar<'static> {
        Scalar {
            text: Cow::Owned(text.to_owned()),
            style,
            tag: tag.map(Into::into),
        }
    }

    #[test]
    fn integers() {
        let cases = [
            ("420", Some(420)),
            ("0644", Some(0o644)),
            ("0o644", Some(0o644)),
            ("0x1a4", Some(420)),
            ("0b110100100", Some(420)),
            ("4_20", Some(420)),
            ("-5", Some(-5)),
            ("+5", Some(5)),
            ("420.0", Some(420)),
            ("4.2e2", Some(420)),
            // Not octal, so decimal with a leading zero.
            ("0899", Some(899)),
            ("0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("abc", None),
            ("", None),
            (".inf", None),
            ("0x", None),
            ("0o8", None),
        ];
        for (text, want) in cases {
            let found = int(&scalar(text, Style::Plain, None)).ok();
            assert_eq!(found, want.map(Int::Exact), "{text}");
        }
        assert_eq!(
            int(&scalar("420.7", Style::Plain, None)),
            Ok(Int::Truncated(420))
        );
        assert!(int(&scalar("420", Style::Quoted, None)).is_err());
        assert_eq!(
            int(&scalar("420", Style::Quoted, Some("int"))),
            Ok(Int::Exact(420))
        );
        assert!(int(&scalar("420", Style::Plain, Some("str"))).is_err());
    }

    #[test]
    fn flags() {
        for text in ["true", "Yes", "ON", "y"] {
            assert_eq!(flag(&scalar(text, Style::Plain, None)), Ok(true), "{text}");
        }
        for text in ["false", "No", "OFF", "n"] {
            assert_eq!(flag(&scalar(text, Style::Plain, None)), Ok(false), "{text}");
        }
        for (style, tag) in [(Style::Quoted, None), (Style::Plain, Some("str"))] {
            assert_eq!(flag(&scalar("yes", style, tag)), Ok(true), "{tag:?}");
            assert_eq!(flag(&scalar("Off", style, tag)), Ok(false), "{tag:?}");
            assert!(flag(&scalar("true", style, tag)).is_err(), "{tag:?}");
            assert!(flag(&scalar("False", style, tag)).is_err(), "{tag:?}");
        }
        assert!(flag(&scalar("yes", Style::Plain, Some("int"))).is_err());
        assert!(flag(&scalar("1", Style::Plain, None)).is_err());
        assert!(flag(&scalar("yEs", Style::Plain, None)).is_err());
    }

    #[test]
    fn binary_is_decoded() {
        let decoded = |text: &str| text_of(scalar(text, Style::Plain, Some("binary")));
        assert_eq!(decoded("aGVsbG8="), Some("hello".into()));
        assert_eq!(decoded("aGVs\n bG8="), Some("hello".into()));
        assert_eq!(decoded("%"), None);
        assert_eq!(decoded("/w=="), None);
        assert_eq!(
            text_of(scalar("0644", Style::Plain, None)),
            Some("0644".into())
        );
    }

    fn text_of(scalar: Scalar<'_>) -> Option<String> {
        super::text(scalar).ok().map(Cow::into_owned)
    }
}
