//! A client for metadata services, for attributes in several documents.

use super::decode;
use crate::fetch::{FetchError, Request, shown_url};
use crate::platform::contract::FetchContext;
use crate::platform::contract::NoDescription;
use anyhow::bail;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use std::cell::Cell;

/// Maximum size of a document.
const MAX_BYTES: u64 = 4 << 20;
/// Maximum size of all documents of a machine together.
const MAX_TOTAL_BYTES: u64 = 16 << 20;
/// Maximum number of entries of a list: each of them is at least one request.
const MAX_NAMES: usize = 1000;
/// Everything but the unreserved characters of RFC 3986 is percent-encoded in a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A service, and the headers for each request to it.
pub(crate) struct MetadataService<'a> {
    context: &'a FetchContext<'a>,
    base: String,
    headers: Vec<(String, String)>,
    retry_statuses: &'static [u16],
    /// Size of the documents so far.
    received_bytes: Cell<u64>,
}

impl<'a> MetadataService<'a> {
    /// The service whose URLs begin with `base`.
    pub(crate) fn at(context: &'a FetchContext<'a>, base: impl Into<String>) -> Self {
        Self {
            context,
            base: base.into(),
            headers: Vec::new(),
            retry_statuses: &[],
            received_bytes: Cell::new(0),
        }
    }

    /// Adds a header to each request.
    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Also retries after these statuses.
    pub(crate) fn retry_on(mut self, statuses: &'static [u16]) -> Self {
        self.retry_statuses = statuses;
        self
    }

    /// URL of a document.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Fetches a document; `None` on status 404.
    ///
    /// # Errors
    /// If it cannot be fetched.
    pub(crate) fn body(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let mut request = Request::get(self.url(path));
        request.headers.clone_from(&self.headers);
        request.service.retry_statuses = self.retry_statuses;
        self.send(&request)
    }

    /// Sends a request that was built elsewhere; `None` on status 404.
    ///
    /// # Errors
    /// See [`MetadataService::body`].
    pub(crate) fn send(&self, request: &Request) -> anyhow::Result<Option<Vec<u8>>> {
        let context = self.context;
        let received_bytes = self.received_bytes.get();
        let limit_bytes = MAX_BYTES.min(MAX_TOTAL_BYTES.saturating_sub(received_bytes));
        let fetched = context
            .fetcher
            .fetch_bounded(request, limit_bytes, context.events);
        match fetched {
            Ok((body, _)) => {
                self.received_bytes
                    .set(received_bytes.saturating_add(body.len() as u64));
                Ok(Some(body))
            }
            Err(FetchError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches text and trims it; `None` if it is missing or empty.
    ///
    /// # Errors
    /// If it cannot be fetched, or is not UTF-8.
    pub(crate) fn text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let Some(body) = self.body(path)? else {
            return Ok(None);
        };
        let text = decode::text(&self.shown(path), body)?;
        let text = text.trim();
        Ok(Some(text).filter(|text| !text.is_empty()).map(String::from))
    }

    /// Fetches a JSON document; `None` if it is missing or empty.
    ///
    /// # Errors
    /// If it cannot be fetched, or does not have the expected structure.
    pub(crate) fn json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let body = self.body(path)?.filter(|body| !body.is_empty());
        let parsed = body.map(|body| decode::json(&self.shown(path), &body));
        parsed.transpose()
    }

    /// Fetches a required JSON document.
    ///
    /// # Errors
    /// If it is missing ([`NoDescription`]). See also [`MetadataService::json`].
    pub(crate) fn required_json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let missing = || {
            NoDescription(format!(
                "nothing found at {}; check the platform, and that its metadata service is enabled",
                self.shown(path)
            ))
        };
        Ok(self.json(path)?.ok_or_else(missing)?)
    }

    /// Fetches a list with lines such as `0=name` or `name/`. Returns the names, percent-encoded for use in paths.
    ///
    /// # Errors
    /// If the list cannot be fetched, has an entry without a name, or has too many.
    pub(crate) fn names(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let list = self.text(path)?.unwrap_or_default();
        let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.clone().nth(MAX_NAMES).is_some() {
            bail!("{} lists more than {MAX_NAMES} entries", self.shown(path));
        }
        let names = lines.map(|line| {
            let name = line.split('=').next().unwrap_or(line).trim_end_matches('/');
            if matches!(name, "" | "." | "..") {
                bail!("{} lists something without a name", self.shown(path));
            }
            Ok(utf8_percent_encode(name, ENCODED).to_string())
        });
        names.collect()
    }

    fn shown(&self, path: &str) -> String {
        shown_url(&self.url(path))
    }
}
