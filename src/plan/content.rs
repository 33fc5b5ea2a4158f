//! Where the bytes of files come from.

use super::op::Content;
use crate::config::model::Resource;

impl Content {
    /// Text made by the planner.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let bytes = text.len() as u64;
        Content::Text { text, bytes }
    }

    /// Bytes fetched when the operation runs.
    pub fn fetched(resource: &Resource) -> Self {
        Content::Fetched {
            fetch: resource.into(),
            is_copied: false,
        }
    }
}

/// Longer bodies of `data:` URLs take more than a moment to decode.
const BRIEF_BYTES: usize = 64 << 10;

impl Content {
    /// True for a few bytes that are at hand.
    pub(super) fn is_brief(&self) -> bool {
        match self {
            Content::Text { .. } => true,
            Content::Fetched { fetch, .. } => {
                let url = fetch.url();
                url.is_empty() || (url.starts_with("data:") && url.len() <= BRIEF_BYTES)
            }
            _ => false,
        }
    }
}
