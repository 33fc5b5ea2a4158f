//! Attempts, pauses and time limits.

use crate::common::server::{Server, announce, hang, respond};
use crate::{TOTAL, assert_fails, fetcher, impatient};
use kindling::config::Config;
use kindling::config::model::{Ignition, Timeouts};
use kindling::fetch::{
    FetchError, FetchEvent, FetchEvents, Fetcher, INTERACTIVE_TOTAL_TIMEOUT, Request, Settings,
    Silent,
};
use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl FetchEvents for Log {
    fn event(&self, event: FetchEvent<'_>) {
        self.0.borrow_mut().push(event.to_string());
    }
}

#[test]
fn server_errors_are_retried() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => respond(stream, "500 Internal Server Error", "", b"secret"),
        2 => respond(stream, "503 Service Unavailable", "", b"secret"),
        _ => respond(stream, "200 OK", "", b"abc"),
    });
    let log = Log::default();
    let request = Request::get(server.url("/x?t=secret"));
    let (bytes, fetched) = fetcher()
        .fetch_to_vec(&request, &log)
        .expect("the third answer");
    assert_eq!(
        (bytes.as_slice(), fetched.bytes, fetched.attempts),
        (&b"abc"[..], 3, 3)
    );
    let shown = server.url("/x?t=…");
    let expected = [
        format!("GET {shown}: attempt #1"),
        "GET result: Internal Server Error".into(),
        "GET error: the server answered 500 Internal Server Error".into(),
        format!("GET {shown}: attempt #2"),
        "GET result: Service Unavailable".into(),
        "GET error: the server answered 503 Service Unavailable".into(),
        format!("GET {shown}: attempt #3"),
        "GET result: OK".into(),
        "GET announces 3 bytes".into(),
        "GET received 3 bytes".into(),
    ];
    // The length of a pause is random.
    let log = log.0.take();
    let lines = log
        .iter()
        .map(|line| line.split("; next attempt in").next());
    let lines: Vec<&str> = lines.flatten().collect();
    assert_eq!(lines, expected);
}

#[test]
fn connections_that_break_before_the_response_are_retried() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => {}
        2 => drop(stream.write_all(b"not http\r\n\r\n")),
        _ => respond(stream, "200 OK", "", b"abc"),
    });
    let request = Request::get(server.url("/x"));
    let (bytes, fetched) = fetcher()
        .fetch_to_vec(&request, &Silent)
        .expect("the third answer");
    assert_eq!((bytes.as_slice(), fetched.attempts), (&b"abc"[..], 3));
}

/// Fetches with the total limit, and asserts that the error counts the attempts that the server saw.
#[track_caller]
fn assert_out_of_time(server: &Server, settings: Settings, last: &str) {
    let result = Fetcher::new(settings).fetch_to_vec(&Request::get(server.url("/x")), &Silent);
    let Err(FetchError::OutOfTime {
        attempts, limit, ..
    }) = &result
    else {
        panic!("{result:?}");
    };
    assert_eq!((*attempts as usize, *limit), (server.seen().len(), TOTAL));
    let tried = format!("{attempts} attempt(s)");
    let gave_up = "unable to fetch resource in time: GET http://";
    assert_fails(result, &[gave_up, "gave up after", "3 s", &tried, last]);
}

#[test]
fn a_retry_after_beyond_the_limit_fails_at_once() {
    let server = Server::fixed("503 Service Unavailable", "Retry-After: 301\r\n", "");
    let begin = Instant::now();
    let limit = Duration::from_secs(240);
    let settings = Settings {
        total: Some(limit),
        ..impatient()
    };
    let request = Request::get(server.url("/x"));
    let result = Fetcher::new(settings).fetch_to_vec(&request, &Silent);
    assert!(begin.elapsed() < limit);
    let cause = "gave up after 1 attempt(s), since the limit of 240 s leaves no time for another";
    assert_fails(result, &[cause, "last: the server answered 503"]);
}

#[test]
fn a_url_that_is_too_long_fails_at_once() {
    let server = Server::fixed("200 OK", "", "");
    let request = Request::get(server.url(&format!("/{}", "a".repeat(70_000))));
    let result = fetcher().fetch_to_vec(&request, &Silent);
    assert!(matches!(result, Err(FetchError::InvalidUrl { .. })));
    assert_fails(result, &["it may be too long"]);
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn the_total_limit_ends_a_fetch() {
    let failing = Server::fixed("502 Bad Gateway", "", "");
    assert_out_of_time(
        &failing,
        impatient(),
        "last: the server answered 502 Bad Gateway",
    );
    assert!(failing.seen().len() > 1, "{:?}", failing.seen());

    let silent = Server::start(|_, _| hang());
    assert_out_of_time(
        &silent,
        impatient(),
        "last: no answer before the total time limit",
    );

    let slow_headers = Settings {
        response_headers: Some(Duration::from_millis(250)),
        ..impatient()
    };
    let silent = Server::start(|_, _| hang());
    assert_out_of_time(
        &silent,
        slow_headers,
        "last: no response headers within 0.25 s",
    );
}

#[test]
fn the_total_limit_applies_to_the_body() {
    let dripping = Server::start(|_, stream| {
        announce(stream, 1_000_000);
        while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let stuck = Server::start(|_, stream| {
        announce(stream, 10);
        hang();
    });
    assert_out_of_time(
        &dripping,
        impatient(),
        "last: the body was still being received (",
    );
    assert_out_of_time(
        &stuck,
        impatient(),
        "last: the body was still being received (0 bytes so far)",
    );
}

#[test]
fn the_header_limit_does_not_apply_to_the_body() {
    let server = Server::start(|_, stream| {
        announce(stream, 3);
        for byte in b"abc" {
            std::thread::sleep(Duration::from_millis(800));
            let _ = stream.write_all(&[*byte]).and_then(|()| stream.flush());
        }
    });
    let settings = Settings {
        response_headers: Some(Duration::from_secs(2)),
        ..impatient()
    };
    let settings = Settings {
        total: Some(Duration::from_secs(60)),
        ..settings
    };
    let request = Request::get(server.url("/x"));
    let (bytes, _) = Fetcher::new(settings)
        .fetch_to_vec(&request, &Silent)
        .expect("a slow body");
    assert_eq!(bytes, b"abc");
}

#[test]
fn unreachable_servers() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let fetcher = Fetcher::new(impatient());
    let refused = Request::get(format!("http://user:secret@127.0.0.1:{port}/x"));
    let text = assert_fails(
        fetcher.fetch_to_vec(&refused, &Silent),
        &["Connection refused"],
    );
    assert!(!text.contains("secret"), "{text}");
    let unknown = Request::get("http://no-such-host.invalid/x");
    assert_fails(
        fetcher.fetch_to_vec(&unknown, &Silent),
        &[
            "unable to fetch resource in time",
            "no-such-host.invalid/x",
            "last: ",
        ],
    );
}

#[test]
fn a_fetch_without_limit_can_be_cancelled() {
    struct AfterTwo(Cell<u32>);
    impl FetchEvents for AfterTwo {
        fn event(&self, event: FetchEvent<'_>) {
            if let FetchEvent::Attempt { number, .. } = event {
                self.0.set(number);
            }
        }
        fn cancelled(&self) -> bool {
            self.0.get() == 2
        }
    }
    let server = Server::fixed("500 Internal Server Error", "", "");
    let request = Request::get(server.url("/x"));
    let result = Fetcher::default().fetch_to_vec(&request, &AfterTwo(Cell::new(0)));
    assert!(
        matches!(result, Err(FetchError::Cancelled { .. })),
        "{result:?}"
    );
    assert_fails(result, &["fetching http://", "/x was cancelled"]);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn limits_of_a_config() {
    let with = |http_response_headers, http_total| Config {
        ignition: Ignition {
            timeouts: Timeouts {
                http_response_headers,
                http_total,
            },
            ..Ignition::default()
        },
        ..Config::default()
    };
    let seconds = |s| Some(Duration::from_secs(s));
    let cases = [
        (with(None, None), seconds(10), seconds(120)),
        (with(Some(0), Some(0)), None, None),
        (with(Some(3), Some(7)), seconds(3), seconds(7)),
        (with(Some(-1), Some(-1)), None, None),
        (with(Some(i64::MAX), Some(i64::MAX)), None, None),
    ];
    for (config, headers, total) in cases {
        let settings = Settings::of(&config, Some(INTERACTIVE_TOTAL_TIMEOUT));
        assert_eq!(
            (settings.response_headers, settings.total),
            (headers, total)
        );
    }
    assert_eq!(Settings::of(&with(None, None), None).total, None);
    assert_eq!(Settings::interactive().total, seconds(120));
    let configured =
        Fetcher::new(Settings::interactive()).configured(&with(None, Some(9)), &Silent);
    let configured = configured.expect("nothing to fetch");
    assert_eq!(configured.settings().total, seconds(9));
    let again = configured
        .configured(&with(None, None), &Silent)
        .expect("nothing to fetch");
    assert_eq!(
        again.settings().total,
        seconds(120),
        "the fallback is not forgotten"
    );
}
