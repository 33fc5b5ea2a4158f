//! `#cloud-config` as coreos-cloudinit reads it.

use super::surroundings::Surroundings;
use super::translation::Outcome;
use crate::config::LineStarts;

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
