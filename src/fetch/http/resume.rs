//! A body that is resumed when its connection breaks.
//!
//! Delivered bytes are in the sink already, so what follows has to be the remainder of the same data. If a digest will
//! be checked in the end, a server that supports it is asked for the remainder only; any other sends everything again,
//! and what was delivered before is compared and dropped. Cloud object stores guarantee that a range is of the same
//! object, so there no digest is needed.

use super::attempt_error::FailedAttempt;
use super::body::ResponseBody;
use super::client::ResponseHead;
use super::delivered::Delivered;
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

/// Give up after this many consecutive connections without a single new byte.
const MAX_STALLED_ATTEMPTS: u32 = 4;

/// The body of a fetch, over as many connections as needed.
pub(super) struct ResumableBody<'a> {
    fetch: Fetch<'a>,
    body: ResponseBody<'a>,
    /// How to request the remainder; `None` if everything has to be sent again.
    range_support: Option<RangeSupport>,
    attempts: u32,
    /// Number of connections that broke since the last new byte.
    stalled_attempts: u32,
    delivered: Delivered,
    /// Size of the data, if the server announced it. The end of a range is not necessarily the end of the data.
    total_bytes: Option<u64>,
}

/// What is needed to request a range from a server that supports it.
struct RangeSupport {
    /// Identifies this version of the data.
    validator: Option<HeaderValue>,
    /// The entity tag, if it identifies this version as well.
    tag: Option<HeaderValue>,
}

/// `bytes FIRST-LAST/TOTAL`
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    /// None if the server does not know it, which it writes as `*`.
    total: Option<u64>,
}

impl<'a> ResumableBody<'a> {
    pub(super) fn new(fetch: Fetch<'a>, answer: ResponseHead, attempts: u32) -> Self {
        ResumableBody {
            range_support: RangeSupport::of(
                &answer.response,
                fetch.spec.policy,
                fetch.spec.has_digest,
            ),
            total_bytes: answer.response.content_length(),
            body: fetch.body(answer, attempts),
            fetch,
            attempts,
            stalled_attempts: 0,
            delivered: Delivered::default(),
        }
    }

    /// Checks at the end of a body that it has the size that the server announced.
    fn check_end(&self) -> Result<(), BodyError> {
        let received = self.delivered.bytes;
        match self.total_bytes {
            Some(total) if received < total => Err(BodyError::Broken(format!(
                "the server announced {total} bytes, {received} came"
            ))),
            Some(total) if received > total => Err(BodyError::Changed),
            _ => Ok(()),
        }
    }

    /// Reconnects until there is a body that continues where the old one broke.
    fn reconnect(&mut self, cause: String) -> Result<(), io::Error> {
        self.count_break(cause.clone())?;
        let mut retry = Retry::new(FIRST_PAUSE * 2_u32.pow(self.stalled_attempts - 1));
        let mut last = FailedAttempt::new(cause, REFUSED);
        let mut failures = Failures::default();
        loop {
            let pause = retry.pause(last.failure, self.fetch.remaining());
            self.pause(&last.cause, pause)?;
            match self.resume()? {
                ResumeResult::Resumed(body) => {
                    self.body = *body;
                    return Ok(());
                }
                ResumeResult::Broken(why) => {
                    self.count_break(why.clone())?;
                    last = FailedAttempt::new(why, REFUSED);
                }
                ResumeResult::Failed(attempt, by) => {
                    if failures.reach_limit(self.fetch.spec.policy, by) {
                        return Err(BodyError::Broken(attempt.cause).into());
                    }
                    last = attempt;
                }
            }
        }
    }

    /// Counts an established connection that broke.
    fn count_break(&mut self, cause: String) -> Result<(), BodyError> {
        self.stalled_attempts += 1;
        match self.stalled_attempts < MAX_STALLED_ATTEMPTS {
            true => Ok(()),
            false => Err(BodyError::Broken(cause)),
        }
    }

    fn pause(&self, cause: &str, pause: Duration) -> Result<(), BodyError> {
        let left = self.fetch.remaining();
        self.fetch.report_retry(cause, pause);
        let until = left.map_or(pause, |left| left.min(pause));
        self.fetch.sleep(until).map_err(|_| BodyError::Cancelled)?;
        match left.is_some_and(|left| left <= pause) {
            true => Err(self.out_of_time()),
            false => Ok(()),
        }
    }

    fn resume(&mut self) -> Result<ResumeResult<'a>, io::Error> {
        self.attempts += 1;
        self.fetch.report_attempt(self.attempts);
        let range_headers = self.range_headers();
        match self.fetch.attempt(&range_headers) {
            Attempt::Success(answer) => self.accept(answer),
            Attempt::Failed(failed, by) => Ok(ResumeResult::Failed(failed, by)),
            Attempt::OutOfTime => Err(self.out_of_time().into()),
            // A server that refuses to send a range may still send everything.
            Attempt::Final(error) if !range_headers.is_empty() => {
                Ok(self.disable_ranges(error.to_string()))
            }
            Attempt::Final(error) => Err(BodyError::Broken(error.to_string()).into()),
        }
    }

    fn accept(&mut self, answer: ResponseHead) -> Result<ResumeResult<'a>, io::Error> {
        let is_range = answer.response.status() == StatusCode::PARTIAL_CONTENT;
        let total = match is_range {
            // It may be a newer version, which only has to begin like the old one.
            false => answer.response.content_length().or(self.total_bytes),
            true => match self.check_range(&answer.response) {
                Ok(total) => Some(total),
                Err(cause) => return Ok(self.disable_ranges(cause.into())),
            },
        };
        self.total_bytes = total;
        let mut body = self.fetch.body(answer, self.attempts);
        let skipped = if is_range {
            Ok(())
        } else {
            self.delivered.skip(&mut body)
        };
        match skipped {
            Ok(()) => Ok(ResumeResult::Resumed(Box::new(body))),
            Err(error) => match error.downcast::<BodyError>()? {
                BodyError::Broken(cause) => Ok(ResumeResult::Broken(cause)),
                other => Err(other.into()),
            },
        }
    }

    /// Checks that a range continues the data that was delivered; returns the size of the whole.
    fn check_range(&self, response: &Response) -> Result<u64, &'static str> {
        let other = "the server sent a different range than requested";
        let range = response.headers().get(CONTENT_RANGE);
        let range = range.and_then(ContentRange::parse).ok_or(other)?;
        if range.first != self.delivered.bytes
            || response
                .content_length()
                .is_some_and(|length| length != range.bytes())
        {
            return Err(other);
        }
        let has_other_size = |total| self.total_bytes.is_some_and(|known| known != total);
        if range.total.is_some_and(has_other_size) || self.has_other_tag(response) {
            return Err("the server sent a range of a different version");
        }
        let total = range.total.or(self.total_bytes);
        // Without it, a range that ends early cannot be distinguished from the last one.
        total.ok_or("the server does not tell the size of the data")
    }

    /// True if the response has an entity tag, and it is not the one that was requested.
    fn has_other_tag(&self, response: &Response) -> bool {
        let tag = strong_tag(response.headers());
        let requested = self.range_support.as_ref().and_then(|s| s.tag.as_ref());
        matches!((tag, requested), (Some(tag), Some(requested)) if tag != requested)
    }

    fn disable_ranges(&mut self, cause: String) -> ResumeResult<'a> {
        self.range_support = None;
        ResumeResult::Failed(FailedAttempt::new(cause, REFUSED), FailedBy::Server)
    }

    /// The headers that request the remainder.
    fn range_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(range_support) = self
            .range_support
            .as_ref()
            .filter(|_| self.delivered.bytes > 0)
        else {
            return headers;
        };
        let range = format!("bytes={}-", self.delivered.bytes);
        headers.extend(
            HeaderValue::try_from(range)
                .ok()
                .map(|range| (RANGE, range)),
        );
        headers.extend(
            range_support
                .validator
                .clone()
                .map(|validator| (self.precondition(), validator)),
        );
        headers
    }

    fn precondition(&self) -> HeaderName {
        match self.fetch.spec.policy.precondition() {
            Precondition::IfRange => IF_RANGE,
            Precondition::IfMatch => IF_MATCH,
        }
    }

    fn out_of_time(&self) -> BodyError {
        BodyError::OutOfTime {
            limit: self.fetch.http.settings().total.unwrap_or_default(),
            attempts: self.attempts,
            received_bytes: self.delivered.bytes,
        }
    }
}

/// The result of an attempt to resume.
enum ResumeResult<'a> {
    Resumed(Box<ResponseBody<'a>>),
    /// The connection broke before it reached the point where the old one broke.
    Broken(String),
    Failed(FailedAttempt, FailedBy),
}

impl RangeSupport {
    fn of(response: &Response, policy: RetryPolicy, has_digest: bool) -> Option<Self> {
        let headers = response.headers();
        match policy.precondition() {
            // Not every server honours it, so a digest has to be checked in the end.
            Precondition::IfRange => {
                let unit = headers.get(ACCEPT_RANGES).filter(|_| has_digest)?;
                unit.as_bytes()
                    .eq_ignore_ascii_case(b"bytes")
                    .then(|| RangeSupport {
                        validator: validator(headers),
                        tag: strong_tag(headers).cloned(),
                    })
            }
            Precondition::IfMatch => {
                let tag = strong_tag(headers)?.clone();
                Some(RangeSupport {
                    validator: Some(tag.clone()),
                    tag: Some(tag),
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

/// A weak entity tag only means that the data is equivalent, not identical.
fn strong_tag(headers: &HeaderMap) -> Option<&HeaderValue> {
    let tag = headers.get(ETAG);
    tag.filter(|tag| !tag.as_bytes().starts_with(b"W/"))
}

impl ContentRange {
    fn parse(value: &HeaderValue) -> Option<Self> {
        let (range, total) = value
            .to_str()
            .ok()?
            .strip_prefix("bytes ")?
            .split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.trim().parse().ok();
        let total = match total.trim() {
            "*" => None,
            total => Some(number(total)?),
        };
        let (first, last) = (number(first)?, number(last)?);
        let is_possible = first <= last && total.is_none_or(|total| last < total);
        is_possible.then_some(ContentRange { first, last, total })
    }

    fn bytes(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl Read for ResumableBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let error = match self.body.read(buffer) {
                Ok(0) if !buffer.is_empty() => match self.check_end() {
                    Ok(()) => return Ok(0),
                    Err(error) => error.into(),
                },
                Ok(read) => {
                    self.delivered.add(&buffer[..read]);
                    self.stalled_attempts = if read > 0 { 0 } else { self.stalled_attempts };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let parse = |text: &'static str| ContentRange::parse(&HeaderValue::from_static(text));
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(parse("bytes 5-9/10"), range(5, 9, Some(10)));
        assert_eq!(parse("bytes 5-5/*"), range(5, 5, None));
        let last = "bytes 0-18446744073709551615/*";
        assert_eq!(parse(last).map(|range| range.bytes()), Some(u64::MAX));
        for bad in [
            "bytes */10",
            "bytes 5-/10",
            "bytes 5-4/10",
            "bytes 5-10/10",
            "bytes 5-9",
            "bytes 5-9/x",
            "bytes 5-18446744073709551616/*",
            "items 5-9/10",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
