//! HTTP and HTTPS: attempts, pauses, redirects.

mod ask;
mod attempt_error;
mod body;
mod client;
mod clock;
mod connecting;
mod crypto;
mod direct;
mod handed_on;
mod headers;
mod request_spec;
mod resume;
mod retry_after;
mod retry_policy;
mod trust;

pub(super) use ask::{Question, Reply, ask};
pub(super) use client::Http;
pub(super) use direct::Transport;
pub(super) use handed_on::HandedOn;
pub(super) use headers::redirected_headers;
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

/// A server that turned us away, without a word of when to come again.
const REFUSED: AttemptFailure = AttemptFailure::Refused { not_before: None };
/// Servers that keep sending us around have failed this attempt.
const MAX_REDIRECTS: usize = 20;

/// One fetch: what stays the same over its attempts.
struct Fetch<'a> {
    http: &'a Http,
    events: &'a dyn FetchEvents,
    order: RequestSpec<'a>,
}

/// How an attempt ended that did not end the fetch.
enum Attempt {
    Success(ResponseHead),
    /// Worth another attempt.
    Failed(FailedAttempt, FailedBy),
    /// The total limit is over.
    OutOfTime,
    /// Not worth one.
    Final(FetchError),
}

/// Who made an attempt fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailedBy {
    /// There was no answer, or none that could be used.
    Network,
    /// The server, by its status.
    Server,
}

impl Attempt {
    /// The network failed, or there was no answer that could be used.
    fn failed(cause: String, failure: AttemptFailure) -> Self {
        Attempt::Failed(FailedAttempt::new(cause, failure), FailedBy::Network)
    }

    /// There was an answer that could not be used.
    fn unusable(cause: String) -> Self {
        Attempt::failed(cause, REFUSED)
    }
}

/// Asks until there is a body, a final answer, or no time left.
pub(super) fn open<'a>(
    http: &'a Http,
    request: &Request,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let order = RequestSpec::of(request, http)?;
    open_order(http, order, events)
}

/// The same for an order.
pub(super) fn open_order<'a>(
    http: &'a Http,
    order: RequestSpec<'a>,
    events: &'a dyn FetchEvents,
) -> Result<ByteStream<'a>, FetchError> {
    let fetch = Fetch {
        http,
        events,
        order,
    };
    let (answer, attempts) = fetch.answer()?;
    Ok(fetch.opened(answer, attempts))
}

/// Status and headers of what answers an order.
pub(super) fn head(
    http: &Http,
    order: RequestSpec<'_>,
    events: &dyn FetchEvents,
) -> Result<(StatusCode, HeaderMap), FetchError> {
    let fetch = Fetch {
        http,
        events,
        order,
    };
    let (answer, _) = fetch.answer()?;
    let response = answer.response;
    Ok((response.status(), response.headers().clone()))
}

impl<'a> Fetch<'a> {
    fn answer(&self) -> Result<(ResponseHead, u32), FetchError> {
        let policy = self.order.policy;
        let mut retry = Retry::new(policy.first_pause());
        let mut failed = Failures::default();
        let mut last = FailedAttempt::new("no answer before the total time limit", REFUSED);
        for attempt in 1_u32.. {
            self.check_cancelled()?;
            self.tell_attempt(attempt);
            let wait = match self.attempt(&HeaderMap::new()) {
                Attempt::Success(answer) => return Ok((answer, attempt)),
                Attempt::Final(error) => return Err(error),
                // What went wrong before says more than that it was cut off now.
                Attempt::OutOfTime => return self.out_of_time(attempt, last),
                Attempt::Failed(failure, by) => {
                    last = failure;
                    if failed.are_enough(policy, by) {
                        return Err(self.gave_up(attempt, &last.cause));
                    }
                    retry.pause(last.failure, self.remaining())
                }
            };
            if self.remaining().is_some_and(|left| left <= wait) {
                return Err(self.too_late(attempt, last));
            }
            self.tell_retry(&last.cause, wait);
            self.sleep(wait)?;
        }
        Err(FetchError::Client("ran out of attempt numbers".into()))
    }

    fn gave_up(&self, attempts: u32, last: &str) -> FetchError {
        FetchError::Status {
            method: self.order.method.to_string(),
            url: self.order.shown.clone(),
            code: None,
            status: format!("{last} (gave up after {attempts} attempts)"),
        }
    }

    fn tell_attempt(&self, number: u32) {
        let url = &self.order.shown;
        let method = self.order.method.as_str();
        self.events.event(FetchEvent::Attempt {
            method,
            url,
            number,
        });
    }

    fn tell_retry(&self, cause: &str, pause: Duration) {
        let url = &self.order.shown;
        let method = self.order.method.as_str();
        self.events.event(FetchEvent::Retry {
            method,
            url,
            cause,
            pause,
        });
    }

    fn tell_redirect(&self, from: &str, to: &str) {
        self.events.event(FetchEvent::Redirect { url: to });
        let loses_tls = from.starts_with("https:") && to.starts_with("http:");
        if loses_tls && self.http.note_downgrade(from, to) {
            self.events.event(FetchEvent::Downgrade { from, to });
        }
    }

    /// The first hop carries the headers of the request, those after a redirect only our own:
    /// user headers may be credentials meant for one place. `part` is what asks for a part of the body.
    fn attempt(&self, part: &HeaderMap) -> Attempt {
        let mut url = self.order.url.clone();
        let mut headers = self.order.headers.now();
        headers.extend(part.clone());
        let mut redirected = None;
        for _ in 0..=MAX_REDIRECTS {
            let way = redirected.as_ref().unwrap_or(&self.order.way);
            let outgoing = Outgoing {
                method: self.order.method.clone(),
                url: &url,
                headers,
                body: Vec::new(),
                way,
                deadline: self.order.deadline,
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
                method: self.order.method.as_str(),
                url: &self.order.shown,
                status: status.as_u16(),
            });
            let next = redirect(&url, &answer.response);
            let from = shown_url(url.as_str());
            url = match next.filter(|_| self.order.policy.follows_redirects()) {
                None => return self.judge(answer, !part.is_empty()),
                Some(Ok((next, zone))) => {
                    redirected = Some(way.after_redirect(&url, &next, zone));
                    next
                }
                Some(Err(cause)) => return Attempt::unusable(cause),
            };
            self.tell_redirect(&from, &shown_url(url.as_str()));
            headers = redirected_headers(&self.http.settings().user_agent);
            headers.extend(part.clone());
        }
        Attempt::unusable(format!("more than {MAX_REDIRECTS} redirects"))
    }

    fn judge(&self, answer: ResponseHead, wants_part: bool) -> Attempt {
        let response = &answer.response;
        if let Some(coding) = foreign_coding(response) {
            return Attempt::unusable(format!(
                "the answer has the transfer coding {coding:?}, which was not requested"
            ));
        }
        let not_before = retry_after::of(response.headers());
        let code = response.status().as_u16();
        let verdict = self.order.policy.verdict(response, wants_part);
        match verdict {
            Verdict::Good => Attempt::Success(answer),
            Verdict::NotFound => Attempt::Final(FetchError::NotFound {
                method: self.order.method.to_string(),
                url: self.order.shown.clone(),
            }),
            Verdict::Busy => {
                let cause = format!("the server answered {}", self.said(answer));
                let failure = AttemptFailure::Refused { not_before };
                Attempt::Failed(FailedAttempt::new(cause, failure), FailedBy::Server)
            }
            Verdict::Refused => Attempt::Final(FetchError::Status {
                method: self.order.method.to_string(),
                url: self.order.shown.clone(),
                code: Some(code),
                status: self.said(answer),
            }),
        }
    }

    /// Status, and where the body of an answer explains it, that.
    fn said(&self, answer: ResponseHead) -> String {
        let status = answer.response.status();
        if !self.order.policy.explains() || self.order.method == Method::HEAD {
            return status.to_string();
        }
        match retry_policy::explanation(self.body(answer, 1)) {
            Some(explanation) => format!("{status}: {explanation}"),
            None => status.to_string(),
        }
    }

    fn opened(self, answer: ResponseHead, attempts: u32) -> ByteStream<'a> {
        ByteStream {
            length_bytes: answer.response.content_length(),
            body: Box::new(ResumableBody::new(self, answer, attempts)),
            attempts,
        }
    }

    fn body(&self, answer: ResponseHead, attempts: u32) -> ResponseBody<'a> {
        ResponseBody::new(
            self.http,
            answer,
            self.order.deadline,
            attempts,
            self.events,
        )
        .with_digest(self.order.has_digest)
    }

    fn remaining(&self) -> Option<Duration> {
        self.order
            .deadline
            .map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// An attempt was cut off by the limit, so the error comes when that is over and not before it.
    fn out_of_time<T>(&self, attempts: u32, last: FailedAttempt) -> Result<T, FetchError> {
        self.sleep(self.remaining().unwrap_or_default())?;
        Err(self.too_late(attempts, last))
    }

    /// No other attempt can follow within the limit.
    fn too_late(&self, attempts: u32, last: FailedAttempt) -> FetchError {
        let limit = self.http.settings().total.unwrap_or_default();
        let is_over = self.remaining().is_none_or(|left| left.is_zero());
        FetchError::OutOfTime {
            method: self.order.method.to_string(),
            url: self.order.shown.clone(),
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
            url: self.order.shown.clone(),
        }
    }
}

/// A transfer coding besides those that every client knows. The HTTP library leaves it on, and what comes would be taken for
/// the body.
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

/// The next place, and the zone of its address, if it names one.
type RedirectTarget = (Url, Option<String>);

/// Where `response` sends us; none if nowhere.
fn redirect(from: &Url, response: &Response) -> Option<Result<RedirectTarget, String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let bad = |why: &str| format!("the Location header of the redirect {why}");
    let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
        return Some(Err(bad("is not text")));
    };
    let (location, zone) = request_spec::without_zone(location);
    Some(match from.join(&location) {
        Err(_) => Err(bad("is not a URL")),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(bad(&format!(
            "is neither http nor https but {:?}",
            url.scheme()
        ))),
        Ok(url) => Ok((url, zone)),
    })
}
