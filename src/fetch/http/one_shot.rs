//! Single small requests without retries: for instance metadata services.

use super::attempt_error::AttemptError;
use super::body::ResponseBody;
use super::client::{Http, Outgoing};
use super::{Transport, redirected_headers};
use crate::fetch::{FetchEvents, Silent};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use std::io::Read;
use std::time::{Duration, Instant};

/// Most responses are a few hundred bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// A request that is sent once.
pub(in crate::fetch) struct OneShotRequest<'a> {
    /// `GET`, `PUT` or `POST`.
    pub method: Method,
    pub url: &'a str,
    /// Headers besides the common ones. Values may be secret.
    pub headers: &'a [(&'static str, &'a str)],
    /// The request body.
    pub body: Vec<u8>,
    /// How the server is reached.
    pub transport: Transport,
    /// Time limit for the whole response, including the body.
    pub timeout: Duration,
    /// The rest of a longer body is ignored.
    pub max_bytes: u64,
}

impl<'a> OneShotRequest<'a> {
    /// A `GET` request for `url`.
    pub(in crate::fetch) fn get(url: &'a str, timeout: Duration) -> Self {
        OneShotRequest {
            method: Method::GET,
            url,
            headers: &[],
            body: Vec::new(),
            transport: Transport::Default,
            timeout,
            max_bytes: MAX_BYTES,
        }
    }

    /// The same request with these headers.
    pub(in crate::fetch) fn with_headers(self, headers: &'a [(&'static str, &'a str)]) -> Self {
        OneShotRequest { headers, ..self }
    }
}

/// The response.
pub(in crate::fetch) struct OneShotResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body. It may be secret.
    pub body: Vec<u8>,
}

/// Sends a request once. Does not follow redirects.
///
/// # Errors
/// A description of why there was no response.
pub(in crate::fetch) fn send_once(
    http: &Http,
    request: &OneShotRequest<'_>,
) -> Result<OneShotResponse, String> {
    let deadline = Instant::now() + request.timeout;
    let url = Url::parse(request.url).map_err(|error| error.to_string())?;
    let mut headers = redirected_headers(&http.settings().user_agent);
    for (name, value) in request.headers {
        let value = HeaderValue::from_str(value).map_err(|_| "a header cannot be sent")?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let outgoing = Outgoing {
        method: request.method.clone(),
        url: &url,
        headers,
        body: request.body.clone(),
        transport: &request.transport,
        deadline: Some(deadline),
        events: &Silent,
    };
    let timed_out = || format!("no answer within {} s", request.timeout.as_secs_f32());
    let answer = http.send(outgoing).map_err(|error| match error {
        AttemptError::Transport(failed) => failed.cause,
        AttemptError::Cancelled => "it was cancelled".into(),
        AttemptError::OutOfTime => timed_out(),
        AttemptError::Fatal(error) => error.to_string(),
    })?;
    let status = answer.response.status();
    let headers = answer.response.headers().clone();
    let events: &dyn FetchEvents = &Silent;
    let reader = ResponseBody::new(http, answer, Some(deadline), 1, events);
    let mut body = Vec::new();
    reader
        .take(request.max_bytes)
        .read_to_end(&mut body)
        .map_err(|_| timed_out())?;
    Ok(OneShotResponse {
        status,
        headers,
        body,
    })
}
