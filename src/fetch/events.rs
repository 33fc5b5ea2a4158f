//! What a fetch reports while it runs.

use crate::signature::Verified;
use std::fmt;
use std::time::Duration;

/// One step of a fetch. URLs are redacted (see [`super::shown_url`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// A request is sent.
    Attempt {
        /// The request method, e.g. `GET`.
        method: &'a str,
        /// The redacted URL.
        url: &'a str,
        /// Attempts are counted from 1.
        number: u32,
    },
    /// The server answered.
    Answer {
        /// The request method, e.g. `GET`.
        method: &'a str,
        /// The redacted URL.
        url: &'a str,
        /// HTTP status.
        status: u16,
    },
    /// The server redirected to another URL.
    Redirect {
        /// The redacted URL.
        url: &'a str,
    },
    /// The server redirected from an https URL to an http URL; reported once for each such pair.
    Downgrade {
        /// The https URL.
        from: &'a str,
        /// The http URL.
        to: &'a str,
    },
    /// An attempt failed, and another one follows.
    Retry {
        /// The request method, e.g. `GET`.
        method: &'a str,
        /// The redacted URL.
        url: &'a str,
        /// The cause.
        cause: &'a str,
        /// Pause before the next attempt.
        pause: Duration,
    },
    /// All bytes were received, and have the expected digest.
    Verified {
        /// The digest, lower-case hex.
        sum: &'a str,
    },
    /// A config is trusted.
    Trusted {
        /// The redacted URL.
        url: &'a str,
        /// What the trust is based on.
        verified: &'a Verified,
    },
    /// An uncompressed body follows whose length the server announced.
    Announced {
        /// Its length in bytes.
        bytes: u64,
    },
    /// More decompressed bytes were written to the sink.
    Received {
        /// How many bytes.
        bytes: u64,
    },
}

/// Observes fetches, and can cancel them.
pub trait FetchEvents {
    /// Called for each event.
    fn event(&self, _event: FetchEvent<'_>) {}
    /// True if fetches should end with [`super::FetchError::Cancelled`]. Checked before each attempt, during pauses
    /// and while the body is received; without it, a fetch with no time limit and no server would never end.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Message about a server with TLS that redirects to a URL without.
pub(super) fn downgrade_text(to: &str) -> String {
    format!("redirects to {to} without TLS: the content may have been read or changed in transit")
}

/// Ignores all events, and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl FetchEvents for Silent {}

impl fmt::Display for FetchEvent<'_> {
    /// One log line, in the form that parsers of Ignition's log expect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchEvent::Attempt {
                method,
                url,
                number,
            } => write!(f, "{method} {url}: attempt #{number}"),
            FetchEvent::Answer { method, status, .. } => {
                let known = reqwest::StatusCode::from_u16(*status).ok();
                match known.and_then(|status| status.canonical_reason()) {
                    Some(reason) => write!(f, "{method} result: {reason}"),
                    None => write!(f, "{method} result: {status}"),
                }
            }
            FetchEvent::Redirect { url } => write!(f, "GET redirected to {url}"),
            FetchEvent::Downgrade { from, to } => write!(f, "{from} {}", downgrade_text(to)),
            FetchEvent::Retry {
                method,
                cause,
                pause,
                ..
            } => {
                write!(
                    f,
                    "{method} error: {cause}; next attempt in {:.1} s",
                    pause.as_secs_f32()
                )
            }
            FetchEvent::Verified { sum } => write!(f, "file matches expected sum of: {sum}"),
            FetchEvent::Trusted { url, verified } => {
                write!(f, "config {url} is trusted: {verified}")
            }
            FetchEvent::Announced { bytes } => write!(f, "GET announces {bytes} bytes"),
            FetchEvent::Received { bytes } => write!(f, "GET received {bytes} bytes"),
        }
    }
}
