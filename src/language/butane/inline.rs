//! Decides which contents become inline text when a config is translated to Butane.

use super::encoding::{self, Forms};
use super::variants::{BaseVersion, Dialect, Variant};
use crate::config::{JsonPath, data_url, parse};
use crate::language::packed;

/// Prefix of the paths of references to other configs.
const REFERENCE_PREFIX: &str = "$.ignition.config.";

/// How a source is written.
pub(super) enum Inline {
    /// As this text.
    Text(String),
    /// Kept as a URL, which does not contain the bytes.
    Elsewhere,
    /// Kept as a URL, for this reason.
    Kept(&'static str),
}

/// What the decision depends on besides the resource.
pub(super) struct Inlining {
    pub(super) dialect: &'static Dialect,
    /// True if other configs are merged into this one.
    pub(super) has_children: bool,
}

impl Inlining {
    /// The text that `source`, part of the resource at `path`, stands for, if an `inline` of this text has the same
    /// meaning.
    ///
    /// The bytes are those of `source` in any case, but `inline` also implies a compression: `gzip` if that is shorter,
    /// else none (`""`). Stating none where none was stated changes nothing that works: it only matters if this config
    /// is merged over one that compresses the same file, and then the text would not have been gzip data. Any other
    /// change of the compression does not affect this config either, but a config that is merged into it may give a new
    /// source and rely on the compression it finds. So a config that merges others keeps the compressions that they can
    /// see.
    pub(super) fn text_of(
        &self,
        source: &str,
        compression: Option<&str>,
        path: &JsonPath,
    ) -> Inline {
        if !source.starts_with("data:") {
            return Inline::Elsewhere;
        }
        let is_packed = compression == Some("gzip");
        let bytes = data_url::decode(source).ok();
        let bytes = match is_packed {
            true => bytes.and_then(|bytes| packed::gunzip(&bytes).ok()),
            false => bytes,
        };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        let Some(text) = text.filter(|text| !text.contains(is_control)) else {
            return Inline::Kept("not text, so it stays a URL");
        };
        if self.dialect.base == BaseVersion::V0_1 {
            return match is_packed {
                true => Inline::Kept("compressed, which inline text is not in this version"),
                false => Inline::Text(text),
            };
        }
        // Inline configs are checked, and Butane ones are translated.
        if path.as_str().starts_with(REFERENCE_PREFIX)
            && parse("", text.as_bytes()).outcome.is_err()
        {
            return Inline::Kept("not an Ignition 3 config, so it stays a URL");
        }
        // Other resources are identified by their source, so a merge never gives them a new one.
        let is_merged_by_member =
            path.as_str().ends_with(".contents") || path.as_str().ends_with(".keyFile");
        if self.has_children && is_merged_by_member && self.would_compress(&text) != is_packed {
            return Inline::Kept(
                "inline text would have another compression, which merged configs may rely on",
            );
        }
        Inline::Text(text)
    }

    fn would_compress(&self, text: &str) -> bool {
        let is_allowed =
            self.dialect.variant != Variant::Openshift || self.dialect.is_openshift_since(10);
        is_allowed && encoding::encode(text.as_bytes().into(), Forms::Compressed).is_compressed
    }
}
