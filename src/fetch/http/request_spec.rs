//! What a fetch requests, for all its attempts.

use super::client::Http;
use super::headers::own_headers;
use super::{RetryPolicy, Transport};
use crate::config::url::percent_decode;
use crate::fetch::{FetchError, Request};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use std::time::Instant;

/// What to request, and how.
pub(in crate::fetch) struct RequestSpec<'a> {
    pub url: Url,
    /// The redacted URL.
    pub shown: String,
    /// `GET`, or `HEAD`.
    pub method: Method,
    /// Headers of the first hop.
    pub headers: Headers<'a>,
    /// When to retry.
    pub policy: RetryPolicy,
    /// True if the body will be compared with a digest.
    pub has_digest: bool,
    /// How the first hop is made.
    pub transport: Transport,
    /// When the fetch has to end.
    pub deadline: Option<Instant>,
}

/// Headers of the first hop.
pub(in crate::fetch) enum Headers<'a> {
    /// The same for every attempt.
    Fixed(HeaderMap),
    /// Made for each attempt: a signature includes the time.
    PerAttempt(Box<dyn Fn() -> HeaderMap + 'a>),
}

impl RequestSpec<'static> {
    /// The specification for a request to a web server.
    pub(super) fn of(request: &Request, http: &Http) -> Result<Self, FetchError> {
        let (url, zone) = target(request)?;
        let service = &request.service;
        let transport = match zone {
            Some(zone) => Transport::Zone(zone),
            None => Transport::of(&service.route, &url)?,
        };
        Ok(RequestSpec {
            transport,
            url,
            shown: request.shown_url(),
            method: service.method.into(),
            headers: Headers::Fixed(own_headers(request, &http.settings().user_agent)?),
            policy: RetryPolicy::Web {
                retry_statuses: service.retry_statuses,
            },
            has_digest: request.digest.is_some(),
            deadline: http.deadline(),
        })
    }
}

impl Headers<'_> {
    /// The headers for an attempt that begins now.
    pub(super) fn now(&self) -> HeaderMap {
        match self {
            Headers::Fixed(headers) => headers.clone(),
            Headers::PerAttempt(make) => make(),
        }
    }
}

/// The URL in the form the client needs. Its parser repairs what ours does not, e.g. it finds a host in `http:///h`
/// and treats backslashes as slashes, so such cases are handled first.
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
    let (text, zone) = split_zone(&text);
    let url = Url::parse(&text).map_err(|e| invalid(&e.to_string()))?;
    Ok((url, zone))
}

/// Splits the zone from the IPv6 address in a URL (`[fe80::1%25eth0]`, RFC 6874) and unescapes it. A zone names an
/// interface of this machine, and must not be sent to a server or proxy.
pub(super) fn split_zone(url: &str) -> (String, Option<String>) {
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
    use super::split_zone;

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
            assert_eq!(split_zone(url), expected, "{url}");
        }
    }
}
