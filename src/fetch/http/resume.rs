//! A body that goes on when its connection breaks.
//!
//! Bytes that were handed on are in the sink already, so what comes next has to be the rest of the same thing. With
//! a digest to compare with in the end, a server that can is asked for the rest alone; from any other everything
//! comes once more, and what was handed on before is compared and dropped.

use super::body::Body;
use super::client::Answer;
use super::{Attempt, FIRST_PAUSE, Fetch, LONGEST_PAUSE};
use crate::fetch::pipeline::BodyError;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use std::io::{self, Read};
use std::time::Duration;

/// Connections that break one after the other without a single new byte: then it is of no use.
const MOST_VAIN: u32 = 4;
/// For comparing what comes once more.
const CHUNK_BYTES: usize = 64 * 1024;

/// The body of a fetch, over as many connections as it takes.
pub(super) struct Steady<'a> {
    fetch: Fetch<'a>,
    body: Body<'a>,
    /// How the rest may be asked for; `None` where everything has to come once more.
    rest: Option<Rest>,
    attempts: u32,
    /// Breaks since the last new byte.
    vain: u32,
    handed_on: HandedOn,
}

/// What the server said that makes it able to send a part.
struct Rest {
    /// Names the very bytes that are meant, for `If-Range`.
    validator: Option<HeaderValue>,
}

/// What went into the sink. The checksum is for chance, not for malice: against that there are digests.
#[derive(Default)]
struct HandedOn {
    bytes: u64,
    sum: crc32fast::Hasher,
}

impl HandedOn {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sum.update(bytes);
    }

    fn is(&self, other: &Self) -> bool {
        let sum = |of: &Self| of.sum.clone().finalize();
        self.bytes == other.bytes && sum(self) == sum(other)
    }
}

impl<'a> Steady<'a> {
    pub(super) fn new(fetch: Fetch<'a>, answer: Answer, attempts: u32) -> Self {
        let has_digest = fetch.request.digest.is_some();
        Steady {
            rest: Rest::of(&answer.response).filter(|_| has_digest),
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
        let mut pause = FIRST_PAUSE * 2_u32.pow(self.vain - 1);
        let mut last = cause;
        loop {
            self.pause(&last, pause)?;
            pause = LONGEST_PAUSE.min(pause * 2);
            match self.again()? {
                Again::Stands(body) => {
                    self.body = *body;
                    return Ok(());
                }
                Again::Broken(why) => {
                    self.broke(why.clone())?;
                    last = why;
                }
                Again::Failed { cause, not_before } => {
                    last = cause;
                    pause = not_before.map_or(pause, |least| least.max(pause));
                }
            }
        }
    }

    /// A connection broke that had stood.
    fn broke(&mut self, cause: String) -> Result<(), BodyError> {
        self.vain += 1;
        match self.vain < MOST_VAIN {
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

    fn again(&mut self) -> Result<Again<'a>, io::Error> {
        self.attempts += 1;
        self.fetch.tell_attempt(self.attempts);
        let part = self.part();
        match self.fetch.attempt(&part) {
            Attempt::Success(answer) => self.answered(answer),
            Attempt::Failed { cause, not_before } => Ok(Again::Failed { cause, not_before }),
            Attempt::OutOfTime => Err(self.out_of_time().into()),
            // A server that will not send a part may still send the whole.
            Attempt::Final(error) if !part.is_empty() => Ok(self.without_parts(error.to_string())),
            Attempt::Final(error) => Err(BodyError::Broken(error.to_string()).into()),
        }
    }

    fn answered(&mut self, answer: Answer) -> Result<Again<'a>, io::Error> {
        let is_part = answer.response.status() == StatusCode::PARTIAL_CONTENT;
        if is_part && starts_at(&answer.response) != Some(self.handed_on.bytes) {
            let cause = "the server sent another part than it was asked for";
            return Ok(self.without_parts(cause.into()));
        }
        let mut body = self.fetch.body(answer, self.attempts);
        let skipped = if is_part {
            Ok(())
        } else {
            self.skip(&mut body)
        };
        match skipped {
            Ok(()) => Ok(Again::Stands(Box::new(body))),
            Err(error) => match error.downcast::<BodyError>()? {
                BodyError::Broken(cause) => Ok(Again::Broken(cause)),
                other => Err(other.into()),
            },
        }
    }

    fn without_parts(&mut self, cause: String) -> Again<'a> {
        self.rest = None;
        Again::Failed {
            cause,
            not_before: None,
        }
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
                .map(|validator| (IF_RANGE, validator)),
        );
        headers
    }

    /// Reads what was handed on before once more.
    fn skip(&self, body: &mut Body<'a>) -> Result<(), io::Error> {
        let mut seen = HandedOn::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        while seen.bytes < self.handed_on.bytes {
            let left = self.handed_on.bytes - seen.bytes;
            let most = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = body.read(&mut chunk[..most])?;
            if read == 0 {
                break;
            }
            seen.add(&chunk[..read]);
        }
        match seen.is(&self.handed_on) {
            true => Ok(()),
            false => Err(BodyError::Changed.into()),
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
enum Again<'a> {
    Stands(Box<Body<'a>>),
    /// It stood, and broke before it came to where the old one broke.
    Broken(String),
    Failed {
        cause: String,
        not_before: Option<Duration>,
    },
}

impl Rest {
    fn of(response: &Response) -> Option<Self> {
        let headers = response.headers();
        let unit = headers.get(ACCEPT_RANGES)?;
        unit.as_bytes()
            .eq_ignore_ascii_case(b"bytes")
            .then(|| Rest {
                validator: validator(headers),
            })
    }
}

/// A weak entity tag stands for bytes that are alike, not the same.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(ETAG);
    tag.filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        .or_else(|| headers.get(LAST_MODIFIED))
        .cloned()
}

/// Where a part begins, by `Content-Range: bytes 5-9/10`.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

impl Read for Steady<'_> {
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
