//! State that the steps of one translation share.

use super::encoding::{self, EncodedBytes, Forms};
use super::variants::{BaseVersion, Dialect};
use crate::config::EncodedContents;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::surroundings::Surroundings;
use std::borrow::Cow;

/// The state of one translation.
pub(super) struct ButaneContext<'s, 'r> {
    pub(super) dialect: &'static Dialect,
    pub(super) surroundings: &'s Surroundings<'s>,
    pub(super) remarks: &'r mut Remarks,
    /// Local files through which this text was reached, the outermost first.
    pub(super) nesting: &'s [String],
    /// Offset of the value that was last encoded as [`Forms::Fast`].
    pub(super) encoded_at: Option<u32>,
    /// Contents of files that are kept out of the config.
    pub(super) encoded: Vec<EncodedContents>,
}

impl ButaneContext<'_, '_> {
    /// The bytes of the local file that `node` names. If it cannot be read, that is reported.
    pub(super) fn read_local(&mut self, node: &Node<'_>) -> Option<Vec<u8>> {
        let Some(files) = self.surroundings.files else {
            self.report_no_files(node.at);
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

    /// [`ButaneContext::read_local`] as text.
    pub(super) fn read_local_text(&mut self, node: &Node<'_>) -> Option<String> {
        let bytes = self.read_local(node)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                let message = format!("{} is not UTF-8 text", node.as_text());
                self.remarks.error(node.at, message);
                None
            }
        }
    }

    /// Reports that no directory of local files was given.
    pub(super) fn report_no_files(&mut self, at: u32) {
        self.remarks.error_with_help(
            at,
            "a local file is referenced, but no files directory was given",
            "translate the config where the files are: kindling translate --files-dir DIR",
        );
    }

    /// `bytes` as a `source` and, in versions that state one beside it, a `compression`. `at` is the offset of their
    /// origin.
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
            // Stated even if empty, so that a config merged over another one does not inherit the other's.
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
        let is_uncompressed = matches!(self.dialect.openshift, (4, 8 | 9));
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

/// A copy of the text of a scalar; empty for anything else.
pub(super) fn owned_text<'t>(node: &Node<'t>) -> Cow<'t, str> {
    match &node.value {
        NodeContent::Scalar(scalar) => scalar.text.clone(),
        _ => Cow::Borrowed(""),
    }
}

/// True if the member `name` is present and true.
pub(super) fn is_on(node: &Node<'_>, name: &str) -> bool {
    node.text_at(name) == "true"
}

/// The elements of the list `name`.
pub(super) fn list<'n, 't>(node: &'n Node<'t>, name: &str) -> &'n [Node<'t>] {
    node.get(name).map_or(&[], Node::elements)
}
