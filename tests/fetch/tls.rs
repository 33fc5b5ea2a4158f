//! HTTPS and certificate authorities.

use crate::certificates::{
    Authority, EXPIRED, NOT_YET_VALID, OTHER, OTHER_NAME, TRUSTED, data_url,
};
use crate::common::server::{Accept, Server, respond};
use crate::{assert_fails, impatient, settings};
use kindling::config::Config;
use kindling::config::digest::Digest;
use kindling::config::model::{Resource, Verification};
use kindling::fetch::{CertificateError, FetchError, Fetcher, Request, Settings, Silent};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

fn secure() -> Server {
    Server::accepting(TRUSTED.accept(), |_, stream| {
        respond(stream, "200 OK", "", b"abc")
    })
}

fn url(server: &Server) -> String {
    format!("https://localhost:{}/x", server.address.port())
}

fn trusting(resources: Vec<Resource>) -> Config {
    let mut config = Config::default();
    config.ignition.security.tls.certificate_authorities = resources;
    config
}

fn resource(source: impl Into<String>) -> Resource {
    Resource {
        source: Some(source.into().into()),
        ..Resource::default()
    }
}

fn configured(settings: Settings, resources: Vec<Resource>) -> Result<Fetcher, CertificateError> {
    Fetcher::new(settings).configured(&trusting(resources), &Silent)
}

#[test]
fn the_authority_of_a_config_is_trusted() {
    let server = secure();
    let bundle = |text: &str| String::from_utf8_lossy(&TRUSTED.bundle).into_owned() + text;
    let good = [
        TRUSTED.data_url(),
        data_url(bundle("\n\n# a comment after the last certificate\n").as_bytes()),
        data_url(format!("# before\n{}", bundle("")).as_bytes()),
        data_url(bundle("").replace('\n', "\r\n").as_bytes()),
        data_url(&[OTHER.bundle.as_slice(), TRUSTED.bundle.as_slice()].concat()),
    ];
    for source in good {
        let fetcher = configured(settings(), vec![resource(&source)]).expect("a good bundle");
        let fetched = fetcher.fetch_to_vec(&Request::get(url(&server)), &Silent);
        assert_eq!(fetched.expect("a trusted server").0, b"abc", "{source}");
    }
}

#[test]
fn bundles_may_come_from_the_network_and_from_each_other() {
    let bundle = TRUSTED.bundle.clone();
    let plain = Server::start(move |_, stream| respond(stream, "200 OK", "", &bundle));
    let entries = vec![resource(plain.url("/ca")), resource(OTHER.data_url())];
    let first = Fetcher::new(settings());
    let fetcher = first
        .configured(&trusting(entries.clone()), &Silent)
        .expect("good bundles");
    let server = secure();
    assert!(
        fetcher
            .fetch_to_vec(&Request::get(url(&server)), &Silent)
            .is_ok()
    );
    // Configured again, as for each further config, the bundle is not fetched again.
    let fetcher = fetcher
        .configured(&trusting(entries), &Silent)
        .expect("good bundles");
    assert!(
        fetcher
            .fetch_to_vec(&Request::get(url(&server)), &Silent)
            .is_ok()
    );
    assert_eq!(plain.seen().len(), 1);

    // A bundle from a server that is only trusted with this bundle.
    let bundle = TRUSTED.bundle.clone();
    let own = Server::accepting(TRUSTED.accept(), move |_, s| {
        respond(s, "200 OK", "", &bundle)
    });
    let result = configured(settings(), vec![resource(url(&own))]);
    assert_fails(result, &["failed to fetch resource", "UnknownIssuer"]);
}

#[test]
fn without_its_authority_a_server_is_not_trusted() {
    let server = secure();
    let request = Request::get(url(&server));
    let strict = Fetcher::new(impatient());
    let other = configured(impatient(), vec![resource(OTHER.data_url())]);
    for fetcher in [strict, other.expect("a good bundle")] {
        let result = fetcher.fetch_to_vec(&request, &Silent);
        let remedy = result.as_ref().err().and_then(FetchError::remedy);
        assert!(
            remedy.is_some_and(|r| r.contains("certificateAuthorities")),
            "{remedy:?}"
        );
        assert_fails(
            result,
            &["invalid peer certificate: UnknownIssuer: it was issued by \"CN="],
        );
    }
    // An empty list removes the authorities of an earlier config.
    let trusting = configured(impatient(), vec![resource(TRUSTED.data_url())]);
    let reset = trusting
        .expect("a good bundle")
        .configured(&Config::default(), &Silent);
    let result = reset
        .expect("nothing to fetch")
        .fetch_to_vec(&request, &Silent);
    assert_fails(result, &["UnknownIssuer"]);
}

/// Long enough for the answer of a server on a busy machine.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn the_header_timeout_excludes_connecting() {
    let accept = TRUSTED.accept();
    let slow: Accept = Arc::new(move |tcp| {
        std::thread::sleep(HEADERS_TIMEOUT + Duration::from_millis(500));
        accept(tcp)
    });
    let server = Server::accepting(slow, |_, stream| respond(stream, "200 OK", "", b"abc"));
    let mut config = trusting(vec![resource(TRUSTED.data_url())]);
    config.ignition.timeouts.http_response_headers = Some(HEADERS_TIMEOUT.as_secs() as i64);
    let fetcher = Fetcher::new(settings())
        .configured(&config, &Silent)
        .expect("a good bundle");
    let (_, fetched) = fetcher
        .fetch_to_vec(&Request::get(url(&server)), &Silent)
        .expect("a body");
    assert_eq!(fetched.attempts, 1);
}

#[test]
fn invalid_bundles() {
    let pem = String::from_utf8_lossy(&TRUSTED.bundle).into_owned();
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &pem[..pem.len() / 2];
    let cases = [
        (
            "no certificate here".to_string(),
            "no PEM certificate in it",
        ),
        ("\n".to_string(), "no PEM certificate in it"),
        (format!("{pem}{key}"), "PrivateKey"),
        (format!("{pem}{junk}"), "certificate 2"),
        (cut.to_string(), "authorities from data:"),
    ];
    for (bundle, fragment) in cases {
        let entries = vec![
            resource(OTHER.data_url()),
            resource(data_url(bundle.as_bytes())),
        ];
        let result = configured(settings(), entries);
        assert_eq!(
            result.as_ref().err().map(|e| e.index),
            Some(1),
            "{fragment}"
        );
        let text = assert_fails(result, &["unable to decode PEM block", fragment]);
        assert!(!text.contains("BEGIN"), "{text}");
    }
    assert!(
        configured(settings(), vec![resource("data:,")]).is_ok(),
        "nothing adds nothing"
    );
}

#[test]
fn each_entry_of_one_source_has_its_own_digest() {
    let server = Server::fixed("200 OK", "", TRUSTED.bundle.clone());
    let verified = |hash: Option<String>| Resource {
        verification: Verification { hash },
        ..resource(server.url("/ca"))
    };
    let entries = vec![
        verified(None),
        verified(Some(format!("sha256-{}", "0".repeat(64)))),
    ];
    let result = configured(settings(), entries);
    assert_eq!(result.as_ref().err().map(|e| e.index), Some(1));
    assert_fails(result, &["hash verification failed"]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn offline_needs_bundles_in_the_config() {
    let offline = Fetcher::new(settings()).offline();
    assert!(
        offline
            .configured(&trusting(vec![resource(TRUSTED.data_url())]), &Silent)
            .is_ok()
    );
    let result = offline.configured(&trusting(vec![resource("http://h/ca")]), &Silent);
    assert!(result.is_err_and(|e| e.error.needs_network()));
}

/// The error and the remedy for a server with a certificate of this authority, which is trusted.
fn refusal(authority: &Authority) -> (String, &'static str) {
    let server = Server::accepting(authority.accept(), |_, stream| {
        respond(stream, "200 OK", "", b"abc")
    });
    let fetcher = configured(impatient(), vec![resource(authority.data_url())]);
    let result = fetcher
        .expect("a good bundle")
        .fetch_to_vec(&Request::get(url(&server)), &Silent);
    let error = result.expect_err("no trust");
    (error.to_string(), error.remedy().expect("a remedy"))
}

#[test]
fn a_wrong_clock_is_reported() {
    let today = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let (day, _) = today.split_once('T').expect("a date");
    let clock = format!("the clock of this machine says {day}");
    let cases = [
        (
            &*NOT_YET_VALID,
            "NotValidYet: the certificate is valid from 2190-01-01T00:00:00Z on",
        ),
        (
            &*EXPIRED,
            "Expired: the certificate was valid until 2016-01-01T00:00:00Z",
        ),
    ];
    for (authority, what) in cases {
        let (text, remedy) = refusal(authority);
        assert!(text.contains(what) && text.contains(&clock), "{text}");
        assert!(remedy.contains("set the clock of this machine"), "{remedy}");
    }
}

#[test]
fn a_certificate_for_another_name_is_reported() {
    let (text, remedy) = refusal(&OTHER_NAME);
    let what = "NotValidForName: the certificate is for ";
    assert!(
        text.contains(what) && text.contains("elsewhere.test"),
        "{text}"
    );
    assert!(text.contains("not for localhost"), "{text}");
    assert!(
        remedy.contains("use a name from the certificate"),
        "{remedy}"
    );
}

#[test]
fn the_missing_authority_is_named() {
    let server = secure();
    let result = Fetcher::new(impatient()).fetch_to_vec(&Request::get(url(&server)), &Silent);
    assert_fails(result, &["it was issued by \"CN=ours\""]);
}

/// The server closes the connection without `close_notify`.
#[test]
fn without_close_notify_a_length_or_digest_is_needed() {
    let server = Server::accepting(TRUSTED.accept(), |seen, stream| {
        let length = match seen.target.as_str() {
            "/length" => "Content-Length: 3\r\n",
            _ => "",
        };
        let answer = format!("HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\nabc");
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.flush();
    });
    let fetcher = configured(settings(), vec![resource(TRUSTED.data_url())]);
    let fetcher = fetcher.expect("a good bundle");
    let get = |path: &str, text: Option<&[u8]>| {
        let url = format!("https://localhost:{}{path}", server.address.port());
        let digest = text.map(|text| Digest::Sha256(Sha256::digest(text).into()));
        let request = Request {
            digest,
            ..Request::get(url)
        };
        let fetched = fetcher.fetch_to_vec(&request, &Silent);
        fetched.map(|(bytes, fetched)| (bytes, fetched.attempts))
    };
    let complete = Some((b"abc".to_vec(), 1));
    assert_eq!(get("/length", None).ok(), complete);
    assert_eq!(get("/open", Some(b"abc")).ok(), complete);
    assert_fails(get("/open", None), &["was cut off", "close_notify"]);
    assert_fails(get("/open", Some(b"abcd")), &["hash verification failed"]);
}
