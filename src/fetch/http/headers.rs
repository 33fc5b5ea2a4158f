//! Request headers.

use crate::fetch::{FetchError, Request};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use std::str::FromStr;

/// Headers that a config cannot set: they belong to the transport.
const TRANSPORT_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];

fn default_headers(user_agent: &str, accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(user_agent) {
        headers.insert(USER_AGENT, value);
    }
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Headers for hops that must not see those of the request.
pub(in crate::fetch) fn redirected_headers(user_agent: &str) -> HeaderMap {
    default_headers(user_agent, "*/*")
}

/// Our headers and those of the request, which take precedence; the last one of each name counts.
pub(super) fn own_headers(request: &Request, user_agent: &str) -> Result<HeaderMap, FetchError> {
    // The version is part of a media type that servers match on; it is not the newest that we support.
    let accept = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";
    let mut headers = default_headers(user_agent, accept);
    for (name, value) in &request.headers {
        let invalid = |cause| FetchError::InvalidHeader {
            url: request.shown_url(),
            name: name.clone(),
            cause,
        };
        let header = HeaderName::from_str(name)
            .map_err(|_| invalid("its name has characters a header name cannot have"))?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes())
            .map_err(|_| invalid("its value has control characters"))?;
        if !TRANSPORT_HEADERS.contains(&header.as_str()) {
            headers.insert(header, value);
        }
    }
    Ok(headers)
}
