//! The meaning of scalars in YAML 1.1, as Go programs read it.

use super::node::{Scalar, Style};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// The text of any scalar as it is written; `!!binary` is decoded.
pub(crate) fn text<'t>(scalar: Scalar<'t>) -> Result<Cow<'t, str>, &'static str> {
    if scalar.tag.as_deref() != Some("binary") {
        return Ok(scalar.text);
    }
    let digits: String = scalar.text.split_ascii_whitespace().collect();
    let bytes = STANDARD
        .decode(digits)
        .map_err(|_| "not valid base64, which `!!binary` promises")?;
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| "`!!binary` data that is not UTF-8 text; put it in a file of its own")
}

/// The flag that a scalar spells.
pub(crate) fn flag(scalar: &Scalar<'_>) -> Option<bool> {
    if scalar.style != Style::Plain || scalar.tag.as_deref() == Some("str") {
        return None;
    }
    parse_flag(&scalar.text)
}

/// The flag that a text spells.
pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            Some(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            Some(false)
        }
        _ => None,
    }
}

/// The integer that a scalar spells: decimal, `0` or `0o` octal, `0x`, `0b`, or a float without a fraction.
pub(crate) fn int(scalar: &Scalar<'_>) -> Option<i64> {
    if scalar.style != Style::Plain || scalar.tag.as_deref() == Some("str") {
        return None;
    }
    parse_int(&scalar.text)
}

/// The integer that a text spells; see [`int`].
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let text: Cow<'_, str> = match text.contains('_') {
        true => text.replace('_', "").into(),
        false => text.into(),
    };
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let magnitude = magnitude(digits)?;
    match is_negative {
        true => 0_i64.checked_sub_unsigned(magnitude),
        false => i64::try_from(magnitude).ok(),
    }
}

fn magnitude(digits: &str) -> Option<u64> {
    let of = |prefix: [&str; 2], radix| {
        let rest = prefix.iter().find_map(|p| digits.strip_prefix(p))?;
        let is_number = rest.starts_with(|c: char| c.is_digit(radix));
        is_number.then(|| u64::from_str_radix(rest, radix).ok())
    };
    for (prefix, radix) in [(["0x", "0X"], 16), (["0b", "0B"], 2), (["0o", "0O"], 8)] {
        if let Some(number) = of(prefix, radix) {
            return number;
        }
    }
    let octal = digits.strip_prefix('0').filter(|rest| !rest.is_empty());
    let octal = octal.and_then(|rest| u64::from_str_radix(rest, 8).ok());
    if let Some(number) = octal.or_else(|| digits.parse().ok()) {
        return Some(number);
    }
    integral_float(digits)
}

/// An integer that is written as a float, e.g. `1e3` or `2.0`.
fn integral_float(digits: &str) -> Option<u64> {
    let is_float = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let float: f64 = digits.parse().ok().filter(|_| is_float)?;
    // Below 2^53, every integer has a float of its own.
    let is_whole = float.fract() == 0.0 && float < 9_007_199_254_740_992.0;
    is_whole.then(|| format!("{float:.0}").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::node::Node;

    #[test]
    fn numbers() {
        let cases = [
            ("0644", Some(0o644)),
            ("0o644", Some(0o644)),
            ("420", Some(420)),
            ("0x1F", Some(31)),
            ("0b11", Some(3)),
            ("1_000", Some(1000)),
            ("-5", Some(-5)),
            ("+5", Some(5)),
            ("0899", Some(899)),
            ("1e3", Some(1000)),
            ("1.5", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("é", None),
            ("0é", None),
            ("1e999", None),
        ];
        for (text, want) in cases {
            let node = Node::plain(0, text);
            assert_eq!(int(node.as_scalar().unwrap()), want, "{text}");
        }
    }

    #[test]
    fn quoted_scalars_are_texts() {
        let node = Node::text(0, "1");
        assert_eq!(int(node.as_scalar().unwrap()), None);
        let node = Node::text(0, "yes");
        assert_eq!(flag(node.as_scalar().unwrap()), None);
        let node = Node::plain(0, "off");
        assert_eq!(flag(node.as_scalar().unwrap()), Some(false));
    }
}
