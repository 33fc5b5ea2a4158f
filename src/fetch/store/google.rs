//! What a machine of Google's says it may do: tokens of its service account.

use super::metadata::{ADDRESS, MetadataAttempt, MetadataClient, Patience};
use super::ttl_cache::TtlCache;
use crate::fetch::FetchEvents;
use crate::fetch::http::{Http, Question, ask};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread::Builder;
use std::time::Duration;

const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default/";
const TOKEN_QUERY: &str =
    "token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_only";
/// The service wants to see that it is meant, and says that it is the one.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");
/// Its name, from the root, so that no search list makes another of it.
const NAME: &str = "metadata.google.internal.:80";
const OWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const PRODUCT_NAME: &str = "/sys/class/dmi/id/product_name";

const PROBE: Duration = Duration::from_secs(5);
const ONE_QUESTION: Duration = Duration::from_secs(5);
const TIMEOUT: Patience = Patience {
    attempts: 6,
    first_pause: Duration::from_millis(200),
    longest_pause: Duration::from_secs(5),
    total: Duration::from_secs(60),
};
/// A token is renewed so long before it is over.
const RESERVE: Duration = Duration::from_secs(225);
const FOR_EVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the service said.
#[derive(Debug, Default)]
pub(super) struct Google {
    account: TtlCache<Account>,
    token: TtlCache<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    Default,
    /// This is not a machine of Google's, or one without.
    None,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

impl Google {
    /// The value of the header that opens the store; none for a machine that has to ask anonymously.
    pub(super) fn authorization(
        &self,
        http: &Arc<Http>,
        events: &dyn FetchEvents,
    ) -> Result<Option<String>, String> {
        let metadata = MetadataClient { http, events };
        let account = self
            .account
            .get(|| Ok((account(http, metadata), FOR_EVER)))?;
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

/// Reads a token. It is in no error.
fn read(document: &[u8]) -> Result<(String, Duration), String> {
    let bad = || String::from("the metadata service sent a malformed token");
    let token: Token = serde_json::from_slice(document).map_err(|_| bad())?;
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !visible(&token.access_token) || !visible(&token.token_type) {
        return Err(bad());
    }
    let holds = Duration::from_secs(token.expires_in).saturating_sub(RESERVE);
    let value = format!("{} {}", token.token_type, token.access_token);
    Ok((value, holds.min(FOR_EVER)))
}

fn get(metadata: MetadataClient<'_>, what: &str) -> Result<Vec<u8>, String> {
    let outcome = metadata.patiently(TIMEOUT, |left| {
        let url = format!("{ADDRESS}{ACCOUNT}{what}");
        let question = Question::get(&url, left.min(ONE_QUESTION)).with(&[FLAVOR]);
        match metadata.ask(&question) {
            Err(cause) => MetadataAttempt::NotNow(cause),
            Ok(reply) => match reply.status.as_u16() {
                200 => MetadataAttempt::Done(reply.body),
                code if code >= 500 || code == 429 => {
                    MetadataAttempt::NotNow(format!("it answered {}", reply.status))
                }
                _ => MetadataAttempt::Never(format!("it answered {}", reply.status)),
            },
        }
    });
    outcome.map_err(|cause| format!("the metadata service: {cause}"))
}

/// True for a machine of Google's. Where the firmware says so, that is it, even if the network is still missing;
/// elsewhere service and name are looked for at once, and the first answer decides.
fn is_google(http: &Arc<Http>) -> bool {
    if firmware_is_google() {
        return true;
    }
    let (sender, answers) = mpsc::channel();
    let own = sender.clone();
    let http = Arc::clone(http);
    // A question that cannot be asked has no answer.
    let _ = Builder::new().spawn(move || own.send(answers_as_google(&http)));
    let _ = Builder::new().spawn(move || sender.send(has_name()));
    answers.recv_timeout(PROBE).unwrap_or(false)
}

fn answers_as_google(http: &Http) -> bool {
    let question = Question::get(ADDRESS, PROBE);
    let (name, value) = FLAVOR;
    ask(http, &question).is_ok_and(|reply| {
        reply
            .headers
            .get(name)
            .is_some_and(|flavor| flavor == value)
    })
}

fn has_name() -> bool {
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
