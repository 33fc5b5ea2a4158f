//! Decompresses a stream, hashes it, and writes it to a sink in one pass.

use super::{Compression, FetchError, FetchEvent, FetchEvents, Request};
use crate::config::digest::Digest;
use crate::text::hex;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256, Sha512};
use std::io::{self, BufReader, Read, Write};
use std::time::Duration;

const CHUNK_BYTES: usize = 64 * 1024;

/// Why a body ended early; passed through the decoder inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("{0}")]
    Broken(String),
    #[error("the connection broke, and the content had changed when it was requested again")]
    Changed,
    #[error("total time limit")]
    OutOfTime {
        limit: Duration,
        attempts: u32,
        received_bytes: u64,
    },
    #[error("cancelled")]
    Cancelled,
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        io::Error::other(error)
    }
}

/// Like [`copy`], for uncompressed bytes in memory.
pub(super) fn write(
    request: &Request,
    bytes: &[u8],
    sink: &mut dyn Write,
    events: &dyn FetchEvents,
) -> Result<u64, FetchError> {
    let mut hasher = Hasher::of(request.digest);
    hasher.update(bytes);
    sink.write_all(bytes).map_err(|cause| FetchError::Sink {
        url: request.shown_url(),
        cause,
    })?;
    let count = bytes.len() as u64;
    if count > 0 {
        events.event(FetchEvent::Received { bytes: count });
    }
    if let Some(sum) = hasher.verify(request)? {
        events.event(FetchEvent::Verified { sum: &sum });
    }
    Ok(count)
}

/// Copies `body` to `sink`, decompressed and verified. Returns the number of decompressed bytes.
pub(super) fn copy<'a>(
    request: &Request,
    body: Box<dyn Read + 'a>,
    sink: &mut dyn Write,
    events: &dyn FetchEvents,
) -> Result<u64, FetchError> {
    let mut reader: Box<dyn Read + 'a> = match request.compression {
        Compression::None => body,
        Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(
            CHUNK_BYTES,
            body,
        ))),
    };
    let mut hasher = Hasher::of(request.digest);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        let read = reader
            .read(&mut chunk)
            .map_err(|e| read_error(request, e))?;
        if read == 0 {
            break;
        }
        hasher.update(&chunk[..read]);
        sink.write_all(&chunk[..read])
            .map_err(|cause| FetchError::Sink {
                url: request.shown_url(),
                cause,
            })?;
        total += read as u64;
        events.event(FetchEvent::Received { bytes: read as u64 });
    }
    if let Some(sum) = hasher.verify(request)? {
        events.event(FetchEvent::Verified { sum: &sum });
    }
    Ok(total)
}

fn read_error(request: &Request, error: io::Error) -> FetchError {
    let url = request.shown_url();
    match error.downcast::<BodyError>() {
        Ok(BodyError::Broken(cause)) => FetchError::Body { url, cause },
        Ok(changed @ BodyError::Changed) => FetchError::Body {
            url,
            cause: changed.to_string(),
        },
        Ok(BodyError::Cancelled) => FetchError::Cancelled { url },
        Ok(BodyError::OutOfTime {
            limit,
            attempts,
            received_bytes,
        }) => FetchError::OutOfTime {
            method: "GET".into(),
            url,
            limit,
            is_over: true,
            attempts,
            last: format!("the body was still being received ({received_bytes} bytes so far)"),
            remedy: None,
        },
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            let cause = io::Error::new(cause.kind(), "the gzip data is truncated");
            FetchError::Gzip { url, cause }
        }
        Err(cause) => FetchError::Gzip { url, cause },
    }
}

/// Verifies bytes in memory.
pub(super) fn verify(request: &Request, bytes: &[u8]) -> Result<(), FetchError> {
    let mut hasher = Hasher::of(request.digest);
    hasher.update(bytes);
    hasher.verify(request).map(drop)
}

enum Hasher {
    Nothing,
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
}

impl Hasher {
    fn of(digest: Option<Digest>) -> Self {
        match digest {
            None => Hasher::Nothing,
            Some(Digest::Sha256(_)) => Hasher::Sha256(Box::default()),
            Some(Digest::Sha512(_)) => Hasher::Sha512(Box::default()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Nothing => {}
            Hasher::Sha256(state) => state.update(bytes),
            Hasher::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest, lower-case hex, if there was one to compare with.
    fn verify(self, request: &Request) -> Result<Option<String>, FetchError> {
        let calculated = match self {
            Hasher::Nothing => return Ok(None),
            Hasher::Sha256(state) => hex(&state.finalize()),
            Hasher::Sha512(state) => hex(&state.finalize()),
        };
        let expected = match &request.digest {
            None => return Ok(None),
            Some(Digest::Sha256(bytes)) => hex(bytes),
            Some(Digest::Sha512(bytes)) => hex(bytes),
        };
        if calculated == expected {
            return Ok(Some(calculated));
        }
        Err(FetchError::HashMismatch {
            url: request.shown_url(),
            calculated,
            expected,
        })
    }
}

/// A sink in memory with a maximum size.
pub(super) struct BoundedVec {
    pub bytes: Vec<u8>,
    pub limit_bytes: u64,
}

impl Write for BoundedVec {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
