//! HTTP and HTTPS: attempts, pauses, redirects.

mod body;
mod client;
mod connecting;
mod resume;
mod retry_after;
mod trust;

pub(super) use client::Http;

use super::fetcher::Opened;
use super::{FetchError, FetchEvent, FetchEvents, Request, shown_url};
use body::Body;
use client::{Answer, AttemptError, Outgoing};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode, Url};
use resume::Steady;
use std::str::FromStr;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Servers that keep sending us around have failed this attempt.
const MOST_REDIRECTS: usize = 20;
/// How long a pause runs before looking whether the fetch was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(100);

/// Headers a config cannot set: they belong to the transport.
const TRANSPORT_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];

/// One fetch: what stays the same over its attempts.
struct Fetch<'a> {
    http: &'a Http,
    request: &'a Request,
    events: &'a dyn FetchEvents,
    url: Url,
    shown: String,
    headers: HeaderMap,
    deadline: Option<Instant>,
}

/// How an attempt ended that did not end the fetch.
enum Attempt {
    Success(Answer),
    /// Worth another attempt, but not before so long as the server said.
    Failed {
        cause: String,
        not_before: Option<Duration>,
    },
    /// The total limit is over.
    OutOfTime,
    /// Not worth one.
    Final(FetchError),
}

impl Attempt {
    fn failed(cause: String) -> Self {
        Attempt::Failed {
            cause,
            not_before: None,
        }
    }
}

/// Asks until there is a body, a final answer, or no time left.
pub(super) fn open<'a>(
    http: &'a Http,
    request: &'a Request,
    events: &'a dyn FetchEvents,
) -> Result<Opened<'a>, FetchError> {
    let fetch = Fetch {
        http,
        request,
        events,
        url: target(request)?,
        shown: request.shown_url(),
        headers: own_headers(request, &http.settings().user_agent)?,
        deadline: http.settings().total.map(|total| Instant::now() + total),
    };
    fetch.run()
}

impl<'a> Fetch<'a> {
    fn run(self) -> Result<Opened<'a>, FetchError> {
        let mut pause = FIRST_PAUSE;
        let mut last = String::from("no answer before the total time limit");
        for attempt in 1_u32.. {
            self.check_cancelled()?;
            self.tell_attempt(attempt);
            let wait = match self.attempt(&HeaderMap::new()) {
                Attempt::Success(answer) => return Ok(self.opened(answer, attempt)),
                Attempt::Final(error) => return Err(error),
                // What went wrong before says more than that it was cut off now.
                Attempt::OutOfTime => return self.out_of_time(attempt, last),
                Attempt::Failed { cause, not_before } => {
                    last = cause;
                    not_before.map_or(pause, |least| least.max(pause))
                }
            };
            if self.remaining().is_some_and(|left| left <= wait) {
                return self.out_of_time(attempt, last);
            }
            self.tell_retry(&last, wait);
            self.sleep(wait)?;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Err(FetchError::Client("ran out of attempt numbers".into()))
    }

    fn tell_attempt(&self, number: u32) {
        let url = &self.shown;
        self.events.event(FetchEvent::Attempt { url, number });
    }

    fn tell_retry(&self, cause: &str, pause: Duration) {
        let url = &self.shown;
        self.events.event(FetchEvent::Retry { url, cause, pause });
    }

    /// The first hop carries the headers of the request, those after a redirect only our own:
    /// user headers may be credentials meant for one place. `part` is what asks for a part of the body.
    fn attempt(&self, part: &HeaderMap) -> Attempt {
        let mut url = self.url.clone();
        let mut headers = self.headers.clone();
        headers.extend(part.clone());
        for _ in 0..=MOST_REDIRECTS {
            let outgoing = Outgoing {
                url: &url,
                headers,
                deadline: self.deadline,
            };
            let answer = match self.http.send(outgoing) {
                Ok(answer) => answer,
                Err(AttemptError::OutOfTime) => return Attempt::OutOfTime,
                Err(AttemptError::Fatal(error)) => return Attempt::Final(error),
                Err(AttemptError::Transport(cause)) => return Attempt::failed(cause),
            };
            let status = answer.response.status();
            self.events.event(FetchEvent::Answer {
                url: &self.shown,
                status: status.as_u16(),
            });
            url = match redirect(&url, &answer.response) {
                None => return self.judge(answer, !part.is_empty()),
                Some(Ok(next)) => next,
                Some(Err(cause)) => return Attempt::failed(cause),
            };
            self.events.event(FetchEvent::Redirect {
                url: &shown_url(url.as_str()),
            });
            headers = redirected_headers(&self.http.settings().user_agent);
            headers.extend(part.clone());
        }
        Attempt::failed(format!("more than {MOST_REDIRECTS} redirects"))
    }

    fn judge(&self, answer: Answer, wants_part: bool) -> Attempt {
        let status = answer.response.status();
        let not_before = retry_after::of(answer.response.headers());
        let busy = status == StatusCode::TOO_MANY_REQUESTS && not_before.is_some();
        match status {
            StatusCode::OK | StatusCode::NO_CONTENT => Attempt::Success(answer),
            StatusCode::PARTIAL_CONTENT if wants_part => Attempt::Success(answer),
            StatusCode::NOT_FOUND => Attempt::Final(FetchError::NotFound {
                url: self.shown.clone(),
            }),
            // A server that says when to come again wants us to.
            _ if status.as_u16() >= 500 || busy => Attempt::Failed {
                cause: format!("the server said {status}"),
                not_before,
            },
            _ => Attempt::Final(FetchError::Status {
                url: self.shown.clone(),
                status: status.to_string(),
            }),
        }
    }

    fn opened(self, answer: Answer, attempts: u32) -> Opened<'a> {
        Opened {
            body: Box::new(Steady::new(self, answer, attempts)),
            attempts,
        }
    }

    fn body(&self, answer: Answer, attempts: u32) -> Body<'a> {
        Body::new(self.http, answer, self.deadline, attempts, self.events)
    }

    fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Waiting on would be in vain, but the error comes when the limit is over and not before it.
    fn out_of_time(&self, attempts: u32, last: String) -> Result<Opened<'a>, FetchError> {
        self.sleep(self.remaining().unwrap_or_default())?;
        let limit = self.http.settings().total.unwrap_or_default();
        Err(FetchError::OutOfTime {
            url: self.shown.clone(),
            limit,
            attempts,
            last,
        })
    }

    fn sleep(&self, pause: Duration) -> Result<(), FetchError> {
        let end = Instant::now() + pause;
        loop {
            self.check_cancelled()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(CANCEL_CHECK));
        }
    }

    fn check_cancelled(&self) -> Result<(), FetchError> {
        if self.events.cancelled() {
            return Err(FetchError::Cancelled {
                url: self.request.shown_url(),
            });
        }
        Ok(())
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

/// Where `response` sends us; none if nowhere.
fn redirect(from: &Url, response: &Response) -> Option<Result<Url, String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let bad = |why: &str| format!("the server redirects to a place that {why}");
    let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
        return Some(Err(bad("is not text")));
    };
    Some(match from.join(location) {
        Err(_) => Err(bad("is not a URL")),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(bad(&format!(
            "is neither http nor https but {:?}",
            url.scheme()
        ))),
        Ok(url) => Ok(url),
    })
}

fn default_headers(user_agent: &str, accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(user_agent) {
        headers.insert(reqwest::header::USER_AGENT, value);
    }
    headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(
        reqwest::header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    headers
}

fn redirected_headers(user_agent: &str) -> HeaderMap {
    default_headers(user_agent, "*/*")
}

/// Our headers and those of the request, which win; the last of a name counts.
fn own_headers(request: &Request, user_agent: &str) -> Result<HeaderMap, FetchError> {
    // The version in here names a media type servers select by; it is not the newest we read.
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
