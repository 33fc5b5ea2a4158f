//! What statuses mean for each kind of service, and how often requests are retried.

use super::{FailedBy, retry_after};
use reqwest::{Response, StatusCode};
use std::io::Read;
use std::time::Duration;

/// Pause before the second attempt.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
const FIRST_PAUSE_AZURE: Duration = Duration::from_millis(800);
/// Longer error bodies are truncated.
const MAX_EXPLANATION_BYTES: u64 = 8 * 1024;
const MAX_EXPLANATION_CHARS: usize = 200;

/// The kind of service, whose rules a fetch follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fetch) enum RetryPolicy {
    /// Any web server: retried until the total time limit.
    Web {
        /// Additional statuses that are worth a retry.
        retry_statuses: &'static [u16],
    },
    /// An object of Amazon S3. Retried until the total time limit while the network is missing, but not if the service
    /// is busy.
    S3,
    /// A request for the region of an Amazon S3 bucket: refusals include it, too.
    S3Bucket,
    /// An Azure blob, requested with a token; an attempt without one follows as a fallback.
    Azure,
}

/// Failed attempts, by what made them fail.
#[derive(Debug, Default)]
pub(super) struct Failures([u32; 2]);

impl Failures {
    /// Counts a failed attempt; true if no other one should follow.
    pub(super) fn reach_limit(&mut self, policy: RetryPolicy, by: FailedBy) -> bool {
        let count = &mut self.0[by as usize];
        *count += 1;
        policy.max_attempts(by) == Some(*count)
    }
}

/// How a response is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    NotFound,
    /// Worth a retry.
    Busy,
    Refused,
}

/// How to request a range so that a changed object is not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precondition {
    IfRange,
    IfMatch,
}

impl RetryPolicy {
    /// Header with the region of a bucket, in any response including refusals.
    pub(in crate::fetch) const BUCKET_REGION: &'static str = "x-amz-bucket-region";

    pub(super) fn first_pause(self) -> Duration {
        match self {
            RetryPolicy::Azure => FIRST_PAUSE_AZURE,
            _ => FIRST_PAUSE,
        }
    }

    /// Maximum number of attempts, by what made them fail; none for no limit.
    fn max_attempts(self, by: FailedBy) -> Option<u32> {
        match (self, by) {
            (RetryPolicy::S3 | RetryPolicy::S3Bucket, FailedBy::Server) => Some(3),
            (RetryPolicy::Azure, _) => Some(4),
            (RetryPolicy::Web { .. }, _) | (_, FailedBy::Network) => None,
        }
    }

    /// Object stores do not redirect, and the credentials must not be sent anywhere else.
    pub(super) fn follows_redirects(self) -> bool {
        matches!(self, RetryPolicy::Web { .. })
    }

    pub(super) fn precondition(self) -> Precondition {
        match self {
            RetryPolicy::Web { .. } => Precondition::IfRange,
            _ => Precondition::IfMatch,
        }
    }

    /// True if the body of a refusal has a code and a message.
    pub(super) fn has_error_body(self) -> bool {
        !matches!(self, RetryPolicy::Web { .. })
    }

    pub(super) fn verdict(self, response: &Response, is_range: bool) -> Verdict {
        let status = response.status();
        let has_region = || response.headers().contains_key(RetryPolicy::BUCKET_REGION);
        match (self, status.as_u16()) {
            (RetryPolicy::S3Bucket, _) if has_region() => Verdict::Good,
            (RetryPolicy::S3Bucket, code) if code < 500 && code != 429 => Verdict::Good,
            (_, 200) => Verdict::Good,
            (_, 206) if is_range => Verdict::Good,
            (RetryPolicy::Web { retry_statuses }, code) if retry_statuses.contains(&code) => {
                Verdict::Busy
            }
            (RetryPolicy::Web { .. }, 204) => Verdict::Good,
            (RetryPolicy::Web { .. }, 404) => Verdict::NotFound,
            // A server that sends `Retry-After` wants a retry.
            (RetryPolicy::Web { .. }, code) if code >= 500 || wants_retry(response) => {
                Verdict::Busy
            }
            (
                RetryPolicy::S3 | RetryPolicy::S3Bucket | RetryPolicy::Azure,
                429 | 500 | 502 | 503 | 504,
            )
            | (RetryPolicy::Azure, 408) => Verdict::Busy,
            _ => Verdict::Refused,
        }
    }
}

fn wants_retry(response: &Response) -> bool {
    response.status() == StatusCode::TOO_MANY_REQUESTS
        && retry_after::of(response.headers()).is_some()
}

/// `CODE: MESSAGE` of an error document of S3 or Azure. The rest is not shown: it may quote what was signed.
pub(super) fn explanation(body: impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    // A truncated body is good enough.
    let _ = body.take(MAX_EXPLANATION_BYTES).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let code = element(&text, "Code")?;
    let line = |text: &str| -> String {
        let line = text.lines().next().unwrap_or_default();
        let shown = line.chars().filter(|c| !c.is_control());
        shown.take(MAX_EXPLANATION_CHARS).collect()
    };
    match element(&text, "Message") {
        Some(message) => Some(format!("{}: {}", line(code), line(message))),
        None => Some(line(code)),
    }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = after.split_once(&format!("</{name}>"))?;
    Some(inner.trim()).filter(|inner| !inner.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_explained() {
        let explained = |text: &str| explanation(text.as_bytes());
        let text = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\
            <Message>Access Denied\nfor you</Message><StringToSign>x</StringToSign></Error>";
        assert_eq!(
            explained(text).as_deref(),
            Some("AccessDenied: Access Denied")
        );
        assert_eq!(
            explained("<Code>X\u{1b}[1m</Code>").as_deref(),
            Some("X[1m")
        );
        for nothing in ["", "<Code></Code>", "{}", "<Code>X", "<Message>m</Message>"] {
            assert_eq!(explained(nothing), None, "{nothing}");
        }
        let long = format!("<Code>{}</Code>", "x".repeat(1000));
        assert_eq!(explained(&long).map(|t| t.len()), Some(200));
    }
}
