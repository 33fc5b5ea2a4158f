//! Texts of YAML configs that keep where they are written.

use super::findings::Remarks;
use super::node::Node;
use super::packed;

/// A text with its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedText {
    pub(crate) at: u32,
    pub(crate) text: String,
}

impl PlacedText {
    /// The text of a scalar, as written, even if it is a number; `None` for null and for anything but a scalar.
    pub(crate) fn of(node: &Node<'_>) -> Option<Self> {
        let scalar = node.as_scalar().filter(|scalar| !scalar.is_null())?;
        let text = scalar.text.clone().into_owned();
        Some(Self { at: node.at, text })
    }

    /// The text of `key` in a mapping. Anything but a scalar is reported.
    pub(crate) fn of_key(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Option<Self> {
        let value = node.get(key).filter(|value| !value.is_null())?;
        let text = Self::of(value);
        if text.is_none() {
            let message = format!("{key} must be a text, not {}", value.kind());
            remarks.error(value.at, message);
        }
        text
    }
}

/// The bytes of `key` in a mapping; a value tagged as binary is base64.
pub(crate) fn bytes_of_key(node: &Node<'_>, key: &str, remarks: &mut Remarks) -> Option<Vec<u8>> {
    let text = PlacedText::of_key(node, key, remarks)?;
    let scalar = node.get(key).and_then(Node::as_scalar);
    let bytes = packed::bytes_of_scalar(scalar, text.text);
    bytes
        .inspect_err(|error| remarks.error(text.at, format!("{key} {error}")))
        .ok()
}
