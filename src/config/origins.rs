//! Where the parts of a stored document came from, and what else its text cannot say.

use super::model::NewParent;
use super::origin::{JsonPath, Origin};
use super::wording::Wording;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Origins of the objects of a document, by their paths in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// Names of the texts.
    pub(super) sources: Vec<Arc<str>>,
    /// What keys are called in each of them; as in Ignition if that is not stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) wordings: Vec<Wording>,
    pub(super) places: HashMap<String, KnownOrigin>,
    /// See [`Document::new_parents`](super::Document::new_parents).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) new_parents: Vec<NewParent>,
}

/// Index of a text, line, column, and the path there unless it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownOrigin(
    pub(super) usize,
    pub(super) u32,
    pub(super) u32,
    #[serde(default, skip_serializing_if = "Option::is_none")] pub(super) Option<JsonPath>,
);

impl Origins {
    /// What keys are called in the text called `source`.
    pub(crate) fn wording_of(&self, source: &str) -> Option<Wording> {
        let index = self.sources.iter().position(|name| **name == *source)?;
        Some(self.wordings.get(index).copied().unwrap_or_default())
    }

    /// The origin of the value at `path`, or of the innermost object that contains it.
    pub(crate) fn of(&self, path: &JsonPath) -> Option<Origin> {
        let mut at = path.as_str();
        loop {
            if let Some(KnownOrigin(index, line, column, original)) = self.places.get(at) {
                let path = original.clone().unwrap_or_else(|| JsonPath::new(at));
                return Some(Origin {
                    source: Arc::clone(self.sources.get(*index)?),
                    line: *line,
                    column: *column,
                    path,
                });
            }
            at = at.rsplit_once('.')?.0;
        }
    }
}
