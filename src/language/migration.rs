//! Explains what each line of a config in an old language becomes.
//!
//! Every value of a translated config has the offset of its origin, so this needs nothing from the languages: it is the
//! translation, read backwards.

use super::languages::Language;
use super::node::{Node, NodeContent};
use super::surroundings::Surroundings;
use super::{shaped, translation};
use crate::config::{Finding, JsonPath, LineStarts, Position};
use std::collections::HashMap;

/// How many results of one value are named; a section that becomes a unit may have many.
const MAX_NAMED_RESULTS: usize = 4;

/// A value of the old config and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStep {
    /// Its position in the text.
    pub position: Position,
    /// Its path in the old spelling.
    pub old: JsonPath,
    /// Paths of the same value in Ignition 3. Empty if it becomes something else; then see `part_of`.
    pub new: Vec<JsonPath>,
    /// Paths of what the section around the value becomes; empty if that has no counterpart.
    pub part_of: Vec<JsonPath>,
    /// Findings about it.
    pub remarks: Vec<Finding>,
}

/// The migration of a config, value by value.
#[derive(Debug)]
pub struct Migration {
    /// In the order of the text.
    pub steps: Vec<MigrationStep>,
    /// Findings about the config as a whole.
    pub remarks: Vec<Finding>,
    /// True if it can be translated.
    pub is_possible: bool,
}

/// Explains `text`, which is in `language`.
pub fn explain(text: &[u8], language: Language, surroundings: &Surroundings<'_>) -> Migration {
    let lines = LineStarts::of(text);
    let outcome = translation::read_as(text, &lines, language, surroundings);
    let results = outcome
        .config
        .map(|(root, _)| by_offset(&shaped::node(root)))
        .unwrap_or_default();
    // This includes the findings by the rules of the new version.
    let parsed = translation::parse_as("", text, language, surroundings);
    let mut findings: HashMap<JsonPath, Vec<Finding>> = HashMap::new();
    let mut remarks = Vec::new();
    for finding in parsed.findings.0 {
        match finding.path.clone() {
            // Findings at the root are about the config as a whole.
            Some(path) if path == JsonPath::root() => remarks.push(finding),
            Some(path) => findings.entry(path).or_default().push(finding),
            None => remarks.push(finding),
        }
    }
    let results_of = |offset: u32| results.get(&offset).cloned().unwrap_or_default();
    let mut steps: Vec<MigrationStep> = outcome
        .paths
        .leaves()
        .map(|(offset, old, above)| {
            let new = results_of(offset);
            let part_of = match new.is_empty() {
                true => above
                    .into_iter()
                    .map(results_of)
                    .find(|paths| !paths.is_empty()),
                false => None,
            };
            MigrationStep {
                position: lines.position(offset),
                remarks: findings.remove(&old).unwrap_or_default(),
                old,
                new,
                part_of: part_of.unwrap_or_default(),
            }
        })
        .collect();
    // Findings about containers become steps of their own.
    for (old, remarks) in findings {
        let position = remarks.iter().find_map(|finding| finding.position);
        steps.push(MigrationStep {
            position: position.unwrap_or(Position { line: 1, column: 1 }),
            old,
            new: Vec::new(),
            part_of: Vec::new(),
            remarks,
        });
    }
    steps.sort_by(|a, b| (a.position, &a.old).cmp(&(b.position, &b.old)));
    Migration {
        steps,
        remarks,
        is_possible: parsed.outcome.is_ok(),
    }
}

/// Paths in the result, by the offset of each value's origin.
fn by_offset(root: &Node<'_>) -> HashMap<u32, Vec<JsonPath>> {
    let mut results: HashMap<u32, Vec<JsonPath>> = HashMap::new();
    let mut rest = vec![(root, JsonPath::root())];
    while let Some((node, path)) = rest.pop() {
        match &node.value {
            NodeContent::Scalar(_) => {}
            NodeContent::List(elements) => {
                let below = elements.iter().enumerate().rev();
                rest.extend(below.map(|(index, element)| (element, path.join(index))));
            }
            NodeContent::Mapping(entries) => {
                let below = entries.iter().rev();
                rest.extend(below.map(|entry| (&entry.value, path.join(&entry.key))));
            }
        }
        let paths = results.entry(node.at).or_default();
        let is_below = |above: &JsonPath| path.as_str().starts_with(above.as_str());
        if paths.len() < MAX_NAMED_RESULTS && !paths.iter().any(is_below) {
            paths.push(path);
        }
    }
    // The root contains everything, so it says nothing.
    for paths in results.values_mut() {
        paths.retain(|path| *path != JsonPath::root());
    }
    results
}
