//! What a run fetches for a file.

use crate::config::model::Resource;
use crate::config::{SharedText, data_url};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Something to fetch. Nearly all files of a large plan have nothing but a URL, so the rest is boxed.
///
/// Serialized as its display URL: the URL itself, header values and hashes may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlannedFetch {
    source: SharedText,
    /// The whole resource, if it has more than the URL.
    resource: Option<Box<Resource>>,
}

impl From<&Resource> for PlannedFetch {
    fn from(resource: &Resource) -> Self {
        let source = resource.source.clone().unwrap_or_default();
        let has_more = resource.compression.is_some()
            || resource.verification.hash.is_some()
            || !resource.http_headers.is_empty();
        Self {
            source,
            resource: has_more.then(|| Box::new(resource.clone())),
        }
    }
}

impl PlannedFetch {
    /// The URL; it may be empty.
    pub fn url(&self) -> &str {
        &self.source
    }

    /// The resource as the config has it.
    pub fn resource(&self) -> Cow<'_, Resource> {
        match &self.resource {
            Some(resource) => Cow::Borrowed(resource),
            None => Cow::Owned(Resource {
                source: Some(self.source.clone()),
                ..Resource::default()
            }),
        }
    }

    /// True if the content has to be decompressed.
    pub fn is_compressed(&self) -> bool {
        let compression = self.resource.as_ref().map(|one| &one.compression);
        compression.is_some_and(Option::is_some)
    }
}

impl Serialize for PlannedFetch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&display_url(self.url()))
    }
}

/// A URL for display: `data:` only with its size, others without user, password, query and fragment, any of which may
/// be a secret.
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
    data_url::body_decoded_len(kind.ends_with(";base64"), body)
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
