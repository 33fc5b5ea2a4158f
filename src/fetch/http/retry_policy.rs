//! What services make of statuses, and how often they are asked.

use super::{FailedBy, retry_after};
use reqwest::{Response, StatusCode};
use std::io::Read;
use std::time::Duration;

/// Pause before the second attempt.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
const FIRST_PAUSE_AZURE: Duration = Duration::from_millis(800);
/// Longer error bodies are truncated.
const EXPLANATION_BYTES: u64 = 8 * 1024;
const EXPLANATION_CHARACTERS: usize = 200;

/// Whose rules a fetch follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fetch) enum RetryPolicy {
    /// Any server: asked until the total limit.
    Web {
        /// Statuses worth another attempt, besides those of any server.
        again: &'static [u16],
    },
    /// An object of Amazon S3. A missing network has the patience of the web, a busy service has not.
    S3,
    /// A bucket of Amazon S3, which is asked for its region: refusals tell it, too.
    S3Bucket,
    /// A blob of Azure, asked with a token; behind it stands an attempt without.
    Azure,
}

/// Attempts that failed, by who made them fail.
#[derive(Debug, Default)]
pub(super) struct Failures([u32; 2]);

impl Failures {
    /// Counts one more; true if no other should follow.
    pub(super) fn are_enough(&mut self, policy: RetryPolicy, by: FailedBy) -> bool {
        let count = &mut self.0[by as usize];
        *count += 1;
        policy.max_attempts(by) == Some(*count)
    }
}

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    NotFound,
    /// Worth another attempt.
    Busy,
    Refused,
}

/// How to request a range such that a changed object is not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precondition {
    IfRange,
    IfMatch,
}

impl RetryPolicy {
    /// The region of a bucket is in this header of any answer, refusals too.
    pub(in crate::fetch) const BUCKET_REGION: &'static str = "x-amz-bucket-region";

    pub(super) fn first_pause(self) -> Duration {
        match self {
            RetryPolicy::Azure => FIRST_PAUSE_AZURE,
            _ => FIRST_PAUSE,
        }
    }

    /// Attempts after which a fetch gives up, by what made them fail.
    fn max_attempts(self, by: FailedBy) -> Option<u32> {
        match (self, by) {
            (RetryPolicy::S3 | RetryPolicy::S3Bucket, FailedBy::Server) => Some(3),
            (RetryPolicy::Azure, _) => Some(4),
            (RetryPolicy::Web { .. }, _) | (_, FailedBy::Network) => None,
        }
    }

    /// Stores answer themselves; what is sent along is for nobody else.
    pub(super) fn follows_redirects(self) -> bool {
        matches!(self, RetryPolicy::Web { .. })
    }

    pub(super) fn precondition(self) -> Precondition {
        match self {
            RetryPolicy::Web { .. } => Precondition::IfRange,
            _ => Precondition::IfMatch,
        }
    }

    /// True if the bodies of refusals have a code and a message.
    pub(super) fn explains(self) -> bool {
        !matches!(self, RetryPolicy::Web { .. })
    }

    pub(super) fn verdict(self, response: &Response, wants_part: bool) -> Verdict {
        let status = response.status();
        let told = || response.headers().contains_key(RetryPolicy::BUCKET_REGION);
        match (self, status.as_u16()) {
            (RetryPolicy::S3Bucket, _) if told() => Verdict::Good,
            (RetryPolicy::S3Bucket, code) if code < 500 && code != 429 => Verdict::Good,
            (_, 200) => Verdict::Good,
            (_, 206) if wants_part => Verdict::Good,
            (RetryPolicy::Web { again }, code) if again.contains(&code) => Verdict::Busy,
            (RetryPolicy::Web { .. }, 204) => Verdict::Good,
            (RetryPolicy::Web { .. }, 404) => Verdict::NotFound,
            // A server that says when to come again wants us to.
            (RetryPolicy::Web { .. }, code) if code >= 500 || wants_us_again(response) => {
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

fn wants_us_again(response: &Response) -> bool {
    response.status() == StatusCode::TOO_MANY_REQUESTS
        && retry_after::of(response.headers()).is_some()
}

/// `CODE: MESSAGE` of an error as S3 and Azure describe it. Nothing else of it is for messages: it may quote what
/// was signed.
pub(super) fn explanation(body: impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    // A part will do.
    let _ = body.take(EXPLANATION_BYTES).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let code = element(&text, "Code")?;
    let line = |text: &str| -> String {
        let line = text.lines().next().unwrap_or_default();
        let shown = line.chars().filter(|c| !c.is_control());
        shown.take(EXPLANATION_CHARACTERS).collect()
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
