//! What to fetch. What can be judged without a network is judged here.

use super::{FetchError, Route, Scheme, Service, shown_url};
use crate::config::digest::Digest;
use crate::config::model::Resource;
use crate::config::url;

/// How the bytes are packed on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not.
    #[default]
    None,
    /// RFC 1952; members may follow each other.
    Gzip,
}

/// Something to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// URL; the empty text stands for zero bytes.
    pub url: String,
    /// Headers sent besides and instead of ours, on the first hop only. Values may be secret.
    pub headers: Vec<(String, String)>,
    /// How the bytes are packed.
    pub compression: Compression,
    /// Digest the unpacked bytes must have.
    pub digest: Option<Digest>,
    /// What is peculiar about whom we ask.
    pub service: Service,
}

impl Request {
    /// A request for `url` and nothing more.
    pub fn get(url: impl Into<String>) -> Self {
        Request {
            url: url.into(),
            ..Request::default()
        }
    }

    /// The request for a resource of a config. An absent source is the empty one.
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

    /// The scheme, or why it cannot be fetched.
    pub fn scheme(&self) -> Result<Scheme, FetchError> {
        if self.url.is_empty() {
            return Ok(Scheme::Empty);
        }
        // Whoever decodes it refuses more than what splits URLs, which would look at each byte of it too.
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

    /// The URL for messages.
    pub fn shown_url(&self) -> String {
        let shown = shown_url(&self.url);
        match &self.service.route {
            // Where a URL of a link-local address has its zone (RFC 6874).
            Route::Interface(name) => shown.replacen(']', &format!("%25{name}]"), 1),
            Route::Usual | Route::PrivilegedPort => shown,
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
