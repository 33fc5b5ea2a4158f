//! Where file bytes come from, told without telling secrets.

use super::op::Content;
use crate::config::data_url;
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
            resource: Box::new(resource.clone()),
            url: display_url(resource.source.as_deref().unwrap_or_default()),
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
            Content::Fetched { resource, .. } => {
                let url = resource.source.as_deref().unwrap_or_default();
                url.is_empty() || (url.starts_with("data:") && url.len() <= BRIEF_BYTES)
            }
            _ => false,
        }
    }
}

/// A URL for people: `data:` only with its size, others without user, password, query and fragment,
/// any of which may be a secret.
pub fn display_url(url: &str) -> String {
    if let Some(data) = strip_scheme(url, "data") {
        return format!("data: ({} bytes)", data_len(data));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (rest, tail) = rest.split_at(end);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let tail = if tail.is_empty() { "" } else { "?..." };
    format!("{scheme}://{host}{path}{tail}")
}

fn strip_scheme<'u>(url: &'u str, scheme: &str) -> Option<&'u str> {
    let (found, rest) = url.split_once(':')?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Length of the body of a `data:` URL without decoding it (before decompression).
fn data_len(data: &str) -> usize {
    let (kind, body) = data.split_once(',').unwrap_or(("", data));
    data_url::length_of_body(kind.ends_with(";base64"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_secrets() {
        for (url, shown) in [
            ("", ""),
            ("data:,hello%20you", "data: (9 bytes)"),
            ("DATA:text/plain;base64,aGVsbG8=", "data: (5 bytes)"),
            ("data:;base64,", "data: (0 bytes)"),
            ("http://h/p", "http://h/p"),
            (
                "https://u:pw@h:8080/p/q?token=x#f",
                "https://h:8080/p/q?...",
            ),
            ("https://u@h?x", "https://h?..."),
            ("s3://bucket/key?versionId=1", "s3://bucket/key?..."),
        ] {
            assert_eq!(display_url(url), shown, "{url}");
        }
    }
}
