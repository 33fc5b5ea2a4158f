//! HTTP and HTTPS: attempts, pauses and redirects.

mod attempt_error;
mod body;
mod client;
mod clock;
mod connecting;
mod crypto;
mod delivered;
mod direct;
mod headers;
mod names;
mod one_shot;
mod request_spec;
mod resume;
mod retry_after;
mod retry_policy;
mod trust;

pub(super) use client::Http;
pub(super) use delivered::Delivered;
pub(super) use direct::Transport;
pub(super) use headers::redirected_headers;
pub(super) use one_shot::{OneShotRequest, OneShotResponse, send_once};
pub(super) use request_spec::{Headers, RequestSpec};
pub(super) use retry_policy::RetryPolicy;

use super::byte_stream::ByteStream;
use super::retry::{AttemptFailure, Retry};
use super::{FetchError, FetchEvent, FetchEvents, Request, pause, shown_url};
use attempt_error::{AttemptError, FailedAttempt};
use body::ResponseBody;
use client::{Outgoing, ResponseHead};
use reqwest::header::{HeaderMap, LOCATION, TRANSFER_ENCODING};
use reqwest::{Method, Response, StatusCode, Url};
use resume::ResumableBody;
use retry_policy::{Failures, Verdict};
use std::time::{Duration, Instant};

/// The server refused the request, without a `Retry-After`.
const REFUSED: AttemptFailure = AttemptFailure::Refused { not_before: None };
/// An attempt with more redirects has failed.
const MAX_REDIRECTS: usize = 20;

/// One fetch: everything that stays the same for all its attempts.
struct Fetch<'a> {
    http: &'a Http,
    events: &'a dyn FetchEvents,
    spec: RequestSpec<'a>,
}

/// The result of an attempt.
enum Attempt {
    Success(ResponseHead),
    /// Failed, but worth a retry.
    Failed(FailedAttempt, FailedBy),
    /// The total time limit has expired.
    OutOfTime,
    /// Failed, and a retry would not help.
    Final(FetchError),
}

/// Whether the network or the server made an attempt fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailedBy {
    /// There was no usable response.
    Network,
    /// The server, by its status.
    Server,
}

impl Attempt {
    /// There was no usable response, for reasons of the network.
    fn failed(cause: String, failure: AttemptFailure) -> Self {
        Attempt::Failed(FailedAttempt::new(cause, failure), FailedBy::Network)
    }

    /// There was a response, but it is unusable.
    fn unusable(cause: String) -> Self {
        Attempt::failed(cause, REFUSED)
    }
}

/// Sends requests until there is a body, a final error, or no time left.
pub(super) fn open<'a>(
    http: &'a Http,
    request: &Request,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let spec = RequestSpec::of(request, http)?;
    open_spec(http, spec, events)
}

/// Like [`open`], for a request that is already specified.
pub(super) fn open_spec<'a>(
    http: &'a Http,
    spec: RequestSpec<'a>,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let fetch = Fetch { http, events, spec };
    let (answer, attempts) = fetch.run()?;
    Ok(fetch.into_stream(answer, attempts))
}

/// Status and headers of the response to a request.
pub(super) fn head(
    http: &Http,
    spec: RequestSpec<'_>,
    events: &dyn FetchEvents,
) -> Result<(StatusCode, HeaderMap), FetchError> {
    let fetch = Fetch { http, events, spec };
    let (answer, _) = fetch.run()?;
    let response = answer.response;
    Ok((response.status(), response.headers().clone()))
}

impl<'a> Fetch<'a> {
    /// Returns the head of the final response, and the number of attempts.
    fn run(&self) -> Result<(ResponseHead, u32), FetchError> {
        let policy = self.spec.policy;
        let mut retry = Retry::new(policy.first_pause());
        let mut failures = Failures::default();
        let mut last = FailedAttempt::new("no answer before the total time limit", REFUSED);
        for attempt in 1_u32.. {
            self.check_cancelled()?;
            self.report_attempt(attempt);
            let wait = match self.attempt(&HeaderMap::new()) {
                Attempt::Success(answer) => return Ok((answer, attempt)),
                Attempt::Final(error) => return Err(error),
                // The previous failure is more informative than the timeout.
                Attempt::OutOfTime => return self.out_of_time(attempt, last),
                Attempt::Failed(failure, by) => {
                    last = failure;
                    if failures.reach_limit(policy, by) {
                        return Err(self.gave_up(attempt, &last.cause));
                    }
                    retry.pause(last.failure, self.remaining())
                }
            };
            if self.remaining().is_some_and(|left| left <= wait) {
                return Err(self.too_late(attempt, last));
            }
            self.report_retry(&last.cause, wait);
            self.sleep(wait)?;
        }
        Err(FetchError::Client("ran out of attempt numbers".into()))
    }

    fn gave_up(&self, attempts: u32, last: &str) -> FetchError {
        FetchError::Status {
            method: self.spec.method.to_string(),
            url: self.spec.shown.clone(),
            code: None,
            status: format!("{last} (gave up after {attempts} attempts)"),
        }
    }

    fn report_attempt(&self, number: u32) {
        let url = &self.spec.shown;
        let method = self.spec.method.as_str();
        self.events.event(FetchEvent::Attempt {
            method,
            url,
            number,
        });
    }

    fn report_retry(&self, cause: &str, pause: Duration) {
        let url = &self.spec.shown;
        let method = self.spec.method.as_str();
        self.events.event(FetchEvent::Retry {
            method,
            url,
            cause,
            pause,
        });
    }

    fn report_redirect(&self, from: &str, to: &str) {
        self.events.event(FetchEvent::Redirect { url: to });
        let loses_tls = from.starts_with("https:") && to.starts_with("http:");
        if loses_tls && self.http.record_downgrade(from, to) {
            self.events.event(FetchEvent::Downgrade { from, to });
        }
    }

    /// The first hop carries the headers of the request, later hops only our own: headers from the user may be
    /// credentials for one server. `range_headers` request a part of the body.
    fn attempt(&self, range_headers: &HeaderMap) -> Attempt {
        let mut url = self.spec.url.clone();
        let mut headers = self.spec.headers.now();
        headers.extend(range_headers.clone());
        let mut redirected = None;
        for _ in 0..=MAX_REDIRECTS {
            let transport = redirected.as_ref().unwrap_or(&self.spec.transport);
            let outgoing = Outgoing {
                method: self.spec.method.clone(),
                url: &url,
                headers,
                body: Vec::new(),
                transport,
                deadline: self.spec.deadline,
                events: self.events,
            };
            let answer = match self.http.send(outgoing) {
                Ok(answer) => answer,
                Err(AttemptError::Cancelled) => return Attempt::Final(self.cancelled()),
                Err(AttemptError::OutOfTime) => return Attempt::OutOfTime,
                Err(AttemptError::Fatal(error)) => return Attempt::Final(error),
                Err(AttemptError::Transport(failed)) => {
                    return Attempt::Failed(failed, FailedBy::Network);
                }
            };
            let status = answer.response.status();
            self.events.event(FetchEvent::Answer {
                method: self.spec.method.as_str(),
                url: &self.spec.shown,
                status: status.as_u16(),
            });
            let next = redirect(&url, &answer.response);
            let from = shown_url(url.as_str());
            url = match next.filter(|_| self.spec.policy.follows_redirects()) {
                None => return self.classify(answer, !range_headers.is_empty()),
                Some(Ok((next, zone))) => {
                    redirected = Some(transport.after_redirect(&url, &next, zone));
                    next
                }
                Some(Err(cause)) => return Attempt::unusable(cause),
            };
            self.report_redirect(&from, &shown_url(url.as_str()));
            headers = redirected_headers(&self.http.settings().user_agent);
            headers.extend(range_headers.clone());
        }
        Attempt::unusable(format!("more than {MAX_REDIRECTS} redirects"))
    }

    fn classify(&self, answer: ResponseHead, is_range: bool) -> Attempt {
        let response = &answer.response;
        if let Some(coding) = foreign_coding(response) {
            return Attempt::unusable(format!(
                "the answer has the transfer coding {coding:?}, which was not requested"
            ));
        }
        let not_before = retry_after::of(response.headers());
        let code = response.status().as_u16();
        let verdict = self.spec.policy.verdict(response, is_range);
        match verdict {
            Verdict::Good => Attempt::Success(answer),
            Verdict::NotFound => Attempt::Final(FetchError::NotFound {
                method: self.spec.method.to_string(),
                url: self.spec.shown.clone(),
            }),
            Verdict::Busy => {
                let cause = format!("the server answered {}", self.describe_status(answer));
                let failure = AttemptFailure::Refused { not_before };
                Attempt::Failed(FailedAttempt::new(cause, failure), FailedBy::Server)
            }
            Verdict::Refused => Attempt::Final(FetchError::Status {
                method: self.spec.method.to_string(),
                url: self.spec.shown.clone(),
                code: Some(code),
                status: self.describe_status(answer),
            }),
        }
    }

    /// The status, with the explanation in the body of the response if the policy expects one.
    fn describe_status(&self, answer: ResponseHead) -> String {
        let status = answer.response.status();
        if !self.spec.policy.has_error_body() || self.spec.method == Method::HEAD {
            return status.to_string();
        }
        match retry_policy::explanation(self.body(answer, 1)) {
            Some(explanation) => format!("{status}: {explanation}"),
            None => status.to_string(),
        }
    }

    fn into_stream(self, answer: ResponseHead, attempts: u32) -> ByteStream<'a> {
        ByteStream {
            length_bytes: answer.response.content_length(),
            body: Box::new(ResumableBody::new(self, answer, attempts)),
            attempts,
        }
    }

    fn body(&self, answer: ResponseHead, attempts: u32) -> ResponseBody<'a> {
        ResponseBody::new(self.http, answer, self.spec.deadline, attempts, self.events)
            .with_digest(self.spec.has_digest)
    }

    fn remaining(&self) -> Option<Duration> {
        self.spec
            .deadline
            .map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Waits for the time limit to expire before it returns the error: the attempt was cut off by that limit.
    fn out_of_time<T>(&self, attempts: u32, last: FailedAttempt) -> Result<T, FetchError> {
        self.sleep(self.remaining().unwrap_or_default())?;
        Err(self.too_late(attempts, last))
    }

    /// The error if the time limit leaves no time for another attempt.
    fn too_late(&self, attempts: u32, last: FailedAttempt) -> FetchError {
        let limit = self.http.settings().total.unwrap_or_default();
        let is_over = self.remaining().is_none_or(|left| left.is_zero());
        FetchError::OutOfTime {
            method: self.spec.method.to_string(),
            url: self.spec.shown.clone(),
            limit,
            is_over,
            attempts,
            last: last.cause,
            remedy: last.remedy,
        }
    }

    fn sleep(&self, pause: Duration) -> Result<(), FetchError> {
        pause::sleep(self.events, pause).map_err(|_| self.cancelled())
    }

    fn check_cancelled(&self) -> Result<(), FetchError> {
        match self.events.cancelled() {
            true => Err(self.cancelled()),
            false => Ok(()),
        }
    }

    fn cancelled(&self) -> FetchError {
        FetchError::Cancelled {
            url: self.spec.shown.clone(),
        }
    }
}

/// The first transfer coding other than `chunked` and `identity`, if there is one. The HTTP library does not decode it,
/// so the encoded bytes would be taken for the body.
fn foreign_coding(response: &Response) -> Option<String> {
    let values = response.headers().get_all(TRANSFER_ENCODING).iter();
    let codings = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let is_foreign = |coding: &&[u8]| {
        let known: [&[u8]; 3] = [b"", b"chunked", b"identity"];
        !known.iter().any(|known| coding.eq_ignore_ascii_case(known))
    };
    let mut foreign = codings.map(<[u8]>::trim_ascii).filter(is_foreign);
    let coding = foreign.next()?;
    Some(String::from_utf8_lossy(coding).into_owned())
}

/// The next URL, and the zone of its address, if there is one.
type RedirectTarget = (Url, Option<String>);

/// The target of the redirect; none if `response` is not a redirect.
fn redirect(from: &Url, response: &Response) -> Option<Result<RedirectTarget, String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let bad = |why: &str| format!("the Location header of the redirect {why}");
    let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
        return Some(Err(bad("is not text")));
    };
    let (location, zone) = request_spec::split_zone(location);
    Some(match from.join(&location) {
        Err(_) => Err(bad("is not a URL")),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(bad(&format!(
            "is neither http nor https but {:?}",
            url.scheme()
        ))),
        Ok(url) => Ok((url, zone)),
    })
}
