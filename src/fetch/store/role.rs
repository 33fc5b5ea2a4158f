//! The role of an EC2 instance and its region, from the Instance Metadata Service.

use super::metadata::{ADDRESS, MetadataAttempt, MetadataClient, RetryLimits};
use super::sigv4::Credentials;
use super::ttl_cache::TtlCache;
use crate::fetch::http::OneShotRequest;
use reqwest::Method;
use serde::Deserialize;
use std::time::{Duration, SystemTime};

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const IDENTITY: &str = "/latest/dynamic/instance-identity/document";

/// The service answers at once or not at all, e.g. if the hop limit of its answers is too low.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
const RETRY_LIMITS: RetryLimits = RetryLimits {
    attempts: 3,
    first_pause: Duration::from_millis(250),
    max_pause: Duration::from_secs(1),
    total: Duration::from_secs(5),
};
const REGION_LIMITS: RetryLimits = RetryLimits {
    total: Duration::from_secs(15),
    ..RETRY_LIMITS
};
/// Credentials are requested again after this time at the latest.
const MAX_USE: Duration = Duration::from_secs(3600);
/// They are renewed this long before they expire.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// They are not requested more often than this, even if our clock is wrong.
const MIN_USE: Duration = Duration::from_secs(60);
/// The region of an instance does not change.
const REGION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Cached answers of the metadata service.
#[derive(Debug, Default)]
pub(super) struct InstanceRole {
    credentials: TtlCache<Credentials>,
    region: TtlCache<String>,
}

impl InstanceRole {
    /// The credentials of the role, or a description of why there are none.
    pub(super) fn credentials(&self, metadata: MetadataClient<'_>) -> Result<Credentials, String> {
        self.credentials.get(|| {
            let service = Imds { metadata };
            let missing = "the instance has no role";
            let names = service.get(ROLES, RETRY_LIMITS)?.ok_or(missing)?;
            let names = String::from_utf8_lossy(&names).into_owned();
            let name = names.lines().next().map(str::trim).unwrap_or_default();
            if name.is_empty() || name.contains(['/', '?', '#']) {
                return Err(missing.into());
            }
            let document = service.get(&format!("{ROLES}{name}"), RETRY_LIMITS)?;
            let document = document.ok_or("the role of the instance has no credentials")?;
            read(&document, SystemTime::now())
        })
    }

    /// The region of the instance.
    pub(super) fn region(&self, metadata: MetadataClient<'_>) -> Result<String, String> {
        self.region.get(|| {
            let document = Imds { metadata }.get(IDENTITY, REGION_LIMITS)?;
            let document = document.ok_or("the instance has no identity document")?;
            let identity: Identity = serde_json::from_slice(&document)
                .map_err(|_| "the identity document of the instance names no region")?;
            Ok((identity.region, REGION_LIFETIME))
        })
    }
}

#[derive(Deserialize)]
struct Identity {
    region: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    code: String,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

/// Parses a credentials document, and returns how long to use them. Errors do not contain any of it.
fn read(document: &[u8], now: SystemTime) -> Result<(Credentials, Duration), String> {
    let bad = |what: &str| format!("the credentials of the role are {what}");
    let document: Document =
        serde_json::from_slice(document).map_err(|_| bad("not a valid JSON document"))?;
    if !document.code.eq_ignore_ascii_case("success") {
        return Err(bad("not there: the service does not say \"Success\""));
    }
    let visible = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let part = |part: Option<String>| part.filter(visible).ok_or_else(|| bad("not complete"));
    let expiration = document.expiration.unwrap_or_default();
    let expiration =
        humantime::parse_rfc3339_weak(&expiration).map_err(|_| bad("without an expiry time"))?;
    let left = expiration.duration_since(now).unwrap_or_default();
    let use_for = left.saturating_sub(RENEW_BEFORE);
    let credentials = Credentials {
        access_key_id: part(document.access_key_id)?,
        secret_access_key: part(document.secret_access_key)?,
        session_token: Some(part(document.token)?),
    };
    Ok((credentials, use_for.clamp(MIN_USE, MAX_USE)))
}

struct Imds<'a> {
    metadata: MetadataClient<'a>,
}

impl Imds<'_> {
    /// The document at `path`; none if it does not exist.
    fn get(&self, path: &str, limits: RetryLimits) -> Result<Option<Vec<u8>>, String> {
        let outcome = self.metadata.with_retries(limits, |left| {
            let token = match self.token(left) {
                Ok(token) => token,
                Err(cause) => return MetadataAttempt::Fatal(cause),
            };
            let header = [(
                "x-aws-ec2-metadata-token",
                token.as_deref().unwrap_or_default(),
            )];
            let url = format!("{ADDRESS}{path}");
            let request = OneShotRequest::get(&url, left.min(REQUEST_TIMEOUT));
            let request = request.with_headers(if token.is_some() { &header } else { &[] });
            match self.metadata.send(&request) {
                Ok(response) => match response.status.as_u16() {
                    200 => MetadataAttempt::Done(Some(response.body)),
                    404 => MetadataAttempt::Done(None),
                    // The token has expired, or is missing where one is required; the next attempt gets a new one.
                    401 => MetadataAttempt::Retry(format!("it answered {}", response.status)),
                    code if code >= 500 || code == 429 => {
                        MetadataAttempt::Retry(format!("it answered {}", response.status))
                    }
                    _ => MetadataAttempt::Fatal(format!("it answered {}", response.status)),
                },
                Err(cause) => MetadataAttempt::Retry(cause),
            }
        });
        outcome.map_err(|cause| format!("the metadata service of the instance: {cause}"))
    }

    /// The session token for IMDSv2. If there is none, IMDSv1 may work.
    fn token(&self, left: std::time::Duration) -> Result<Option<String>, String> {
        let url = format!("{ADDRESS}{TOKEN}");
        let request = OneShotRequest {
            method: Method::PUT,
            headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "300")],
            ..OneShotRequest::get(&url, left.min(REQUEST_TIMEOUT))
        };
        let Ok(response) = self.metadata.send(&request) else {
            return Ok(None);
        };
        match response.status.as_u16() {
            200 => Ok(String::from_utf8(response.body).ok()),
            400 => Err(format!("it provides no token: {}", response.status)),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn of(expiration: &str, code: &str) -> Result<Duration, String> {
        let document = format!(
            r#"{{"Code": "{code}", "AccessKeyId": "a", "SecretAccessKey": "s3cret", "Token": "t0ken",
                "Expiration": "{expiration}", "Type": "AWS-HMAC"}}"#
        );
        let now = humantime::parse_rfc3339(NOW).expect("a time");
        let (credentials, good_for) = read(document.as_bytes(), now)?;
        assert_eq!(credentials.secret_access_key, "s3cret");
        assert_eq!(credentials.session_token.as_deref(), Some("t0ken"));
        Ok(good_for)
    }

    #[test]
    fn credentials_are_used_for_an_hour_at_most() {
        let cases = [
            ("2026-01-01T06:00:00Z", MAX_USE),
            ("2026-01-01T00:30:00Z", Duration::from_secs(1500)),
            ("2026-01-01T00:01:00Z", MIN_USE),
            ("2025-01-01T00:01:00Z", MIN_USE),
        ];
        for (expiration, good_for) in cases {
            assert_eq!(of(expiration, "success"), Ok(good_for), "{expiration}");
        }
    }

    #[test]
    fn bad_documents_are_refused_without_showing_them() {
        let good = "2026-01-01T06:00:00Z";
        for result in [
            of(good, "Failed"),
            of("tomorrow", "Success"),
            of("", "Success"),
        ] {
            let error = result.expect_err("bad");
            assert!(
                !error.contains("s3cret") && !error.contains("t0ken"),
                "{error}"
            );
        }
        let now = SystemTime::now();
        for text in [
            "",
            "{}",
            "[]",
            r#"{"Code": "Success", "Expiration": "2026-01-01T06:00:00Z"}"#,
            r#"{"Code": "Success", "Expiration": "2026-01-01T06:00:00Z", "AccessKeyId": "a\n", "SecretAccessKey": "b", "Token": "c"}"#,
        ] {
            assert!(read(text.as_bytes(), now).is_err(), "{text}");
        }
    }
}
