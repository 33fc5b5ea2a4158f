//! What the steps of one translation share.

use super::encoding::{self, EncodedBytes, Forms};
use super::variants::{BaseVersion, Dialect};
use crate::config::EncodedContents;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::surroundings::Surroundings;
use std::borrow::Cow;

/// One translation.
pub(super) struct ButaneContext<'s, 'r> {
    pub(super) dialect: &'static Dialect,
    pub(super) surroundings: &'s Surroundings<'s>,
    pub(super) remarks: &'r mut Remarks,
    /// Local files that this text was reached by, the outermost first.
    pub(super) nesting: &'s [String],
    /// Offset of what was last encoded as [`Forms::Fast`].
    pub(super) encoded_at: Option<u32>,
    /// Contents of files that are put aside.
    pub(super) encoded: Vec<EncodedContents>,
}

impl ButaneContext<'_, '_> {
    /// The bytes of the local file that `node` names, or nothing and a finding.
    pub(super) fn local(&mut self, node: &Node<'_>) -> Option<Vec<u8>> {
        let Some(files) = self.surroundings.files else {
            self.no_files(node.at);
            return None;
        };
        match files.read(node.as_text()) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.remarks.error(node.at, error.to_string());
                None
            }
        }
    }

    /// [`ButaneContext::local`] as text.
    pub(super) fn local_text(&mut self, node: &Node<'_>) -> Option<String> {
        let bytes = self.local(node)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                let message = format!("{} is not UTF-8 text", node.as_text());
                self.remarks.error(node.at, message);
                None
            }
        }
    }

    /// Says that there is no folder of local files.
    pub(super) fn no_files(&mut self, at: u32) {
        self.remarks.error_with_help(
            at,
            "a local file is referenced, but no files directory was given",
            "translate the config where the files are: kindling translate --files-dir DIR",
        );
    }

    /// Bytes as `source` and, where versions have it beside encoded bytes, `compression`. `at` is what they are from.
    pub(super) fn encoded<'t>(
        &mut self,
        at: u32,
        bytes: Cow<'_, [u8]>,
        compression: Option<&Node<'t>>,
    ) -> impl Iterator<Item = (&'static str, Node<'t>)> + use<'t> {
        let stated = compression.map(Node::as_text).unwrap_or_default();
        let forms = self.forms(stated);
        if forms == Forms::Fast {
            self.encoded_at = Some(at);
        }
        let EncodedBytes { url, is_compressed } = encoding::encode(bytes, forms);
        let compression = if self.dialect.base == BaseVersion::V0_1 {
            compression.cloned()
        } else if is_compressed {
            Some(Node::text(at, "gzip"))
        } else {
            // Said, so that a config that is merged over another does not get the other's.
            let node = compression.map_or(at, |node| node.at);
            Some(Node::text(node, stated.to_owned()))
        };
        let members = [
            ("source", Some(Node::text(at, url))),
            ("compression", compression),
        ];
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    fn forms(&self, compression: &str) -> Forms {
        let is_uncompressed = self.dialect.openshift == 8 || self.dialect.openshift == 9;
        if !self.surroundings.is_printed {
            Forms::Fast
        } else if self.dialect.base == BaseVersion::V0_1 {
            Forms::Plain
        } else if !compression.is_empty() || is_uncompressed {
            Forms::Short
        } else {
            Forms::Compressed
        }
    }
}

/// The text of a scalar, of its own.
pub(super) fn owned_text<'t>(node: &Node<'t>) -> Cow<'t, str> {
    match &node.value {
        NodeContent::Scalar(scalar) => scalar.text.clone(),
        _ => Cow::Borrowed(""),
    }
}

/// True if member `name` is there and true.
pub(super) fn is_on(node: &Node<'_>, name: &str) -> bool {
    node.text_at(name) == "true"
}

/// The elements of the list `name`.
pub(super) fn list<'n, 't>(node: &'n Node<'t>, name: &str) -> &'n [Node<'t>] {
    node.get(name).map_or(&[], Node::elements)
}
