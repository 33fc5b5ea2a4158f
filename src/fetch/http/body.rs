//! A response body as a blocking stream.

use super::client::{ConnectionDriver, Http, ResponseHead, cause};
use crate::fetch::FetchEvents;
use crate::fetch::pipeline::BodyError;
use bytes::{Buf, Bytes};
use reqwest::header::TRANSFER_ENCODING;
use reqwest::{Response, Version};
use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// How long to wait for bytes before looking whether the fetch was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(500);

pub(super) struct ResponseBody<'a> {
    engine: Arc<ConnectionDriver>,
    events: &'a dyn FetchEvents,
    response: Response,
    announced_bytes: Option<u64>,
    received_bytes: u64,
    deadline: Option<Instant>,
    limit: Duration,
    attempts: u32,
    chunk: Bytes,
    /// True if what comes is compared with a digest.
    has_digest: bool,
}

impl<'a> ResponseBody<'a> {
    pub(super) fn new(
        http: &Http,
        answer: ResponseHead,
        deadline: Option<Instant>,
        attempts: u32,
        events: &'a dyn FetchEvents,
    ) -> Self {
        let ResponseHead { response, engine } = answer;
        ResponseBody {
            engine,
            events,
            announced_bytes: response.content_length(),
            response,
            received_bytes: 0,
            deadline,
            limit: http.settings().total.unwrap_or_default(),
            attempts,
            chunk: Bytes::new(),
            has_digest: false,
        }
    }

    /// The same of what is compared with a digest in the end.
    pub(super) fn with_digest(self, has_digest: bool) -> Self {
        ResponseBody { has_digest, ..self }
    }
}

impl ResponseBody<'_> {
    /// The next bytes that came in; none at the end.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let now = Instant::now();
            if self.events.cancelled() {
                return Err(BodyError::Cancelled);
            }
            if self.deadline.is_some_and(|d| d <= now) {
                return Err(self.out_of_time());
            }
            let look = now + CANCEL_CHECK;
            let until = self.deadline.map_or(look, |d| d.min(look));
            let response = &mut self.response;
            let next = async { timeout_at(until.into(), response.chunk()).await };
            match self
                .engine
                .run(next)
                .map_err(|e| BodyError::Broken(e.to_string()))?
            {
                Ok(Ok(chunk)) => return Ok(chunk),
                Ok(Err(error)) if self.ends_here(&error) => return Ok(None),
                Ok(Err(error)) => return Err(self.broken(&error)),
                Err(_elapsed) => {}
            }
        }
    }

    /// Some servers close a connection without the farewell of TLS (`close_notify`). Where nothing says how long a body
    /// is, it may be cut off as well; so it counts as its end only if a digest will tell.
    fn ends_here(&self, error: &reqwest::Error) -> bool {
        let headers = self.response.headers();
        self.has_digest
            && self.announced_bytes.is_none()
            && !headers.contains_key(TRANSFER_ENCODING)
            && self.response.version() <= Version::HTTP_11
            && is_unannounced_end(error)
    }

    fn out_of_time(&self) -> BodyError {
        BodyError::OutOfTime {
            limit: self.limit,
            attempts: self.attempts,
            received_bytes: self.received_bytes,
        }
    }

    fn broken(&self, error: &reqwest::Error) -> BodyError {
        let received = self.received_bytes;
        BodyError::Broken(match self.announced_bytes {
            Some(announced) => format!(
                "the server announced {announced} bytes, {received} came ({})",
                cause(error)
            ),
            None => format!(
                "the connection broke after {received} bytes ({})",
                cause(error)
            ),
        })
    }
}

/// True if TLS met the end of the connection, but no farewell.
fn is_unannounced_end(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof) {
            return true;
        }
        next = error.source();
    }
    false
}

impl Read for ResponseBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.next_chunk()? {
                Some(chunk) => {
                    self.received_bytes += chunk.len() as u64;
                    self.chunk = chunk;
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
