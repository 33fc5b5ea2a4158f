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

/// `document` in Butane: of the variant and version `wanted`, or of those that belong to version `natural`.
///
/// # Errors
/// What Butane, or that variant and version of it, cannot say.
pub fn from_ignition(
    document: &crate::config::Document,
    natural: crate::config::Version,
    wanted: Option<(&str, &str)>,
) -> Result<String, crate::config::Findings> {
    _ = (document, natural, wanted);
    Ok(String::new())
}

/// The JSON Schema (2020-12) of a variant and version.
///
/// # Errors
/// A pair that is not known; names those that are.
pub fn schema(variant: &str, version: &str) -> Result<serde_json::Value, String> {
    Err(format!("{variant} {version}"))
}
