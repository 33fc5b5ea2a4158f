//! Amazon's Signature Version 4.
//!
//! Implemented here because only one form of it is needed (a request without a body, signed in its headers), which is
//! two pages on top of HMAC; the libraries for it pull in a date library, an XML reader and an asynchronous framework.

use crate::text::hex;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use sha2::{Digest, Sha256};
use std::time::SystemTime;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";
/// SHA-256 of an empty body.
const EMPTY_BODY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// AWS credentials. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Identifies the key; not secret.
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Required for the temporary key of a role.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// Headers that sign a request without a body.
pub(super) fn sign(
    method: &Method,
    url: &Url,
    region: &str,
    credentials: &Credentials,
    at: SystemTime,
) -> HeaderMap {
    let time = timestamp(at);
    let mut signed = vec![
        ("host", host(url)),
        ("x-amz-content-sha256", EMPTY_BODY_SHA256.into()),
        ("x-amz-date", time.clone()),
    ];
    signed.extend(
        credentials
            .session_token
            .clone()
            .map(|token| ("x-amz-security-token", token)),
    );
    let scope = format!("{}/{region}/{SERVICE}/aws4_request", &time[..8]);
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = canonical(method, url, &signed, &names);
    let text = format!(
        "{ALGORITHM}\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let signature = hex(&hmac(&key(credentials, &scope), &text));
    let id = &credentials.access_key_id;
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in signed.iter().filter(|(name, _)| *name != "host") {
        headers.extend(header(HeaderName::from_static(name), value));
    }
    headers.extend(header(AUTHORIZATION, &authorization));
    headers
}

fn header(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// The canonical request. Its path is the one that is sent.
fn canonical(method: &Method, url: &Url, signed: &[(&str, String)], names: &str) -> String {
    let mut parameters: Vec<&str> = url.query().unwrap_or_default().split('&').collect();
    parameters.sort_unstable();
    let query = parameters.join("&");
    let headers: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let path = url.path();
    let body = EMPTY_BODY_SHA256;
    format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{body}")
}

/// The signing key for a day, a region and a service.
fn key(credentials: &Credentials, scope: &str) -> Vec<u8> {
    let first = format!("AWS4{}", credentials.secret_access_key).into_bytes();
    scope.split('/').fold(first, |key, part| hmac(&key, part))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // Any key length is valid.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The `Host` header as the client sends it: with a port only if it is not the default.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.into(),
    }
}

/// `20130524T000000Z`
fn timestamp(at: SystemTime) -> String {
    let text = crate::text::time::rfc3339(at);
    text.replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// From the examples in Amazon's documentation, like the signatures.
    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        }
    }

    fn may_2013() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600)
    }

    fn signature(url: &str, credentials: &Credentials) -> (String, HeaderMap) {
        let url = Url::parse(url).expect("a URL");
        let headers = sign(&Method::GET, &url, "us-east-1", credentials, may_2013());
        let text = headers[AUTHORIZATION].to_str().expect("text").to_owned();
        let (_, signature) = text.split_once("Signature=").expect("a signature");
        (signature.into(), headers)
    }

    #[test]
    fn published_values() {
        let cases = [
            (
                "https://examplebucket.s3.amazonaws.com/?lifecycle=",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(signature(url, &credentials()).0, expected, "{url}");
        }
        let scope = "20120215/us-east-1/iam/aws4_request";
        let example = Credentials {
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            ..credentials()
        };
        let expected = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
        assert_eq!(hex(&key(&example, scope)), expected);
    }

    #[test]
    fn signed_headers_of_a_request() {
        let role = Credentials {
            session_token: Some("t0ken".into()),
            ..credentials()
        };
        let (_, headers) = signature("https://b.s3.amazonaws.com/k", &role);
        let authorization = headers[AUTHORIZATION].to_str().expect("text");
        let start = "AWS4-HMAC-SHA256 \
            Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
            SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=";
        assert!(authorization.starts_with(start), "{authorization}");
        assert_eq!(headers["x-amz-security-token"], "t0ken");
        assert_eq!(headers["x-amz-date"], "20130524T000000Z");
        assert_eq!(headers["x-amz-content-sha256"], hex(&Sha256::digest("")));
        assert!(!format!("{headers:?}{role:?}").contains("t0ken"));
    }
}
