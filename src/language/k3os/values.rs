//! Values of a k3OS config: the rules of YAML 1.1 as a Go program applies them, with its conversions.

use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent, Scalar, Style};
use crate::language::placed_text::PlacedText;
use crate::language::scalars::parse_flag;
use std::collections::BTreeMap;

/// The texts of `key`; a single one counts as a list of one.
pub(super) fn texts(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Option<Vec<PlacedText>> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    let elements = match &value.value {
        NodeContent::Scalar(_) => std::slice::from_ref(value),
        NodeContent::List(elements) => elements,
        NodeContent::Mapping(_) => {
            remarks.error(
                value.at,
                format!("{key} must be a list of texts, not a mapping"),
            );
            return None;
        }
    };
    let mut texts = Vec::new();
    for element in elements {
        match element.as_scalar() {
            Some(_) if element.is_null() => {
                remarks.warn(element.at, format!("an element of {key} has no value"));
            }
            Some(scalar) => texts.push(PlacedText {
                at: element.at,
                text: scalar.text.clone().into_owned(),
            }),
            None => remarks.error_with_help(
                element.at,
                format!("an element of {key} must be a text, not {}", element.kind()),
                "write it in one line",
            ),
        }
    }
    Some(texts)
}

/// The texts of `key` by their names, sorted by name.
pub(super) fn map(
    node: &Node<'_>,
    key: &str,
    remarks: &mut Remarks,
) -> Option<Vec<(String, PlacedText)>> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    let NodeContent::Mapping(entries) = &value.value else {
        remarks.error(
            value.at,
            format!("{key} must be a mapping, not {}", value.kind()),
        );
        return None;
    };
    let mut texts = BTreeMap::new();
    for entry in entries {
        let Some(scalar) = entry.value.as_scalar() else {
            remarks.error(
                entry.value.at,
                format!(
                    "a value of {key} must be a text, not {}",
                    entry.value.kind()
                ),
            );
            continue;
        };
        let text = PlacedText {
            at: entry.value.at,
            text: converted(scalar),
        };
        let is_flag = matches!(&*text.text, "true" | "false");
        if is_flag && !scalar.text.eq_ignore_ascii_case(&text.text) {
            let message = format!("{} without quotes means {}", scalar.text, text.text);
            remarks.warn_with_help(text.at, message, "put it in quotes if the word is meant");
        }
        texts.insert(entry.key.clone().into_owned(), text);
    }
    Some(texts.into_iter().collect())
}

/// The text of a scalar in a map: numbers and flags are normalized, null is empty.
fn converted(scalar: &Scalar<'_>) -> String {
    if scalar.is_null() {
        return String::new();
    }
    if scalar.style == Style::Quoted || scalar.tag.is_some() {
        return scalar.text.clone().into_owned();
    }
    if let Some(value) = parse_flag(&scalar.text) {
        return value.to_string();
    }
    number_of(&scalar.text).unwrap_or_else(|| scalar.text.clone().into_owned())
}

/// A number in its shortest decimal form.
fn number_of(text: &str) -> Option<String> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix(['-', '+']) {
        Some(digits) if plain.starts_with('-') => ("-", digits),
        Some(digits) => ("", digits),
        None => ("", plain.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok();
    let lower = digits.to_ascii_lowercase();
    let integer = match lower.get(..2) {
        Some("0x") => radix(&lower[2..], 16),
        Some("0b") => radix(&lower[2..], 2),
        Some("0o") => radix(&lower[2..], 8),
        _ if lower.len() > 1 && lower.starts_with('0') => radix(&lower[1..], 8),
        _ => radix(&lower, 10),
    };
    if let Some(integer) = integer {
        return Some(format!("{sign}{integer}"));
    }
    let is_float = lower
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    let float: f64 = lower.parse().ok().filter(|_| is_float)?;
    float.is_finite().then(|| format!("{sign}{float}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_maps() {
        let cases = [
            ("4 4 1 7", "4 4 1 7"),
            ("1.50", "1.5"),
            ("0644", "420"),
            ("0x10", "16"),
            ("1_000", "1000"),
            ("1e3", "1000"),
            ("-5", "-5"),
            ("yes", "true"),
            ("N", "false"),
            ("~", ""),
            ("1.2.3", "1.2.3"),
            ("089", "89"),
            ("abc", "abc"),
            ("+", "+"),
            ("é0", "é0"),
            ("0é", "0é"),
        ];
        for (written, want) in cases {
            let node = Node::plain(0, written);
            let text = converted(node.as_scalar().unwrap());
            assert_eq!(text, want, "{written}");
        }
    }
}
