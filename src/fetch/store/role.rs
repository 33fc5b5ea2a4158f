//! The role of an EC2 instance, and its region, by the Instance Metadata Service.

use super::metadata::{ADDRESS, MetadataAttempt, MetadataClient, Patience};
use super::sigv4::Credentials;
use super::ttl_cache::TtlCache;
use crate::fetch::http::Question;
use reqwest::Method;
use serde::Deserialize;
use std::time::{Duration, SystemTime};

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const IDENTITY: &str = "/latest/dynamic/instance-identity/document";

/// The service answers in no time, or not at all, e.g. when its answers may not pass a router.
const ONE_QUESTION: Duration = Duration::from_secs(1);
const TIMEOUT: Patience = Patience {
    attempts: 3,
    first_pause: Duration::from_millis(250),
    longest_pause: Duration::from_secs(1),
    total: Duration::from_secs(5),
};
const REGION_TIMEOUT: Patience = Patience {
    total: Duration::from_secs(15),
    ..TIMEOUT
};
/// Credentials are asked for again after that, if they are good for longer.
const MAX_USE: Duration = Duration::from_secs(3600);
/// And so long before they are over.
const RESERVE: Duration = Duration::from_secs(300);
/// And not more often than this, whatever our clock says.
const SHORTEST_USE: Duration = Duration::from_secs(60);
/// An instance does not move.
const FOR_EVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the service said.
#[derive(Debug, Default)]
pub(super) struct InstanceRole {
    credentials: TtlCache<Credentials>,
    region: TtlCache<String>,
}

impl InstanceRole {
    /// The credentials of the role, or in words why there are none.
    pub(super) fn credentials(&self, metadata: MetadataClient<'_>) -> Result<Credentials, String> {
        self.credentials.get(|| {
            let service = Imds { metadata };
            let missing = "the instance has no role";
            let names = service.get(ROLES, TIMEOUT)?.ok_or(missing)?;
            let names = String::from_utf8_lossy(&names).into_owned();
            let name = names.lines().next().map(str::trim).unwrap_or_default();
            if name.is_empty() || name.contains(['/', '?', '#']) {
                return Err(missing.into());
            }
            let document = service.get(&format!("{ROLES}{name}"), TIMEOUT)?;
            let document = document.ok_or("the role of the instance has no credentials")?;
            read(&document, SystemTime::now())
        })
    }

    /// The region the instance is in.
    pub(super) fn region(&self, metadata: MetadataClient<'_>) -> Result<String, String> {
        self.region.get(|| {
            let document = Imds { metadata }.get(IDENTITY, REGION_TIMEOUT)?;
            let document = document.ok_or("the instance has no identity document")?;
            let identity: Identity = serde_json::from_slice(&document)
                .map_err(|_| "the identity document of the instance names no region")?;
            Ok((identity.region, FOR_EVER))
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

/// Reads a document of credentials, and says how long they are good for. Its contents are in no error.
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
    let use_for = left.saturating_sub(RESERVE);
    let credentials = Credentials {
        access_key_id: part(document.access_key_id)?,
        secret_access_key: part(document.secret_access_key)?,
        session_token: Some(part(document.token)?),
    };
    Ok((credentials, use_for.clamp(SHORTEST_USE, MAX_USE)))
}

struct Imds<'a> {
    metadata: MetadataClient<'a>,
}

impl Imds<'_> {
    /// What is at `path`; none if the service says that there is nothing.
    fn get(&self, path: &str, patience: Patience) -> Result<Option<Vec<u8>>, String> {
        let outcome = self.metadata.patiently(patience, |left| {
            let token = match self.token(left) {
                Ok(token) => token,
                Err(cause) => return MetadataAttempt::Never(cause),
            };
            let header = [(
                "x-aws-ec2-metadata-token",
                token.as_deref().unwrap_or_default(),
            )];
            let url = format!("{ADDRESS}{path}");
            let question = Question::get(&url, left.min(ONE_QUESTION));
            let question = question.with(if token.is_some() { &header } else { &[] });
            match self.metadata.ask(&question) {
                Ok(reply) => match reply.status.as_u16() {
                    200 => MetadataAttempt::Done(Some(reply.body)),
                    404 => MetadataAttempt::Done(None),
                    // A token that is over, or none where one is needed; the next attempt brings a new one.
                    401 => MetadataAttempt::NotNow(format!("it answered {}", reply.status)),
                    code if code >= 500 || code == 429 => {
                        MetadataAttempt::NotNow(format!("it answered {}", reply.status))
                    }
                    _ => MetadataAttempt::Never(format!("it answered {}", reply.status)),
                },
                Err(cause) => MetadataAttempt::NotNow(cause),
            }
        });
        outcome.map_err(|cause| format!("the metadata service of the instance: {cause}"))
    }

    /// What version 2 of the service wants to see. Where it cannot be had, version 1 may do.
    fn token(&self, left: std::time::Duration) -> Result<Option<String>, String> {
        let url = format!("{ADDRESS}{TOKEN}");
        let question = Question {
            method: Method::PUT,
            headers: &[("x-aws-ec2-metadata-token-ttl-seconds", "300")],
            ..Question::get(&url, left.min(ONE_QUESTION))
        };
        let Ok(reply) = self.metadata.ask(&question) else {
            return Ok(None);
        };
        match reply.status.as_u16() {
            200 => Ok(String::from_utf8(reply.body).ok()),
            400 => Err(format!("it gives no token: {}", reply.status)),
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
            ("2026-01-01T00:01:00Z", SHORTEST_USE),
            ("2025-01-01T00:01:00Z", SHORTEST_USE),
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
