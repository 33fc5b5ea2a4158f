//! What a fetch asks for, over all its attempts.

use super::client::Http;
use super::headers::own_headers;
use super::{RetryPolicy, Transport};
use crate::config::url::percent_decode;
use crate::fetch::{FetchError, Request};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use std::time::Instant;

/// What to ask for, and how.
pub(in crate::fetch) struct RequestSpec<'a> {
    pub url: Url,
    /// The same for messages.
    pub shown: String,
    /// `GET`, or `HEAD`.
    pub method: Method,
    /// Headers of the first hop.
    pub headers: Headers<'a>,
    /// Whose rules hold.
    pub policy: RetryPolicy,
    /// True if what comes is compared with a digest in the end.
    pub has_digest: bool,
    /// How the first hop is made.
    pub way: Transport,
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

impl RequestSpec<'static> {
    /// The order for what is asked for with an address of the web.
    pub(super) fn of(request: &Request, http: &Http) -> Result<Self, FetchError> {
        let (url, zone) = target(request)?;
        let service = &request.service;
        let way = match zone {
            Some(zone) => Transport::Zone(zone),
            None => Transport::of(&service.route, &url)?,
        };
        Ok(RequestSpec {
            way,
            url,
            shown: request.shown_url(),
            method: service.method.into(),
            headers: Headers::Fixed(own_headers(request, &http.settings().user_agent)?),
            policy: RetryPolicy::Web {
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
fn target(request: &Request) -> Result<(Url, Option<String>), FetchError> {
    let invalid = |cause: &str| request.invalid(cause.into());
    let parsed = crate::config::url::parse(&request.url).map_err(|e| invalid(&e.to_string()))?;
    if parsed.authority.as_ref().is_none_or(|a| a.host.is_empty()) {
        return Err(invalid("it has no host"));
    }
    let text = request
        .url
        .split('#')
        .next()
        .unwrap_or_default()
        .replace('\\', "%5C");
    let (text, zone) = without_zone(&text);
    let url = Url::parse(&text).map_err(|e| invalid(&e.to_string()))?;
    Ok((url, zone))
}

/// A URL without the zone of its IPv6 address (`[fe80::1%25eth0]`, RFC 6874), and the zone, unescaped. It says which
/// interface of this machine leads there, and is for nobody else: neither for the server nor for a proxy.
pub(super) fn without_zone(url: &str) -> (String, Option<String>) {
    let split = || {
        let start = url.find("//")? + 2;
        let end = url[start..]
            .find(['/', '?', '#'])
            .map_or(url.len(), |at| start + at);
        let authority = &url[start..end];
        let close = authority.rfind(']')?;
        let open = authority[..close].rfind('[')?;
        let zone = authority[open..close].find("%25")? + open;
        let name = percent_decode(&authority[zone + 3..close]);
        let rest = format!(
            "{}{}{}",
            &url[..start + zone],
            &authority[close..],
            &url[end..]
        );
        Some((rest, String::from_utf8(name).ok()?))
    };
    match split() {
        Some((rest, zone)) => (rest, Some(zone)),
        None => (url.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::without_zone;

    #[test]
    fn zones_are_taken_from_hosts_only() {
        for (url, rest, zone) in [
            (
                "http://[fe80::1%25eth0]/x",
                "http://[fe80::1]/x",
                Some("eth0"),
            ),
            (
                "http://u:p@[fe80::1%25e%2D0]:8/",
                "http://u:p@[fe80::1]:8/",
                Some("e-0"),
            ),
            (
                "https://[::1%252]?a=[b%25c]",
                "https://[::1]?a=[b%25c]",
                Some("2"),
            ),
            ("http://[::1]/[a%25b]", "http://[::1]/[a%25b]", None),
            ("http://h%25x/", "http://h%25x/", None),
            ("/a", "/a", None),
        ] {
            let expected = (rest.to_owned(), zone.map(str::to_owned));
            assert_eq!(without_zone(url), expected, "{url}");
        }
    }
}
