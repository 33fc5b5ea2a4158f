//! Redirects: followed, counted, and never with the headers of a config.

use crate::certificates::TRUSTED;
use crate::common::server::{Seen, Server, Stream, respond};
use crate::{assert_fails, fetch, fetcher, get, impatient};
use kindling::config::Config;
use kindling::config::model::Resource;
use kindling::fetch::{FetchError, FetchEvent, FetchEvents, Fetcher, Request, Silent, USER_AGENT};
use std::cell::RefCell;

fn redirect(stream: &mut dyn Stream, status: &str, location: &str) {
    respond(
        stream,
        status,
        &format!("Location: {location}\r\n"),
        b"secret",
    );
}

#[test]
fn every_kind_is_followed_and_drops_user_headers() {
    let statuses = [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ];
    for status in statuses {
        let server = Server::start(move |seen, stream| match seen.target.as_str() {
            "/end?a=1" => respond(stream, "200 OK", "", b"abc"),
            _ => redirect(stream, status, "../end?a=1#part"),
        });
        let headers = vec![
            ("X-Token".into(), "t".into()),
            ("User-Agent".into(), "mine".into()),
        ];
        let url = server.url("/a/start").replace("//", "//user:pw@");
        let (bytes, fetched) = fetch(&Request {
            headers,
            ..Request::get(url)
        })
        .expect(status);
        assert_eq!(
            (bytes.as_slice(), fetched.attempts),
            (&b"abc"[..], 1),
            "{status}"
        );
        let seen = server.seen();
        assert_eq!(seen[0].header("x-token"), Some("t"));
        assert_eq!(seen[0].header("authorization"), Some("Basic dXNlcjpwdw=="));
        assert_eq!(seen[1].method, "GET");
        assert_eq!(seen[1].header("user-agent"), Some(USER_AGENT));
        assert_eq!(seen[1].header("accept"), Some("*/*"));
        assert_eq!(seen[1].header("accept-encoding"), Some("identity"));
        // User info is part of the URL, so a relative location inherits it.
        assert_eq!(seen[1].header("authorization"), Some("Basic dXNlcjpwdw=="));
        assert_eq!(seen[1].headers.len(), 5, "{status}: {:?}", seen[1].headers);
    }
}

/// Records events about redirects that lose TLS.
#[derive(Default)]
struct Downgrades(RefCell<Vec<String>>);

impl FetchEvents for Downgrades {
    fn event(&self, event: FetchEvent<'_>) {
        if let FetchEvent::Downgrade { .. } = event {
            self.0.borrow_mut().push(event.to_string());
        }
    }
}

#[test]
fn losing_tls_is_reported_once() {
    let plain = Server::start(|seen, stream| match seen.number {
        1 => respond(stream, "503 Service Unavailable", "", b""),
        _ => respond(stream, "200 OK", "", b"abc"),
    });
    let location = plain.url("/x?token=secret");
    let secure = Server::accepting(TRUSTED.accept(), move |_, stream| {
        redirect(stream, "302 Found", &location);
    });
    let mut config = Config::default();
    config.ignition.security.tls.certificate_authorities = vec![Resource {
        source: Some(TRUSTED.data_url().into()),
        ..Resource::default()
    }];
    let fetcher = fetcher()
        .configured(&config, &Silent)
        .expect("a good bundle");
    let url = format!("https://localhost:{}/a?key=hidden", secure.address.port());
    let reported = Downgrades::default();
    for _ in 0..2 {
        let got = fetcher.fetch_to_vec(&Request::get(&url), &reported);
        assert_eq!(got.expect("it is followed").0, b"abc");
    }
    let reported = reported.0.take();
    let (from, to) = (
        format!("https://localhost:{}/a?key=…", secure.address.port()),
        format!("redirects to http://{}/x?token=…", plain.address),
    );
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert!(
        reported[0].starts_with(&from) && reported[0].contains(&to),
        "{reported:?}"
    );
    let recorded = fetcher.downgrades();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert!(
        recorded[0].0 == from && recorded[0].1.starts_with(&to),
        "{recorded:?}"
    );
}

#[test]
fn across_servers() {
    let second = Server::fixed("200 OK", "", "abc");
    let url = second.url("/x");
    let first = Server::start(move |_, stream| redirect(stream, "302 Found", &url));
    let credentials = first.url("/y").replace("//", "//user:pw@");
    assert_eq!(get(credentials).expect("the second server"), b"abc");
    assert_eq!(
        first.seen()[0].header("authorization"),
        Some("Basic dXNlcjpwdw==")
    );
    assert_eq!(second.seen()[0].header("authorization"), None);
}

#[test]
fn errors_after_a_redirect_restart_at_the_first_url() {
    let server = Server::start(
        |seen: &Seen, stream| match (seen.target.as_str(), seen.number) {
            ("/start", _) => redirect(stream, "302 Found", "/end"),
            (_, 2) => respond(stream, "500 Internal Server Error", "", b""),
            _ => respond(stream, "200 OK", "", b"abc"),
        },
    );
    let (_, fetched) = fetch(&Request::get(server.url("/start"))).expect("the second attempt");
    assert_eq!(fetched.attempts, 2);
    let targets: Vec<String> = server.seen().into_iter().map(|s| s.target).collect();
    assert_eq!(targets, ["/start", "/end", "/start", "/end"]);
}

#[test]
fn not_found_after_a_redirect() {
    let server = Server::start(|seen: &Seen, stream| match seen.target.as_str() {
        "/start" => redirect(stream, "302 Found", "/end?token=secret"),
        _ => respond(stream, "404 Not Found", "", b""),
    });
    let text = assert_fails(get(server.url("/start")), &["resource not found", "/start"]);
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn more_than_twenty_redirects_fail() {
    let server = Server::start(|seen: &Seen, stream| {
        let number: usize = seen.target[1..].parse().expect("a number");
        match number {
            0 => respond(stream, "200 OK", "", b"abc"),
            n => redirect(stream, "302 Found", &format!("/{}", n - 1)),
        }
    });
    assert_eq!(get(server.url("/20")).expect("twenty redirects"), b"abc");
    let result = Fetcher::new(impatient()).fetch_to_vec(&Request::get(server.url("/21")), &Silent);
    assert_fails(result, &["in time", "last: more than 20 redirects"]);
}

#[test]
fn endless_redirects_and_invalid_locations_fail_the_attempt() {
    let cases = [
        ("/x", "more than 20 redirects"),
        (
            "file:///etc/shadow",
            "is neither http nor https but \"file\"",
        ),
        ("ftp://h/x", "is neither http nor https but \"ftp\""),
        ("data:,x", "is neither http nor https but \"data\""),
        ("http://[bad", "is not a URL"),
        ("/\u{fffd}\u{0}", "last: "),
    ];
    for (location, fragment) in cases {
        let server = Server::start(move |_, stream| redirect(stream, "302 Found", location));
        let request = Request::get(server.url("/x"));
        let result = Fetcher::new(impatient()).fetch_to_vec(&request, &Silent);
        let is_out_of_time = matches!(result, Err(FetchError::OutOfTime { .. }));
        assert!(is_out_of_time, "{location}: {result:?}");
        assert_fails(result, &["unable to fetch resource in time", fragment]);
    }
}

#[test]
fn a_redirect_does_not_get_around_offline() {
    let result = fetcher()
        .offline()
        .fetch_to_vec(&Request::get("http://127.0.0.1:1/"), &Silent);
    assert!(result.is_err_and(|e| e.needs_network()));
}
