//! One short question, one short answer: for services that describe a machine to itself.

use super::attempt_error::AttemptError;
use super::body::ResponseBody;
use super::client::{Http, Outgoing};
use super::{Transport, redirected_headers};
use crate::fetch::{FetchEvents, Silent};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use std::io::Read;
use std::time::{Duration, Instant};

/// Most answers are a few hundred bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// What to ask.
pub(in crate::fetch) struct Question<'a> {
    /// `GET`, `PUT` or `POST`.
    pub method: Method,
    pub url: &'a str,
    /// Besides the common ones. Values may be secret.
    pub headers: &'a [(&'static str, &'a str)],
    /// What is sent along.
    pub body: Vec<u8>,
    /// How it gets there.
    pub way: Transport,
    /// For the answer, body and all.
    pub limit: Duration,
    /// No more of the body is read.
    pub most_bytes: u64,
}

impl<'a> Question<'a> {
    /// Asks for what is at `url`.
    pub(in crate::fetch) fn get(url: &'a str, limit: Duration) -> Self {
        Question {
            method: Method::GET,
            url,
            headers: &[],
            body: Vec::new(),
            way: Transport::Usual,
            limit,
            most_bytes: MAX_BYTES,
        }
    }

    /// With headers.
    pub(in crate::fetch) fn with(self, headers: &'a [(&'static str, &'a str)]) -> Self {
        Question { headers, ..self }
    }
}

/// The answer.
pub(in crate::fetch) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Body. May be secret.
    pub body: Vec<u8>,
}

/// Asks once. Follows nothing.
///
/// # Errors
/// There was no answer; in words.
pub(in crate::fetch) fn ask(http: &Http, question: &Question<'_>) -> Result<Reply, String> {
    let deadline = Instant::now() + question.limit;
    let url = Url::parse(question.url).map_err(|error| error.to_string())?;
    let mut headers = redirected_headers(&http.settings().user_agent);
    for (name, value) in question.headers {
        let value = HeaderValue::from_str(value).map_err(|_| "a header cannot be sent")?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let outgoing = Outgoing {
        method: question.method.clone(),
        url: &url,
        headers,
        body: question.body.clone(),
        way: &question.way,
        deadline: Some(deadline),
        events: &Silent,
    };
    let late = || format!("no answer within {} s", question.limit.as_secs_f32());
    let answer = http.send(outgoing).map_err(|error| match error {
        AttemptError::Transport(failed) => failed.cause,
        AttemptError::Cancelled => "it was cancelled".into(),
        AttemptError::OutOfTime => late(),
        AttemptError::Fatal(error) => error.to_string(),
    })?;
    let status = answer.response.status();
    let headers = answer.response.headers().clone();
    let events: &dyn FetchEvents = &Silent;
    let whole = ResponseBody::new(http, answer, Some(deadline), 1, events);
    let mut body = Vec::new();
    whole
        .take(question.most_bytes)
        .read_to_end(&mut body)
        .map_err(|_| late())?;
    Ok(Reply {
        status,
        headers,
        body,
    })
}
