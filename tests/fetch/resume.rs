//! Downloads whose connection breaks in the middle.

use crate::common::server::{Seen, Server, Stream, announce, respond};
use crate::{assert_fails, fetch, impatient};
use kindling::config::digest::Digest;
use kindling::fetch::{FetchError, FetchSummary, Fetcher, Request, Silent};
use sha2::{Digest as _, Sha256};

const LENGTH: usize = 1000;

fn content() -> Vec<u8> {
    (0..LENGTH).map(|i| (i % 251) as u8).collect()
}

fn request(server: &Server) -> Request {
    Request::get(server.url("/x"))
}

fn with_digest(server: &Server) -> Request {
    let sum = Sha256::digest(content());
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    Request {
        digest: Some(Digest::parse(&format!("sha256-{hex}")).expect("a digest")),
        ..request(server)
    }
}

/// Announces the full length, but sends only this many bytes.
fn send_truncated(stream: &mut dyn Stream, headers: &str, bytes: usize) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n{headers}\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&content()[..bytes]);
    let _ = stream.flush();
}

/// Sends the requested range, but claims that it begins `shift` bytes later.
fn send_range(seen: &Seen, stream: &mut dyn Stream, shift: usize) {
    let range = seen.header("range").expect("a range is asked for");
    let start = range
        .strip_prefix("bytes=")
        .and_then(|r| r.strip_suffix('-'));
    let start: usize = start.expect("an open range").parse().expect("a number");
    let range = format!(
        "Content-Range: bytes {}-{}/{LENGTH}\r\n",
        start + shift,
        LENGTH - 1
    );
    respond(stream, "206 Partial Content", &range, &content()[start..]);
}

const WITH_RANGES: &str = "Accept-Ranges: bytes\r\nETag: \"one\"\r\n";

#[track_caller]
fn assert_complete(
    result: Result<(Vec<u8>, FetchSummary), FetchError>,
    server: &Server,
    requests: usize,
) {
    let (bytes, _) = result.expect("the whole");
    assert_eq!(bytes, content());
    assert_eq!(server.seen().len(), requests);
}

#[test]
fn with_a_digest_only_the_remainder_is_requested() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, WITH_RANGES, 400),
        2 => respond(stream, "503 Service Unavailable", "", b""),
        _ => send_range(seen, stream, 0),
    });
    assert_complete(fetch(&with_digest(&server)), &server, 3);
    let last = &server.seen()[2];
    assert_eq!(last.header("range"), Some("bytes=400-"));
    assert_eq!(last.header("if-range"), Some("\"one\""));
}

#[test]
fn weak_tags_are_not_used() {
    let headers = "Accept-Ranges: bytes\r\nETag: W/\"one\"\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n";
    let server = Server::start(move |seen, stream| match seen.number {
        1 => send_truncated(stream, headers, 400),
        _ => send_range(seen, stream, 0),
    });
    assert_complete(fetch(&with_digest(&server)), &server, 2);
    let date = Some("Thu, 01 Jan 2015 00:00:00 GMT");
    assert_eq!(server.seen()[1].header("if-range"), date);
}

#[test]
fn without_a_digest_everything_is_sent_again() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, WITH_RANGES, 400),
        2 => send_truncated(stream, WITH_RANGES, 300),
        _ => respond(stream, "200 OK", "", &content()),
    });
    assert_complete(fetch(&request(&server)), &server, 3);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.header("range").is_none()));
}

#[test]
fn no_range_is_requested_without_range_support() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, "", 400),
        _ => respond(stream, "200 OK", "", &content()),
    });
    assert_complete(fetch(&with_digest(&server)), &server, 2);
    assert_eq!(server.seen()[1].header("range"), None);
}

#[test]
fn a_server_may_answer_with_everything() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, WITH_RANGES, 400),
        _ => respond(stream, "200 OK", WITH_RANGES, &content()),
    });
    assert_complete(fetch(&with_digest(&server)), &server, 2);
}

#[test]
fn wrong_ranges_and_refusals_fall_back_to_the_full_body() {
    for refusal in ["another part", "416"] {
        let server = Server::start(move |seen, stream| match (seen.number, refusal) {
            (1, _) => send_truncated(stream, WITH_RANGES, 400),
            (2, "416") => respond(stream, "416 Range Not Satisfiable", "", b""),
            (2, _) => send_range(seen, stream, 7),
            _ => respond(stream, "200 OK", WITH_RANGES, &content()),
        });
        assert_complete(fetch(&with_digest(&server)), &server, 3);
        assert_eq!(server.seen()[2].header("range"), None, "{refusal}");
    }
}

/// Sends a part of what was requested, and says so.
fn send_part(stream: &mut dyn Stream, start: usize, end: usize, total: usize, headers: &str) {
    let headers = format!(
        "Content-Range: bytes {start}-{}/{total}\r\n{headers}",
        end - 1
    );
    let body = &content()[start..end];
    respond(stream, "206 Partial Content", &headers, body);
}

#[test]
fn a_range_that_ends_early_is_continued() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, WITH_RANGES, 400),
        2 => send_part(stream, 400, 600, LENGTH, ""),
        _ => send_range(seen, stream, 0),
    });
    assert_complete(fetch(&with_digest(&server)), &server, 3);
    assert_eq!(server.seen()[2].header("range"), Some("bytes=600-"));
}

#[test]
fn ranges_of_other_versions_are_not_appended() {
    for (total, tag) in [(LENGTH, "ETag: \"two\"\r\n"), (LENGTH + 1, WITH_RANGES)] {
        let server = Server::start(move |seen, stream| match seen.number {
            1 => send_truncated(stream, WITH_RANGES, 400),
            2 => send_part(stream, 400, LENGTH, total, tag),
            _ => respond(stream, "200 OK", WITH_RANGES, &content()),
        });
        assert_complete(fetch(&with_digest(&server)), &server, 3);
    }
}

#[test]
fn a_second_body_without_a_length_has_to_be_complete() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, "", 400),
        2 => {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
            let _ = stream.write_all(&content()[..700]);
        }
        _ => respond(stream, "200 OK", "", &content()),
    });
    assert_complete(fetch(&request(&server)), &server, 3);
}

#[test]
fn changed_content_is_not_appended() {
    for bytes in [LENGTH, 100] {
        let server = Server::start(move |seen, stream| match seen.number {
            1 => send_truncated(stream, "", 400),
            _ => respond(stream, "200 OK", "", &vec![b'x'; bytes]),
        });
        let result = fetch(&request(&server));
        assert!(matches!(result, Err(FetchError::Body { .. })), "{result:?}");
        assert_fails(result, &["/x was cut off: ", "the content had changed"]);
    }
}

#[test]
fn progress_resets_the_limit_of_connections() {
    let server = Server::start(|seen, stream| {
        let so_far = (seen.number * 100).min(LENGTH);
        match so_far < LENGTH {
            true => send_truncated(stream, "", so_far),
            false => respond(stream, "200 OK", "", &content()),
        }
    });
    let (bytes, fetched) = fetch(&request(&server)).expect("the whole");
    assert_eq!((bytes, fetched.bytes), (content(), LENGTH as u64));
    assert_eq!(server.seen().len(), 10);
}

#[test]
fn connections_without_progress_end_the_fetch() {
    let server = Server::start(|_, stream| send_truncated(stream, WITH_RANGES, 400));
    let text = assert_fails(
        fetch(&request(&server)),
        &["/x was cut off: ", "announced 1000 bytes, 400 came"],
    );
    assert!(!text.contains("decode"), "{text}");
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn the_total_limit_applies_to_all_connections() {
    let server = Server::start(|seen, stream| match seen.number {
        1 => send_truncated(stream, "", 400),
        _ => respond(
            stream,
            "500 Internal Server Error",
            "Retry-After: 9\r\n",
            b"",
        ),
    });
    let result = Fetcher::new(impatient()).fetch_to_vec(&request(&server), &Silent);
    assert!(
        matches!(result, Err(FetchError::OutOfTime { .. })),
        "{result:?}"
    );
    assert_fails(result, &["gave up after 3 s", "(400 bytes so far)"]);
}

#[test]
fn an_empty_body_is_complete() {
    let server = Server::start(|_, stream| announce(stream, 0));
    assert_eq!(fetch(&request(&server)).expect("no bytes").0, b"");
}
