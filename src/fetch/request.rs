//! What to fetch. Everything that can be validated without a network is validated here.

use super::{FetchError, Route, Scheme, Service, shown_url};
use crate::config::digest::Digest;
use crate::config::model::Resource;
use crate::config::url;

/// How the bytes are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// Gzip (RFC 1952), with one or more members.
    Gzip,
}

/// Something to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The URL; an empty one is a resource of zero bytes.
    pub url: String,
    /// Headers that are added to ours or replace them, on the first hop only. Values may be secret.
    pub headers: Vec<(String, String)>,
    /// How the bytes are compressed.
    pub compression: Compression,
    /// Expected digest of the decompressed bytes.
    pub digest: Option<Digest>,
    /// Peculiarities of the service.
    pub service: Service,
}

impl Request {
    /// A request for `url`, without anything else set.
    pub fn get(url: impl Into<String>) -> Self {
        Request {
            url: url.into(),
            ..Request::default()
        }
    }

    /// The request for a resource of a config. An absent source counts as empty.
    pub fn of(resource: &Resource) -> Result<Self, FetchError> {
        let url = resource.source.as_deref().unwrap_or_default().to_owned();
        Ok(Request {
            headers: headers(resource, &url)?,
            compression: compression(resource, &url)?,
            digest: digest(resource, &url)?,
            url,
            service: Service::default(),
        })
    }

    /// The scheme.
    ///
    /// # Errors
    /// If the URL is malformed, or its scheme is not supported.
    pub fn scheme(&self) -> Result<Scheme, FetchError> {
        if self.url.is_empty() {
            return Ok(Scheme::Empty);
        }
        // Its decoder is stricter than the URL parser, which would have to scan all of it as well.
        if self.url.starts_with("data:") {
            return Ok(Scheme::Data);
        }
        let parsed = url::parse(&self.url).map_err(|e| self.invalid(e.to_string()))?;
        let unsupported = || FetchError::UnsupportedScheme {
            scheme: parsed.scheme.clone(),
            url: self.shown_url(),
        };
        Scheme::named(&parsed.scheme).ok_or_else(unsupported)
    }

    /// The redacted URL, for messages.
    pub fn shown_url(&self) -> String {
        let shown = shown_url(&self.url);
        match &self.service.route {
            // Puts the zone where RFC 6874 has it in the URL of a link-local address.
            Route::Interface(name) => shown.replacen(']', &format!("%25{name}]"), 1),
            Route::Default | Route::PrivilegedPort => shown,
        }
    }

    pub(super) fn invalid(&self, cause: String) -> FetchError {
        FetchError::InvalidUrl {
            url: self.shown_url(),
            cause,
        }
    }
}

fn headers(resource: &Resource, url: &str) -> Result<Vec<(String, String)>, FetchError> {
    let pair = |header: &crate::config::model::HttpHeader| {
        let value = header.value.clone().filter(|v| !v.is_empty());
        let missing = || FetchError::InvalidHeader {
            url: shown_url(url),
            name: header.name.clone(),
            cause: "it has no value, and removes no header of a parent config",
        };
        Ok((header.name.clone(), value.ok_or_else(missing)?))
    };
    resource.http_headers.iter().map(pair).collect()
}

fn compression(resource: &Resource, url: &str) -> Result<Compression, FetchError> {
    match resource.compression.as_deref() {
        None | Some("") => Ok(Compression::None),
        Some("gzip") => Ok(Compression::Gzip),
        Some(other) => Err(FetchError::InvalidCompression {
            url: shown_url(url),
            method: other.into(),
        }),
    }
}

fn digest(resource: &Resource, url: &str) -> Result<Option<Digest>, FetchError> {
    let text = resource.verification.hash.as_deref();
    let invalid = |cause| FetchError::InvalidDigest {
        url: shown_url(url),
        cause,
    };
    text.map(|t| Digest::parse(t).map_err(invalid)).transpose()
}
