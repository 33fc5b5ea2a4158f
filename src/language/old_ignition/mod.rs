//! Ignition 1 and 2.

mod version;

use super::findings::Remarks;
use super::node::Node;
use super::surroundings::Surroundings;
use super::translation::Outcome;
use crate::config::{LineStarts, Version};
pub(crate) use version::OldVersion;

/// The version that configs before 3 come out in: the first one with all that they need.
pub(crate) const OUTPUT_VERSION: Version = Version::V3_1;

/// Reads `text`.
pub(crate) fn read<'t>(
    _text: &'t [u8],
    _lines: &LineStarts,
    _surroundings: &Surroundings<'_>,
) -> Outcome<'t> {
    Outcome {
        findings: Vec::new(),
        paths: crate::config::WrittenPaths::default(),
        config: None,
        wrapper: None,
    }
}

/// Judges `model`, a tree with the names and types of `version`, and translates it to [`OUTPUT_VERSION`].
///
/// Members that are absent or null count as not set; unknown ones are ignored without a word. `None` if remarks have
/// an error that keeps the config from being translated.
pub(crate) fn from_model<'t>(
    _model: Node<'t>,
    _version: OldVersion,
    _surroundings: &Surroundings<'_>,
    _remarks: &mut Remarks,
) -> Option<Node<'t>> {
    None
}
