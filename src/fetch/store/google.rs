//! Access tokens of the service account of a machine in Google Cloud.

use super::metadata::{ADDRESS, MetadataAttempt, MetadataClient, RetryLimits};
use super::ttl_cache::TtlCache;
use crate::fetch::FetchEvents;
use crate::fetch::http::{Http, OneShotRequest, send_once};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread::Builder;
use std::time::Duration;

const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default/";
const TOKEN_QUERY: &str =
    "token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_only";
/// The metadata service requires this header, and sends it back.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");
/// Its name, fully qualified, so that no search list applies.
const NAME: &str = "metadata.google.internal.:80";
const OWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const PRODUCT_NAME: &str = "/sys/class/dmi/id/product_name";

const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_LIMITS: RetryLimits = RetryLimits {
    attempts: 6,
    first_pause: Duration::from_millis(200),
    max_pause: Duration::from_secs(5),
    total: Duration::from_secs(60),
};
/// A token is renewed this long before it expires.
const RENEW_BEFORE: Duration = Duration::from_secs(225);
const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Cached answers of the metadata service.
#[derive(Debug, Default)]
pub(super) struct Google {
    account: TtlCache<Account>,
    token: TtlCache<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    Default,
    /// The machine is not in Google Cloud, or has no service account.
    None,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

impl Google {
    /// The value of the `Authorization` header; none if requests have to be anonymous.
    pub(super) fn authorization(
        &self,
        http: &Arc<Http>,
        events: &dyn FetchEvents,
    ) -> Result<Option<String>, String> {
        let metadata = MetadataClient { http, events };
        let account = self
            .account
            .get(|| Ok((account(http, metadata), MAX_LIFETIME)))?;
        match account {
            Account::None => Ok(None),
            Account::Default => self.token.get(|| token(metadata)).map(Some),
        }
    }
}

fn account(http: &Arc<Http>, metadata: MetadataClient<'_>) -> Account {
    match is_google(http) && get(metadata, "scopes").is_ok() {
        true => Account::Default,
        false => Account::None,
    }
}

fn token(metadata: MetadataClient<'_>) -> Result<(String, Duration), String> {
    let document = get(metadata, TOKEN_QUERY)?;
    read(&document)
}

/// Parses a token. Errors do not contain it.
fn read(document: &[u8]) -> Result<(String, Duration), String> {
    let bad = || String::from("the metadata service sent a malformed token");
    let token: Token = serde_json::from_slice(document).map_err(|_| bad())?;
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !visible(&token.access_token) || !visible(&token.token_type) {
        return Err(bad());
    }
    let lifetime = Duration::from_secs(token.expires_in).saturating_sub(RENEW_BEFORE);
    let value = format!("{} {}", token.token_type, token.access_token);
    Ok((value, lifetime.min(MAX_LIFETIME)))
}

fn get(metadata: MetadataClient<'_>, what: &str) -> Result<Vec<u8>, String> {
    let outcome = metadata.with_retries(RETRY_LIMITS, |left| {
        let url = format!("{ADDRESS}{ACCOUNT}{what}");
        let request = OneShotRequest::get(&url, left.min(REQUEST_TIMEOUT)).with_headers(&[FLAVOR]);
        match metadata.send(&request) {
            Err(cause) => MetadataAttempt::Retry(cause),
            Ok(response) => match response.status.as_u16() {
                200 => MetadataAttempt::Done(response.body),
                code if code >= 500 || code == 429 => {
                    MetadataAttempt::Retry(format!("it answered {}", response.status))
                }
                _ => MetadataAttempt::Fatal(format!("it answered {}", response.status)),
            },
        }
    });
    outcome.map_err(|cause| format!("the metadata service: {cause}"))
}

/// True for a machine in Google Cloud. If the firmware says so, that is enough, even while there is no network;
/// otherwise the service and its name are probed in parallel, and the first answer decides.
fn is_google(http: &Arc<Http>) -> bool {
    if firmware_is_google() {
        return true;
    }
    let (sender, answers) = mpsc::channel();
    let http_sender = sender.clone();
    let http = Arc::clone(http);
    // A thread that cannot be started sends no answer.
    let _ = Builder::new().spawn(move || http_sender.send(answers_as_google(&http)));
    let _ = Builder::new().spawn(move || sender.send(name_resolves()));
    answers.recv_timeout(PROBE_TIMEOUT).unwrap_or(false)
}

fn answers_as_google(http: &Http) -> bool {
    let request = OneShotRequest::get(ADDRESS, PROBE_TIMEOUT);
    let (name, value) = FLAVOR;
    send_once(http, &request).is_ok_and(|response| {
        response
            .headers
            .get(name)
            .is_some_and(|flavor| flavor == value)
    })
}

fn name_resolves() -> bool {
    let addresses = NAME.to_socket_addrs();
    addresses.is_ok_and(|mut all| all.any(|address| address.ip() == OWN_ADDRESS))
}

fn firmware_is_google() -> bool {
    let name = std::fs::read_to_string(PRODUCT_NAME).unwrap_or_default();
    matches!(name.trim(), "Google" | "Google Compute Engine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let good = br#"{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}"#;
        let expected = ("Bearer t0ken".to_owned(), Duration::from_secs(3375));
        assert_eq!(read(good), Ok(expected));
        let bad = [
            "",
            "{}",
            r#"{"access_token": "t0ken", "token_type": "Bearer"}"#,
            r#"{"access_token": "t0ken\n", "expires_in": 3600, "token_type": "Bearer"}"#,
            r#"{"access_token": "t0ken", "expires_in": -1, "token_type": "Bearer"}"#,
        ];
        for text in bad {
            let error = read(text.as_bytes()).expect_err(text);
            assert!(!error.contains("t0ken"), "{error}");
        }
    }
}
