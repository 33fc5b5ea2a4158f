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

/// How often to check whether the fetch was cancelled while waiting for bytes.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct ResponseBody<'a> {
    driver: Arc<ConnectionDriver>,
    events: &'a dyn FetchEvents,
    response: Response,
    announced_bytes: Option<u64>,
    received_bytes: u64,
    deadline: Option<Instant>,
    limit: Duration,
    attempts: u32,
    chunk: Bytes,
    /// True if the body will be compared with a digest.
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
        let ResponseHead { response, driver } = answer;
        ResponseBody {
            driver,
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

    /// Sets whether the body will be compared with a digest.
    pub(super) fn with_digest(self, has_digest: bool) -> Self {
        ResponseBody { has_digest, ..self }
    }
}

impl ResponseBody<'_> {
    /// The next received bytes; none at the end.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let now = Instant::now();
            if self.events.cancelled() {
                return Err(BodyError::Cancelled);
            }
            if self.deadline.is_some_and(|d| d <= now) {
                return Err(self.out_of_time());
            }
            let next_check = now + CANCEL_CHECK_INTERVAL;
            let until = self.deadline.map_or(next_check, |d| d.min(next_check));
            let response = &mut self.response;
            let next = async { timeout_at(until.into(), response.chunk()).await };
            match self
                .driver
                .run(next)
                .map_err(|e| BodyError::Broken(e.to_string()))?
            {
                Ok(Ok(chunk)) => return Ok(chunk),
                Ok(Err(error)) if self.is_end_of_body(&error) => return Ok(None),
                Ok(Err(error)) => return Err(self.broken(&error)),
                Err(_elapsed) => {}
            }
        }
    }

    /// Some servers close a TLS connection without `close_notify`. If the length of the body is unknown, it may just as
    /// well have been truncated; so this counts as the end of the body only if a digest will detect truncation.
    fn is_end_of_body(&self, error: &reqwest::Error) -> bool {
        let headers = self.response.headers();
        self.has_digest
            && self.announced_bytes.is_none()
            && !headers.contains_key(TRANSFER_ENCODING)
            && self.response.version() <= Version::HTTP_11
            && is_unexpected_eof(error)
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

/// True if the TLS connection ended without `close_notify`.
fn is_unexpected_eof(error: &reqwest::Error) -> bool {
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
