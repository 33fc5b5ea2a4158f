//! The managed identity of an Azure virtual machine, from the Instance Metadata Service.

use super::metadata::{ADDRESS, MetadataAttempt, MetadataClient, RetryLimits};
use super::ttl_cache::TtlCache;
use crate::fetch::http::OneShotRequest;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const TOKEN: &str = "/metadata/identity/oauth2/token";
const TOKEN_QUERY: &str = "?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com";
/// Every machine has the service, but the network may not be up yet.
const PROBE_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_LIMITS: RetryLimits = RetryLimits {
    attempts: 10,
    first_pause: Duration::from_millis(200),
    max_pause: Duration::from_secs(2),
    total: Duration::from_secs(10),
};
const TOKEN_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The service may need a while after a machine was created.
const TOKEN_LIMITS: RetryLimits = RetryLimits {
    attempts: 7,
    first_pause: Duration::from_secs(2),
    max_pause: Duration::from_secs(25),
    total: Duration::from_secs(120),
};
/// A token is renewed this long before it expires.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
const MIN_USE: Duration = Duration::from_secs(1);
const MAX_USE: Duration = Duration::from_secs(24 * 3600);

/// Cached answers of the metadata service.
#[derive(Debug, Default)]
pub(super) struct ManagedIdentity {
    token: TtlCache<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    /// Seconds, as a number or a string.
    expires_in: Value,
}

impl ManagedIdentity {
    /// The value of the `Authorization` header, or a description of why there is none.
    pub(super) fn authorization(&self, metadata: MetadataClient<'_>) -> Result<String, String> {
        self.token.get(|| {
            let token = probe(metadata).and_then(|()| get(metadata));
            let token = token.map_err(|cause| format!("the metadata service: {cause}"))?;
            read(&token)
        })
    }
}

/// Any answer means that the service can be reached.
fn probe(metadata: MetadataClient<'_>) -> Result<(), String> {
    metadata.with_retries(PROBE_LIMITS, |left| {
        let url = format!("{ADDRESS}{TOKEN}");
        let request = OneShotRequest::get(&url, left.min(PROBE_REQUEST_TIMEOUT));
        match metadata.send(&request) {
            Ok(_) => MetadataAttempt::Done(()),
            Err(cause) => MetadataAttempt::Retry(cause),
        }
    })
}

fn get(metadata: MetadataClient<'_>) -> Result<Vec<u8>, String> {
    metadata.with_retries(TOKEN_LIMITS, |left| {
        let url = format!("{ADDRESS}{TOKEN}{TOKEN_QUERY}");
        let request = OneShotRequest::get(&url, left.min(TOKEN_REQUEST_TIMEOUT))
            .with_headers(&[("metadata", "true")]);
        match metadata.send(&request) {
            Err(cause) => MetadataAttempt::Retry(cause),
            Ok(response) => match response.status.as_u16() {
                200 => MetadataAttempt::Done(response.body),
                400 => MetadataAttempt::Fatal("the machine has no identity".into()),
                404 | 410 | 429 | 500.. => {
                    MetadataAttempt::Retry(format!("it answered {}", response.status))
                }
                _ => MetadataAttempt::Fatal(format!("it answered {}", response.status)),
            },
        }
    })
}

/// Parses a token. Errors do not contain it.
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
    let left = Duration::from_secs(seconds.ok_or_else(bad)?).saturating_sub(RENEW_BEFORE);
    Ok((format!("Bearer {text}"), left.clamp(MIN_USE, MAX_USE)))
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
