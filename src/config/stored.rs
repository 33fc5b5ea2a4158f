//! Storing a document in a file: the canonical text, which other programs read too, and separately the origins of its
//! parts.

use super::document::{Document, Paths};
use super::lines::Lines;
use super::origin::JsonPath;
use super::origins::{KnownOrigin, Origins};
use super::parse;
use super::places::{NOWHERE, Places};
use super::read::read;
use super::spec_table::ROOT;
use super::version::LATEST_VERSION;
use std::collections::HashMap;
use std::sync::Arc;

/// Why a stored text is not a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a config as kindling or Ignition stores it: {0}")]
pub struct StoredError(String);

impl Document {
    /// The canonical text: compact JSON in the latest version, without unset options and empty lists, with all
    /// sections.
    ///
    /// # Errors
    /// If serialization fails, which no config can cause.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.config)
    }

    /// Origins of all objects. Other values have that of the object that contains them.
    pub fn origins(&self) -> Origins {
        let mut origins = Origins {
            sources: self.sources.iter().map(|s| Arc::clone(&s.name)).collect(),
            wordings: self.sources.iter().map(|s| s.paths.wording()).collect(),
            places: HashMap::new(),
            new_parents: self.new_parents().cloned().collect(),
        };
        self.collect_origins(self.places.root(), &JsonPath::root(), &mut origins.places);
        origins
    }

    fn collect_origins(
        &self,
        places: Places<'_>,
        path: &JsonPath,
        found: &mut HashMap<String, KnownOrigin>,
    ) {
        let is_object = places.parts().any(|(field, _)| field.is_some());
        if is_object && let Some(known) = self.known_origin(places, path) {
            found.insert(path.as_str().to_owned(), known);
        }
        for (index, (field, part)) in places.parts().enumerate() {
            let path = match field {
                Some(field) => path.join(field.name),
                None => path.join(index),
            };
            self.collect_origins(part, &path, found);
        }
    }

    fn known_origin(&self, places: Places<'_>, path: &JsonPath) -> Option<KnownOrigin> {
        let index = usize::try_from(places.at().source)
            .ok()
            .filter(|_| places.at() != NOWHERE)?;
        let source = self.sources.get(index)?;
        let at = source.lines.position(places.at().offset);
        // In a document of one text in this language, every path is that in the text.
        let is_same = match &source.paths {
            Paths::Table(places) => Arc::ptr_eq(places, &self.places),
            Paths::Written(_) => false,
        };
        let original = match is_same {
            true => None,
            false => self
                .origin(path)
                .map(|origin| origin.path)
                .filter(|p| p != path),
        };
        Some(KnownOrigin(index, at.line, at.column, original))
    }

    /// This document, with the origins that its text had before it was stored.
    #[must_use]
    pub fn with_origins(mut self, origins: Origins) -> Self {
        if let [source] = &mut self.sources[..]
            && let Some(source) = Arc::get_mut(source)
        {
            source.origins = Some(origins);
        }
        self
    }
}

/// Reads the canonical text. It was validated before it was stored, so it is not validated again.
///
/// # Errors
/// If it is not valid JSON, or not a config of the latest version.
pub fn read_stored(source: &str, text: &[u8]) -> Result<Document, StoredError> {
    let lines = Lines::of(text);
    let reading = read(text, &lines, &ROOT, LATEST_VERSION);
    let root = reading.map_err(|error| StoredError(error.message))?.root;
    let (config, places) = parse::typed(root).map_err(StoredError)?;
    if config.ignition.version != LATEST_VERSION.as_str() {
        let message = format!(
            "its version is {:?}, not {LATEST_VERSION}",
            config.ignition.version
        );
        return Err(StoredError(message));
    }
    Ok(parse::document(source, config, places, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = r#"{"ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/a"}]}}"#;
    const CHILD: &str = r#"{"ignition": {"version": "3.4.0"},
        "storage": {"files": [
            {"path": "/b", "contents": {"source": "data:,b"}}]}}"#;

    fn parsed(name: &str, text: &str) -> Document {
        parse::parse(name, text.as_bytes()).outcome.expect("valid")
    }

    #[test]
    fn origins_survive_being_stored() {
        let merged = Document::merge(&parsed("p.ign", PARENT), &parsed("c.ign", CHILD));
        let text = merged.to_json().expect("text");
        let origins = serde_json::to_vec(&merged.origins()).expect("text");
        let origins = serde_json::from_slice(&origins).expect("the same");
        let stored = read_stored("/run/ignition.json", &text).expect("a document");
        let stored = stored.with_origins(origins);
        assert_eq!(stored.config(), merged.config());
        for (path, want) in [
            ("$.storage.files.0", "p.ign:2:32 ($.storage.files.0)"),
            ("$.storage.files.1", "c.ign:3:14 ($.storage.files.0)"),
            (
                "$.storage.files.1.contents.source",
                "c.ign:3:41 ($.storage.files.0.contents)",
            ),
        ] {
            let origin = stored.origin(&JsonPath::new(path)).map(|o| o.to_string());
            assert_eq!(origin.as_deref(), Some(want), "{path}");
        }
        // Merging keeps them.
        let base = parsed(
            "base.ign",
            r#"{"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": "u"}]}}"#,
        );
        let full = Document::merge(&base, &stored);
        let origin = full.origin(&JsonPath::new("$.storage.files.1"));
        assert_eq!(
            origin.map(|o| o.to_string()).as_deref(),
            Some("c.ign:3:14 ($.storage.files.0)")
        );
    }

    #[test]
    fn texts_that_were_not_stored_by_us_are_rejected() {
        for text in [
            "",
            "{",
            r#"{"ignition":{"version":"3.0.0"}}"#,
            r#"{"storage":[]}"#,
        ] {
            assert!(read_stored("x", text.as_bytes()).is_err(), "{text}");
        }
    }
}
