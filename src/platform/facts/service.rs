//! Asking a metadata service for one document after the other.

use super::super::FetchContext;
use super::{NoDescription, documents};
use crate::fetch::{FetchError, Request, shown_url};
use anyhow::bail;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

/// No document that describes a machine is longer.
const MAX_BYTES: u64 = 4 << 20;
/// What stands in a path as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A service, and what it wants to be sent along.
pub struct Service<'a> {
    context: &'a FetchContext<'a>,
    base: String,
    headers: Vec<(String, String)>,
    again: &'static [u16],
}

impl<'a> Service<'a> {
    /// The service whose addresses begin with `base`.
    pub fn at(context: &'a FetchContext<'a>, base: impl Into<String>) -> Self {
        Self {
            context,
            base: base.into(),
            headers: Vec::new(),
            again: &[],
        }
    }

    /// Sends a header along.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Asks again after these statuses, too.
    pub fn again(mut self, statuses: &'static [u16]) -> Self {
        self.again = statuses;
        self
    }

    /// Where a document is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A document; nothing if the service says that there is none.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn body(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let mut request = Request::get(self.url(path));
        request.headers.clone_from(&self.headers);
        request.service.again = self.again;
        self.send(&request)
    }

    /// The same for a request that is made elsewhere.
    ///
    /// # Errors
    /// As [`Service::body`].
    pub fn send(&self, request: &Request) -> anyhow::Result<Option<Vec<u8>>> {
        let context = self.context;
        let fetched = context
            .fetcher
            .fetch_bounded(request, MAX_BYTES, context.events);
        match fetched {
            Ok((body, _)) => Ok(Some(body)),
            Err(FetchError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A text without white space around it; nothing if there is none, or an empty one.
    ///
    /// # Errors
    /// It cannot be had, or is not a text.
    pub fn text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let Some(body) = self.body(path)? else {
            return Ok(None);
        };
        let text = documents::text(&self.shown(path), body)?;
        let text = text.trim();
        Ok(Some(text).filter(|text| !text.is_empty()).map(String::from))
    }

    /// A JSON document; nothing if there is none, or an empty one.
    ///
    /// # Errors
    /// It cannot be had, or is of another form.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let body = self.body(path)?.filter(|body| !body.is_empty());
        let parsed = body.map(|body| documents::json(&self.shown(path), &body));
        parsed.transpose()
    }

    /// The same for a document that every machine has.
    ///
    /// # Errors
    /// It is not there; or as [`Service::json`].
    pub fn needed<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let missing = || {
            NoDescription(format!(
                "there is nothing at {}; check that this is the platform, and its metadata service on",
                self.shown(path)
            ))
        };
        Ok(self.json(path)?.ok_or_else(missing)?)
    }

    /// Names in a list of lines such as `0=name` or `name/`: what is asked for further.
    ///
    /// # Errors
    /// The list cannot be had, or has something that names nothing below it.
    pub fn names(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let list = self.text(path)?.unwrap_or_default();
        let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
        let names = lines.map(|line| {
            let name = line.split('=').next().unwrap_or(line).trim_end_matches('/');
            if matches!(name, "" | "." | "..") {
                bail!("{} lists something without a name", self.shown(path));
            }
            Ok(utf8_percent_encode(name, KEPT).to_string())
        });
        names.collect()
    }

    fn shown(&self, path: &str) -> String {
        shown_url(&self.url(path))
    }
}
