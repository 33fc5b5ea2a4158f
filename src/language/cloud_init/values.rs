//! Values of a cloud-config: the rules of YAML 1.1 as cloud-init's loader applies them, with its conversions.

use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent, Scalar, Style};
use crate::language::placed_text::PlacedText;
use crate::text::{did_you_mean, most_similar};

/// The type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ScalarKind {
    Null,
    Flag(bool),
    Int(i64),
    Float,
    Text,
}

/// The type of `scalar`, as YAML 1.1 resolves it.
pub(super) fn kind(scalar: &Scalar<'_>) -> ScalarKind {
    if scalar.is_null() {
        return ScalarKind::Null;
    }
    let tag = scalar.tag.as_deref();
    if (scalar.style == Style::Quoted && tag.is_none()) || matches!(tag, Some("str" | "binary")) {
        return ScalarKind::Text;
    }
    match &*scalar.text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            ScalarKind::Flag(true)
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            ScalarKind::Flag(false)
        }
        text => match int(text) {
            Some(number) => ScalarKind::Int(number),
            None if is_float(text) => ScalarKind::Float,
            None => ScalarKind::Text,
        },
    }
}

/// An integer of YAML 1.1: binary, octal with a leading zero, decimal, hexadecimal, base 60; `_` anywhere in it.
fn int(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let radix = |digits: &str, radix| {
        let is_plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        i64::from_str_radix(digits, radix).ok().filter(|_| is_plain)
    };
    let number = match digits.as_bytes() {
        [b'0', b'x', ..] => radix(digits.get(2..)?, 16),
        [b'0', b'b', ..] => radix(digits.get(2..)?, 2),
        [b'0', _, ..] => radix(digits.get(1..)?, 8),
        _ if digits.contains(':') => base_60(&digits),
        _ => radix(&digits, 10),
    };
    number.map(|number| sign * number)
}

fn base_60(digits: &str) -> Option<i64> {
    let mut total: i64 = 0;
    for (index, part) in digits.split(':').enumerate() {
        let is_plain = part.bytes().all(|b| b.is_ascii_digit());
        let part: i64 = part.parse().ok().filter(|_| is_plain)?;
        if !(0..60).contains(&part) && index > 0 {
            return None;
        }
        total = total.checked_mul(60)?.checked_add(part)?;
    }
    Some(total)
}

fn is_float(text: &str) -> bool {
    let has_float_chars = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-' | b'_'));
    has_float_chars && text.contains('.') && text.replace('_', "").parse::<f64>().is_ok()
}

/// True for values that request nothing: null, false, an empty list, mapping or text.
pub(super) fn is_nothing(node: &Node<'_>) -> bool {
    match &node.value {
        NodeContent::Scalar(scalar) => {
            matches!(kind(scalar), ScalarKind::Null | ScalarKind::Flag(false))
                || scalar.text.is_empty()
        }
        NodeContent::List(elements) => elements.is_empty(),
        NodeContent::Mapping(entries) => entries.is_empty(),
    }
}

/// [`text`], but `None` if it is empty.
pub(super) fn filled(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Option<PlacedText> {
    PlacedText::of_key(node, key, remarks).filter(|text| !text.text.is_empty())
}

/// The flag of `key`: anything that does not spell true is false.
pub(super) fn flag(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Option<bool> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    let Some(scalar) = value.as_scalar() else {
        let message = format!("{key} must be true or false, not {}", value.kind());
        remarks.error(value.at, message);
        return None;
    };
    if let ScalarKind::Flag(flag) = kind(scalar) {
        return Some(flag);
    }
    let word = scalar.text.trim().to_ascii_lowercase();
    let is_true = matches!(&*word, "true" | "1" | "on" | "yes");
    if !is_true && !matches!(&*word, "false" | "0" | "off" | "no") {
        remarks.warn(
            value.at,
            format!("{key} is not a word for true, so it is false"),
        );
    }
    Some(is_true)
}

/// The texts of `key`; a single one counts as a list of one.
pub(super) fn texts(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Vec<PlacedText> {
    match node.get(key) {
        Some(value) if !value.is_null() => texts_of(value, key, remarks),
        _ => Vec::new(),
    }
}

/// The texts in `value`, which is called `key`.
pub(super) fn texts_of(value: &Node<'_>, key: &str, remarks: &mut Remarks) -> Vec<PlacedText> {
    let elements = match &value.value {
        NodeContent::Scalar(_) => std::slice::from_ref(value),
        NodeContent::List(elements) => elements,
        NodeContent::Mapping(_) => {
            remarks.error(
                value.at,
                format!("{key} must be a list of texts, not a mapping"),
            );
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for element in elements {
        match PlacedText::of(element) {
            Some(text) => texts.push(text),
            None => {
                let message = format!("an element of {key} must be a text, not {}", element.kind());
                remarks.error(element.at, message);
            }
        }
    }
    texts
}

/// Names in a list or in a comma-separated text.
pub(super) fn names(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Vec<PlacedText> {
    split_names(texts(node, key, remarks))
}

/// [`names`] in `value`, which is called `key`.
pub(super) fn names_of(value: &Node<'_>, key: &str, remarks: &mut Remarks) -> Vec<PlacedText> {
    split_names(texts_of(value, key, remarks))
}

fn split_names(texts: Vec<PlacedText>) -> Vec<PlacedText> {
    let mut names = Vec::new();
    for text in texts {
        for name in text.text.split(',').map(str::trim) {
            if !name.is_empty() {
                names.push(PlacedText {
                    at: text.at,
                    text: name.to_owned(),
                });
            }
        }
    }
    names
}

/// The elements of the list `key`; anything but a list of mappings is an error.
pub(super) fn mappings<'n, 't>(
    node: &'n Node<'t>,
    key: &str,
    remarks: &mut Remarks,
) -> Vec<&'n Node<'t>> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    if !matches!(value.value, NodeContent::List(_)) {
        remarks.error(
            value.at,
            format!("{key} must be a list, not {}", value.kind()),
        );
    }
    let mut found = Vec::new();
    for element in value.elements() {
        match element.value {
            NodeContent::Mapping(_) => found.push(element),
            _ => {
                let message = format!(
                    "an element of {key} must be a mapping, not {}",
                    element.kind()
                );
                remarks.error(element.at, message);
            }
        }
    }
    found
}

/// The mapping at `key`, with its keys as in [`canonical`]; `None` if there is none.
pub(super) fn mapping<'t>(
    node: &Node<'t>,
    key: &str,
    known: &[&'static str],
    remarks: &mut Remarks,
) -> Option<Node<'t>> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    if !matches!(value.value, NodeContent::Mapping(_)) {
        remarks.error(
            value.at,
            format!("{key} must be a mapping, not {}", value.kind()),
        );
        return None;
    }
    Some(canonical(value.clone(), known, remarks))
}

/// The texts of the mapping `key` with their names, in document order. Null values are skipped.
pub(super) fn mapping_of_texts(
    node: &Node<'_>,
    key: &str,
    remarks: &mut Remarks,
) -> Vec<(String, PlacedText)> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    if !matches!(value.value, NodeContent::Mapping(_)) {
        remarks.error(
            value.at,
            format!("{key} must be a mapping, not {}", value.kind()),
        );
    }
    let mut texts = Vec::new();
    for entry in value.entries() {
        match PlacedText::of(&entry.value) {
            Some(text) => texts.push((entry.key.clone().into_owned(), text)),
            None if entry.value.is_null() => {}
            None => {
                let message = format!(
                    "a value of {key} must be a text, not {}",
                    entry.value.kind()
                );
                remarks.error(entry.value.at, message);
            }
        }
    }
    texts
}

/// `node` with dashes in keys replaced by underscores. Keys that are not `known` are dropped with a warning.
pub(super) fn canonical<'t>(
    node: Node<'t>,
    known: &[&'static str],
    remarks: &mut Remarks,
) -> Node<'t> {
    let at = node.at;
    let NodeContent::Mapping(entries) = node.value else {
        return node;
    };
    let mut kept = Vec::new();
    for mut entry in entries {
        if !known.contains(&&*entry.key) {
            let underscored = entry.key.replace('-', "_");
            if !known.contains(&&*underscored) {
                warn_of_unknown_key(&entry.key, entry.value.at, known, remarks);
                continue;
            }
            let message = format!("`{}` is the old spelling of `{underscored}`", entry.key);
            remarks.warn(entry.value.at, message);
            entry.key = underscored.into();
        }
        kept.push(entry);
    }
    Node {
        at,
        value: NodeContent::Mapping(kept),
    }
}

/// Warns of a key that does nothing.
pub(super) fn warn_of_unknown_key(
    key: &str,
    at: u32,
    known: &[&'static str],
    remarks: &mut Remarks,
) {
    /// With this many findings, misspelled keys are not the problem.
    const MAX_FINDINGS: usize = 200;
    let message = format!("unknown key `{key}`: it does nothing");
    let known = match remarks.count() < MAX_FINDINGS {
        true => known,
        false => &[],
    };
    match most_similar(key, known.iter().map(|name| (name, name))) {
        Some(name) => remarks.warn_with_help(at, message, did_you_mean(name)),
        None => remarks.warn(at, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let cases = [
            ("0644", ScalarKind::Int(420)),
            ("416", ScalarKind::Int(416)),
            ("0o644", ScalarKind::Text),
            ("0x1F", ScalarKind::Int(31)),
            ("1:30", ScalarKind::Int(90)),
            ("1_000", ScalarKind::Int(1000)),
            ("-5", ScalarKind::Int(-5)),
            ("yes", ScalarKind::Flag(true)),
            ("y", ScalarKind::Text),
            ("Off", ScalarKind::Flag(false)),
            ("~", ScalarKind::Null),
            ("1.5", ScalarKind::Float),
            ("1e3", ScalarKind::Text),
            ("089", ScalarKind::Text),
            ("2001-01-01", ScalarKind::Text),
            ("--5", ScalarKind::Text),
            ("é", ScalarKind::Text),
            ("+", ScalarKind::Text),
        ];
        for (written, want) in cases {
            let node = Node::plain(0, written);
            assert_eq!(node.as_scalar().map(kind), Some(want), "{written}");
        }
    }
}
