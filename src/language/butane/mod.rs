//! Butane.

use super::surroundings::Surroundings;
use super::translation::Outcome;
use crate::config::LineStarts;
use crate::config::tree::Tree;

/// A MachineConfig of OpenShift around a config.
pub(crate) struct MachineConfig;

impl MachineConfig {
    pub(crate) fn print(&self, _tree: &Tree<'_>) -> String {
        String::new()
    }
}

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
