//! What becomes of each line of a config in an old language.
//!
//! Every value of a translated config knows the place it was made from, so this needs nothing from the languages: it
//! is the translation, read backwards.

use super::languages::Language;
use super::node::{Node, NodeContent};
use super::surroundings::Surroundings;
use super::{shaped, translation};
use crate::config::{Finding, JsonPath, LineStarts, Position};
use std::collections::HashMap;

/// Results of one value that are named; of a unit that a section makes there may be many.
const MAX_NAMED_RESULTS: usize = 4;

/// A value of the old config and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStep {
    /// Where it is.
    pub position: Position,
    /// Its path in the old spelling.
    pub old: JsonPath,
    /// Paths of the same value in Ignition 3. Empty if something else is made of it; then see `part_of`.
    pub new: Vec<JsonPath>,
    /// Paths of what is made of the section that the value is part of; empty if it has no counterpart.
    pub part_of: Vec<JsonPath>,
    /// What there is to say about it.
    pub remarks: Vec<Finding>,
}

/// A config, value by value.
#[derive(Debug)]
pub struct Migration {
    /// In the order of the text.
    pub steps: Vec<MigrationStep>,
    /// What there is to say about the config as a whole.
    pub remarks: Vec<Finding>,
    /// True if it can be translated.
    pub is_possible: bool,
}

/// Explains `text`, which is in `language`.
pub fn explain(text: &[u8], language: Language, surroundings: &Surroundings<'_>) -> Migration {
    let lines = LineStarts::of(text);
    let outcome = translation::outcome(text, &lines, language, surroundings);
    let made = outcome
        .config
        .map(|(root, _)| by_offset(&shaped::node(root)))
        .unwrap_or_default();
    // With what the rules of the new version say.
    let parsed = translation::parse_as("", text, language, surroundings);
    let mut findings: HashMap<JsonPath, Vec<Finding>> = HashMap::new();
    let mut remarks = Vec::new();
    for finding in parsed.findings.0 {
        match finding.path.clone() {
            // That is about the config as a whole.
            Some(path) if path == JsonPath::root() => remarks.push(finding),
            Some(path) => findings.entry(path).or_default().push(finding),
            None => remarks.push(finding),
        }
    }
    let of = |offset: u32| made.get(&offset).cloned().unwrap_or_default();
    let mut steps: Vec<MigrationStep> = outcome
        .paths
        .leaves()
        .map(|(offset, old, above)| {
            let new = of(offset);
            let part_of = match new.is_empty() {
                true => above.into_iter().map(of).find(|paths| !paths.is_empty()),
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
    // Findings about values that hold others: they stand for themselves.
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

/// Paths in the result, by the place that each value was made from.
fn by_offset(root: &Node<'_>) -> HashMap<u32, Vec<JsonPath>> {
    let mut made: HashMap<u32, Vec<JsonPath>> = HashMap::new();
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
        let paths = made.entry(node.at).or_default();
        let is_below = |above: &JsonPath| path.as_str().starts_with(above.as_str());
        if paths.len() < MAX_NAMED_RESULTS && !paths.iter().any(is_below) {
            paths.push(path);
        }
    }
    // The root is where everything is; it says nothing.
    for paths in made.values_mut() {
        paths.retain(|path| *path != JsonPath::root());
    }
    made
}
