//! The managed identity of a virtual machine of Azure, by the Instance Metadata Service.

use super::metadata::{ADDRESS, MetadataAttempt, MetadataClient, Patience};
use super::ttl_cache::TtlCache;
use crate::fetch::http::Question;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const TOKEN: &str = "/metadata/identity/oauth2/token";
const TOKEN_QUERY: &str = "?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com";
/// The service is there on every machine, but the network may not be yet.
const PROBE: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Patience = Patience {
    attempts: 10,
    first_pause: Duration::from_millis(200),
    longest_pause: Duration::from_secs(2),
    total: Duration::from_secs(10),
};
const ONE_QUESTION: Duration = Duration::from_secs(60);
/// The service may need a while after a machine was made.
const TIMEOUT: Patience = Patience {
    attempts: 7,
    first_pause: Duration::from_secs(2),
    longest_pause: Duration::from_secs(25),
    total: Duration::from_secs(120),
};
const RESERVE: Duration = Duration::from_secs(300);
const SHORTEST_USE: Duration = Duration::from_secs(1);
const MAX_USE: Duration = Duration::from_secs(24 * 3600);

/// What the service said.
#[derive(Debug, Default)]
pub(super) struct ManagedIdentity {
    token: TtlCache<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    /// Seconds; a number or the text of one.
    expires_in: Value,
}

impl ManagedIdentity {
    /// The value of the header that opens the store, or in words why there is none.
    pub(super) fn authorization(&self, metadata: MetadataClient<'_>) -> Result<String, String> {
        self.token.get(|| {
            let token = probe(metadata).and_then(|()| get(metadata));
            let token = token.map_err(|cause| format!("the metadata service: {cause}"))?;
            read(&token)
        })
    }
}

/// Any answer means that the service is there.
fn probe(metadata: MetadataClient<'_>) -> Result<(), String> {
    metadata.patiently(PROBE_TIMEOUT, |left| {
        let url = format!("{ADDRESS}{TOKEN}");
        let question = Question::get(&url, left.min(PROBE));
        match metadata.ask(&question) {
            Ok(_) => MetadataAttempt::Done(()),
            Err(cause) => MetadataAttempt::NotNow(cause),
        }
    })
}

fn get(metadata: MetadataClient<'_>) -> Result<Vec<u8>, String> {
    metadata.patiently(TIMEOUT, |left| {
        let url = format!("{ADDRESS}{TOKEN}{TOKEN_QUERY}");
        let question = Question::get(&url, left.min(ONE_QUESTION)).with(&[("metadata", "true")]);
        match metadata.ask(&question) {
            Err(cause) => MetadataAttempt::NotNow(cause),
            Ok(reply) => match reply.status.as_u16() {
                200 => MetadataAttempt::Done(reply.body),
                400 => MetadataAttempt::Never("the machine has no identity".into()),
                404 | 410 | 429 | 500.. => {
                    MetadataAttempt::NotNow(format!("it answered {}", reply.status))
                }
                _ => MetadataAttempt::Never(format!("it answered {}", reply.status)),
            },
        }
    })
}

/// Reads a token. It is in no error.
fn read(document: &[u8]) -> Result<(String, Duration), String> {
    let bad = || String::from("the metadata service sent a malformed token");
    let token: Token = serde_json::from_slice(document).map_err(|_| bad())?;
    let seconds = match &token.expires_in {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let text = token.access_token;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad());
    }
    let left = Duration::from_secs(seconds.ok_or_else(bad)?).saturating_sub(RESERVE);
    Ok((format!("Bearer {text}"), left.clamp(SHORTEST_USE, MAX_USE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let of = |expires: &str| {
            read(format!(r#"{{"access_token": "t0ken", "expires_in": {expires}}}"#).as_bytes())
        };
        let hour = Ok(("Bearer t0ken".to_owned(), Duration::from_secs(3300)));
        assert_eq!(of("3600"), hour);
        assert_eq!(of("\"3600\""), hour);
        for bad in ["\"soon\"", "null", "-1", "{}"] {
            let error = of(bad).expect_err(bad);
            assert!(!error.contains("t0ken"), "{error}");
        }
    }
}
