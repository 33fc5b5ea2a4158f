//! A body that goes on when its connection breaks.
//!
//! Bytes that were handed on are in the sink already, so what comes next has to be the rest of the same thing. With
//! a digest to compare with in the end, a server that can is asked for the rest alone; from any other everything
//! comes once more, and what was handed on before is compared and dropped. Stores of clouds promise to send a part only
//! of the object that is meant, so there it needs no digest.

use super::attempt_error::FailedAttempt;
use super::body::ResponseBody;
use super::client::ResponseHead;
use super::handed_on::HandedOn;
use super::retry_policy::{FIRST_PAUSE, Failures, Precondition};
use super::{Attempt, FailedBy, Fetch, REFUSED, RetryPolicy};
use crate::fetch::pipeline::BodyError;
use crate::fetch::retry::Retry;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use std::io::{self, Read};
use std::time::Duration;

/// Connections that break one after the other without a single new byte: then it is of no use.
const MAX_STALLED_ATTEMPTS: u32 = 4;

/// The body of a fetch, over as many connections as it takes.
pub(super) struct ResumableBody<'a> {
    fetch: Fetch<'a>,
    body: ResponseBody<'a>,
    /// How the rest may be asked for; `None` where everything has to come once more.
    rest: Option<Remainder>,
    attempts: u32,
    /// Breaks since the last new byte.
    vain: u32,
    handed_on: HandedOn,
}

/// What the server said that makes it able to send a part.
struct Remainder {
    /// Names the very bytes that are meant.
    validator: Option<HeaderValue>,
}

impl<'a> ResumableBody<'a> {
    pub(super) fn new(fetch: Fetch<'a>, answer: ResponseHead, attempts: u32) -> Self {
        ResumableBody {
            rest: Remainder::of(&answer.response, fetch.order.policy, fetch.order.has_digest),
            body: fetch.body(answer, attempts),
            fetch,
            attempts,
            vain: 0,
            handed_on: HandedOn::default(),
        }
    }

    /// Connects again until there is a body that stands where the old one broke.
    fn reconnect(&mut self, cause: String) -> Result<(), io::Error> {
        self.broke(cause.clone())?;
        let mut retry = Retry::new(FIRST_PAUSE * 2_u32.pow(self.vain - 1));
        let mut last = FailedAttempt::new(cause, REFUSED);
        let mut failed = Failures::default();
        loop {
            let pause = retry.pause(last.failure, self.fetch.remaining());
            self.pause(&last.cause, pause)?;
            match self.again()? {
                ResumeResult::Stands(body) => {
                    self.body = *body;
                    return Ok(());
                }
                ResumeResult::Broken(why) => {
                    self.broke(why.clone())?;
                    last = FailedAttempt::new(why, REFUSED);
                }
                ResumeResult::Failed(attempt, by) => {
                    if failed.are_enough(self.fetch.order.policy, by) {
                        return Err(BodyError::Broken(attempt.cause).into());
                    }
                    last = attempt;
                }
            }
        }
    }

    /// A connection broke that had stood.
    fn broke(&mut self, cause: String) -> Result<(), BodyError> {
        self.vain += 1;
        match self.vain < MAX_STALLED_ATTEMPTS {
            true => Ok(()),
            false => Err(BodyError::Broken(cause)),
        }
    }

    fn pause(&self, cause: &str, pause: Duration) -> Result<(), BodyError> {
        let left = self.fetch.remaining();
        self.fetch.tell_retry(cause, pause);
        let until = left.map_or(pause, |left| left.min(pause));
        self.fetch.sleep(until).map_err(|_| BodyError::Cancelled)?;
        match left.is_some_and(|left| left <= pause) {
            true => Err(self.out_of_time()),
            false => Ok(()),
        }
    }

    fn again(&mut self) -> Result<ResumeResult<'a>, io::Error> {
        self.attempts += 1;
        self.fetch.tell_attempt(self.attempts);
        let part = self.part();
        match self.fetch.attempt(&part) {
            Attempt::Success(answer) => self.answered(answer),
            Attempt::Failed(failed, by) => Ok(ResumeResult::Failed(failed, by)),
            Attempt::OutOfTime => Err(self.out_of_time().into()),
            // A server that will not send a part may still send the whole.
            Attempt::Final(error) if !part.is_empty() => Ok(self.without_parts(error.to_string())),
            Attempt::Final(error) => Err(BodyError::Broken(error.to_string()).into()),
        }
    }

    fn answered(&mut self, answer: ResponseHead) -> Result<ResumeResult<'a>, io::Error> {
        let is_part = answer.response.status() == StatusCode::PARTIAL_CONTENT;
        if is_part && starts_at(&answer.response) != Some(self.handed_on.bytes) {
            let cause = "the server sent a different range than requested";
            return Ok(self.without_parts(cause.into()));
        }
        let mut body = self.fetch.body(answer, self.attempts);
        let skipped = if is_part {
            Ok(())
        } else {
            self.handed_on.skip(&mut body)
        };
        match skipped {
            Ok(()) => Ok(ResumeResult::Stands(Box::new(body))),
            Err(error) => match error.downcast::<BodyError>()? {
                BodyError::Broken(cause) => Ok(ResumeResult::Broken(cause)),
                other => Err(other.into()),
            },
        }
    }

    fn without_parts(&mut self, cause: String) -> ResumeResult<'a> {
        self.rest = None;
        ResumeResult::Failed(FailedAttempt::new(cause, REFUSED), FailedBy::Server)
    }

    /// The headers that ask for the rest.
    fn part(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(rest) = self.rest.as_ref().filter(|_| self.handed_on.bytes > 0) else {
            return headers;
        };
        let range = format!("bytes={}-", self.handed_on.bytes);
        headers.extend(
            HeaderValue::try_from(range)
                .ok()
                .map(|range| (RANGE, range)),
        );
        headers.extend(
            rest.validator
                .clone()
                .map(|validator| (self.precondition(), validator)),
        );
        headers
    }

    fn precondition(&self) -> HeaderName {
        match self.fetch.order.policy.precondition() {
            Precondition::IfRange => IF_RANGE,
            Precondition::IfMatch => IF_MATCH,
        }
    }

    fn out_of_time(&self) -> BodyError {
        BodyError::OutOfTime {
            limit: self.fetch.http.settings().total.unwrap_or_default(),
            attempts: self.attempts,
            received_bytes: self.handed_on.bytes,
        }
    }
}

/// How another attempt went.
enum ResumeResult<'a> {
    Stands(Box<ResponseBody<'a>>),
    /// It stood, and broke before it came to where the old one broke.
    Broken(String),
    Failed(FailedAttempt, FailedBy),
}

impl Remainder {
    fn of(response: &Response, policy: RetryPolicy, has_digest: bool) -> Option<Self> {
        let headers = response.headers();
        match policy.precondition() {
            // Not every server minds it, so there has to be something to compare with in the end.
            Precondition::IfRange => {
                let unit = headers.get(ACCEPT_RANGES).filter(|_| has_digest)?;
                unit.as_bytes()
                    .eq_ignore_ascii_case(b"bytes")
                    .then(|| Remainder {
                        validator: validator(headers),
                    })
            }
            Precondition::IfMatch => {
                let tag = strong_tag(headers)?.clone();
                Some(Remainder {
                    validator: Some(tag),
                })
            }
        }
    }
}

fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    strong_tag(headers)
        .or_else(|| headers.get(LAST_MODIFIED))
        .cloned()
}

/// A weak entity tag stands for bytes that are alike, not the same.
fn strong_tag(headers: &HeaderMap) -> Option<&HeaderValue> {
    let tag = headers.get(ETAG);
    tag.filter(|tag| !tag.as_bytes().starts_with(b"W/"))
}

/// Where a part begins, by `Content-Range: bytes 5-9/10`.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

impl Read for ResumableBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let error = match self.body.read(buffer) {
                Ok(read) => {
                    self.handed_on.add(&buffer[..read]);
                    self.vain = if read > 0 { 0 } else { self.vain };
                    return Ok(read);
                }
                Err(error) => error,
            };
            match error.downcast::<BodyError>() {
                Ok(BodyError::Broken(cause)) => self.reconnect(cause)?,
                Ok(other) => return Err(other.into()),
                Err(error) => return Err(error),
            }
        }
    }
}
