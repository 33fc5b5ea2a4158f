//! What a fetch asks for, over all its attempts.

use super::client::Http;
use super::headers::own_headers;
use super::{Manner, Way};
use crate::fetch::{FetchError, Request};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use std::time::Instant;

/// What to ask for, and how.
pub(in crate::fetch) struct Order<'a> {
    /// Where.
    pub url: Url,
    /// The same for messages.
    pub shown: String,
    /// `GET`, or `HEAD`.
    pub method: Method,
    /// Headers of the first hop.
    pub headers: Headers<'a>,
    /// Whose rules hold.
    pub manner: Manner,
    /// True if what comes is compared with a digest in the end.
    pub has_digest: bool,
    /// How the first hop is made.
    pub way: Way,
    /// When there must be an end of it.
    pub deadline: Option<Instant>,
}

/// Headers of the first hop.
pub(in crate::fetch) enum Headers<'a> {
    /// The same for every attempt.
    Fixed(HeaderMap),
    /// Made for each attempt: a signature bears its time.
    Made(Box<dyn Fn() -> HeaderMap + 'a>),
}

impl Order<'static> {
    /// The order for what is asked for with an address of the web.
    pub(super) fn of(request: &Request, http: &Http) -> Result<Self, FetchError> {
        let url = target(request)?;
        let service = &request.service;
        Ok(Order {
            way: Way::of(&service.route, &url)?,
            url,
            shown: request.shown_url(),
            method: service.method.into(),
            headers: Headers::Fixed(own_headers(request, &http.settings().user_agent)?),
            manner: Manner::Web {
                again: service.again,
            },
            has_digest: request.digest.is_some(),
            deadline: http.deadline(),
        })
    }
}

impl Headers<'_> {
    /// Those of an attempt that begins now.
    pub(super) fn now(&self) -> HeaderMap {
        match self {
            Headers::Fixed(headers) => headers.clone(),
            Headers::Made(make) => make(),
        }
    }
}

/// The URL as the client wants it. Its parser repairs what ours leaves alone, e.g. it finds a host
/// in `http:///h` and takes backslashes for slashes, so such texts are dealt with first.
fn target(request: &Request) -> Result<Url, FetchError> {
    let invalid = |cause: &str| request.invalid(cause.into());
    let parsed = crate::config::url::parse(&request.url).map_err(|e| invalid(&e.to_string()))?;
    if parsed.authority.as_ref().is_none_or(|a| a.host.is_empty()) {
        return Err(invalid("it names no host"));
    }
    let text = request
        .url
        .split('#')
        .next()
        .unwrap_or_default()
        .replace('\\', "%5C");
    Url::parse(&text).map_err(|e| invalid(&e.to_string()))
}
