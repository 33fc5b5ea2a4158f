//! What a fetch tells while it runs.

use crate::signature::Verified;
use std::fmt;
use std::time::Duration;

/// One step of a fetch. URLs are shown URLs (see [`super::shown_url`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// A request goes out.
    Attempt {
        /// `GET`, or what else is done.
        method: &'a str,
        /// The URL, without what may be secret in it.
        url: &'a str,
        /// From 1.
        number: u32,
    },
    /// The server answered.
    Answer {
        /// `GET`, or what else is done.
        method: &'a str,
        /// The URL, without what may be secret in it.
        url: &'a str,
        /// HTTP status.
        status: u16,
    },
    /// The server sent us elsewhere.
    Redirect {
        /// The URL, without what may be secret in it.
        url: &'a str,
    },
    /// The server redirected from an https URL to an http URL; reported once for each pair of them.
    Downgrade {
        /// From where.
        from: &'a str,
        /// Where to.
        to: &'a str,
    },
    /// An attempt failed, another one follows.
    Retry {
        /// `GET`, or what else is done.
        method: &'a str,
        /// The URL, without what may be secret in it.
        url: &'a str,
        /// The cause.
        cause: &'a str,
        /// Pause before the next attempt.
        pause: Duration,
    },
    /// All bytes came, and are those the config wants.
    Verified {
        /// Their digest in hex.
        sum: &'a str,
    },
    /// A config may be taken.
    Trusted {
        /// The URL, without what may be secret in it.
        url: &'a str,
        /// What for.
        verified: &'a Verified,
    },
    /// A body is about to come in that is not packed, and the server announces its length.
    Announced {
        /// How many bytes it has.
        bytes: u64,
    },
    /// More decompressed bytes are in the sink.
    Received {
        /// How many more.
        bytes: u64,
    },
}

/// Listens to fetches, and may end them.
pub trait FetchEvents {
    /// Something happened.
    fn event(&self, _event: FetchEvent<'_>) {}
    /// True if fetches should end with [`super::FetchError::Cancelled`]. Asked before each attempt,
    /// during pauses and while the body comes in; without it a fetch that has no time limit and no
    /// server would never end.
    fn cancelled(&self) -> bool {
        false
    }
}

/// What is to be said of a server with TLS that redirects to a place without.
pub(super) fn downgrade(to: &str) -> String {
    format!("redirects to {to} without TLS: the content may have been read or changed in transit")
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl FetchEvents for Silent {}

impl fmt::Display for FetchEvent<'_> {
    /// One log line, in the form log readers of Ignition know.
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
            FetchEvent::Downgrade { from, to } => write!(f, "{from} {}", downgrade(to)),
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
