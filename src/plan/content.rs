//! Where the bytes of files come from.

use super::op::Content;
use crate::config::model::Resource;

impl Content {
    /// Text that the planner generated.
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

/// Maximum length of a `data:` URL that decodes in no noticeable time.
const MAX_BRIEF_BYTES: usize = 64 << 10;

impl Content {
    /// True for short content that does not have to be fetched.
    pub(super) fn is_brief(&self) -> bool {
        match self {
            Content::Text { .. } => true,
            Content::Fetched { fetch, .. } => {
                let url = fetch.url();
                url.is_empty() || (url.starts_with("data:") && url.len() <= MAX_BRIEF_BYTES)
            }
            _ => false,
        }
    }
}
