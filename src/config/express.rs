//! Writes a document in a chosen version of the language.
//!
//! Documents are kept in the latest version. An older version may lack members that a config uses: then it cannot be
//! expressed, and each such place is an error.

use super::document::Document;
use super::finding::{Finding, Findings, Severity};
use super::origin::JsonPath;
use super::parse::parse;
use super::ser;
use super::spec_table::{Kind, ROOT};
use super::tree::{Tree, Value};
use super::version::Version;
use std::borrow::Cow;

/// Permission bits that older versions do not know: set-user-ID, set-group-ID, sticky.
const SPECIAL_BITS: i64 = 0o7000;

impl Document {
    /// The config as JSON in `version`, in one line or indented.
    ///
    /// # Errors
    /// If the version cannot express the config, or its rules forbid it.
    pub fn express(&self, version: Version, is_pretty: bool) -> Result<String, Findings> {
        let tree = self.tree_in(version)?;
        let text = super::write::json(&tree, is_pretty);
        let reparsed = parse("", text.as_bytes());
        if reparsed.outcome.is_ok() {
            return Ok(text);
        }
        let mut findings = reparsed.findings;
        for finding in &mut findings.0 {
            self.name_origin(finding);
        }
        Err(findings)
    }

    /// The config as a tree with the members of `version`.
    ///
    /// # Errors
    /// If the version cannot express the config.
    pub(crate) fn tree_in(&self, version: Version) -> Result<Tree<'static>, Findings> {
        let tree = ser::tree(&self.config, Kind::Object(&ROOT), self.places.root(), 0);
        let mut tree =
            tree.map_err(|error| Findings(vec![inexpressible(error.to_string(), None)]))?;
        if let Some(stated) = tree
            .part_mut("ignition")
            .and_then(|ignition| ignition.part_mut("version"))
        {
            stated.value = Value::Text(Cow::Borrowed(version.as_str()));
        }
        let mut findings = Vec::new();
        prune_object(&mut tree, version, &JsonPath::root(), &mut findings);
        if findings.is_empty() {
            return Ok(tree);
        }
        for finding in &mut findings {
            self.name_origin(finding);
        }
        Err(Findings(findings))
    }

    /// Adds the origin in the source text to a finding about this document.
    fn name_origin(&self, finding: &mut Finding) {
        let origin = finding.path.as_ref().and_then(|path| self.origin(path));
        finding.position = None;
        if let Some(origin) = origin {
            finding.help = Some(match finding.help.take() {
                Some(help) => format!("from {origin}; {help}"),
                None => format!("from {origin}"),
            });
        }
    }
}

/// Removes the empty members of an object, and reports those that `version` does not know.
fn prune_object(
    tree: &mut Tree<'static>,
    version: Version,
    path: &JsonPath,
    findings: &mut Vec<Finding>,
) {
    let Value::Object(members) = &mut tree.value else {
        return;
    };
    members.retain_mut(|(field, tree)| {
        let path = path.join(field.name);
        let kept = tree.has_content();
        if kept && field.since() > version {
            findings.push(inexpressible(
                format!("`{}` exists since version {}", field.name, field.since()),
                Some(path),
            ));
            return false;
        }
        if kept && field.name == "mode" && version < Version::V3_6 && has_special_bits(tree) {
            let message =
                "the special bits of a mode have an effect since version 3.6.0".to_owned();
            findings.push(inexpressible(message, Some(path)));
            return false;
        }
        match (field.kind, &mut tree.value) {
            (Kind::Object(_), Value::Object(_)) => prune_object(tree, version, &path, findings),
            (Kind::Objects(..), Value::List(elements)) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    prune_object(element, version, &path.join(index), findings);
                }
            }
            _ => {}
        }
        kept
    });
}

fn has_special_bits(tree: &Tree<'_>) -> bool {
    matches!(tree.value, Value::Int(mode) if mode & SPECIAL_BITS != 0)
}

fn inexpressible(message: String, path: Option<JsonPath>) -> Finding {
    Finding {
        severity: Severity::Error,
        path,
        position: None,
        message,
        help: None,
    }
}
