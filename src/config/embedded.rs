//! Configs that are embedded in a document: the `data:` URLs that it merges.

use super::document::Document;
use super::model::{Config, Resource};
use super::places::PlaceTree;
use super::ser;
use super::spec_table::{Kind, ROOT};
use super::tree::Value;
use serde::Deserialize;
use std::sync::Arc;

impl Document {
    /// The document without its embedded configs, and those configs in order. References to other configs stay.
    pub fn split_embedded(&self) -> (Document, Vec<Resource>) {
        let merged = &self.config.ignition.config.merge;
        let (embedded, _): (Vec<_>, Vec<_>) = merged.iter().partition(|one| is_embedded(one));
        let embedded: Vec<Resource> = embedded.into_iter().cloned().collect();
        if embedded.is_empty() {
            return (self.clone(), embedded);
        }
        let keeps: Vec<bool> = merged.iter().map(|one| !is_embedded(one)).collect();
        // Both steps can only fail if model and table disagree, which a test rules out.
        let without = self.without_merged(&keeps);
        (without.unwrap_or_else(|| self.clone()), embedded)
    }

    /// The document with only those of its merged configs that `keeps` is true for.
    fn without_merged(&self, keeps: &[bool]) -> Option<Document> {
        let mut tree = ser::tree(&self.config, Kind::Object(&ROOT), self.places.root(), 0).ok()?;
        let list = tree
            .part_mut("ignition")?
            .part_mut("config")?
            .part_mut("merge")?;
        if let Value::List(elements) = &mut list.value {
            let mut keeps = keeps.iter();
            elements.retain(|_| keeps.next().copied().unwrap_or(true));
        }
        let places = Arc::new(PlaceTree::of(&tree));
        Some(Document {
            config: Config::deserialize(tree).ok()?,
            sources: self.sources.clone(),
            places,
        })
    }
}

fn is_embedded(resource: &Resource) -> bool {
    let source = resource.source.as_deref().unwrap_or_default();
    let scheme = source.get(..5);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}
