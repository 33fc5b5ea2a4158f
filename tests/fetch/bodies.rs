//! Responses and bodies, valid and invalid.

use crate::common::gzip::gzipped;
use crate::common::server::{Server, announce, respond};
use crate::{assert_fails, fetch, fetcher, get, gzip};
use kindling::config::digest::Digest;
use kindling::fetch::{FetchError, Request, Silent, USER_AGENT};
use std::io::{self, Write};

#[test]
fn bodies_are_complete() {
    let chunked = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let _ = stream.write_all(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    });
    let until_close = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nabcde");
    });
    let cases: [(Server, &[u8]); 6] = [
        (Server::fixed("200 OK", "", "abcde"), b"abcde"),
        (Server::fixed("200 OK", "", ""), b""),
        (chunked, b"abcde"),
        (until_close, b"abcde"),
        // We requested identity; a server that compresses anyway means the compressed bytes.
        (
            Server::fixed("200 OK", "Content-Encoding: gzip\r\n", "abcde"),
            b"abcde",
        ),
        (
            Server::start(|_, s| {
                let _ = s.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            }),
            b"",
        ),
    ];
    for (i, (server, body)) in cases.into_iter().enumerate() {
        assert_eq!(
            get(server.url("/x")).unwrap_or_else(|e| panic!("{i}: {e}")),
            body,
            "{i}"
        );
        assert_eq!(server.seen().len(), 1, "{i}");
    }
}

#[test]
fn gzip_bodies() {
    let two = [gzipped(b"one, "), gzipped(b"two")].concat();
    let garbage = [gzipped(b"one"), b"garbage".to_vec()].concat();
    let mut bad_sum = gzipped(b"one");
    let length = bad_sum.len();
    bad_sum[length - 6] ^= 1;
    let half = gzipped(b"some bytes that are cut")[..20].to_vec();
    let good: [(Vec<u8>, &[u8]); 3] = [
        (gzipped(b"one"), b"one"),
        (two, b"one, two"),
        (gzipped(b""), b""),
    ];
    for (body, expected) in good {
        let server = Server::fixed("200 OK", "", body);
        assert_eq!(fetch(&gzip(server.url("/x"))).expect("gzip").0, expected);
    }
    let bad = [
        (garbage, "cannot decompress http://"),
        (bad_sum, "cannot decompress http://"),
        (half, "the gzip data is truncated"),
        (Vec::new(), "the gzip data is truncated"),
        (b"not packed at all".to_vec(), "cannot decompress http://"),
    ];
    for (body, fragment) in bad {
        let server = Server::fixed("200 OK", "", body);
        let result = fetch(&gzip(server.url("/x")));
        assert!(matches!(result, Err(FetchError::Gzip { .. })), "{result:?}");
        assert_fails(result, &[fragment, "/x: "]);
        assert_eq!(server.seen().len(), 1, "no second attempt");
    }
}

#[test]
fn digests_of_bodies() {
    let right = "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let wrong = format!("sha512-{}", "AB".repeat(64));
    let server = Server::fixed("200 OK", "", "abc");
    let request = |digest: &str| Request {
        digest: Some(Digest::parse(digest).expect("a digest")),
        ..Request::get(server.url("/x"))
    };
    assert_eq!(
        fetch(&request(right)).expect("the digest is right").0,
        b"abc"
    );
    let expected = format!("but expected {})", "ab".repeat(64));
    assert_fails(
        fetch(&request(&wrong)),
        &[
            "hash verification failed (calculated ddaf35a193617abacc417349ae204131",
            &expected,
        ],
    );
    assert_eq!(
        server.seen().len(),
        2,
        "a wrong digest is no reason for another attempt"
    );
}

#[test]
fn final_statuses() {
    let cases = [
        ("404 Not Found", "resource not found: GET http://"),
        ("403 Forbidden", "failed to fetch resource: GET http://"),
        ("401 Unauthorized", "401 Unauthorized"),
        ("429 Too Many Requests", "429 Too Many Requests"),
        ("201 Created", "failed to fetch resource"),
        ("206 Partial Content", "206 Partial Content"),
        ("304 Not Modified", "304 Not Modified"),
        ("302 Found", "302 Found"),
    ];
    for (status, fragment) in cases {
        let server = Server::fixed(status, "", "secret body");
        let result = get(server.url("/x?token=secret"));
        let not_found = matches!(result, Err(FetchError::NotFound { .. }));
        assert_eq!(not_found, status.starts_with("404"), "{status}");
        let text = assert_fails(result, &[fragment, "/x?token=…"]);
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(server.seen().len(), 1, "{status}: no second attempt");
    }
}

#[test]
fn bodies_that_are_always_truncated_are_failures() {
    let cut = Server::start(|_, stream| {
        announce(stream, 1000);
        let _ = stream.write_all(&[b'x'; 400]);
    });
    let chunked = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let _ = stream.write_all(b"3\r\nabc\r\n5\r\nde");
    });
    let cut_off = ["/x was cut off: ", "announced 1000 bytes, 400 came"];
    assert_fails(get(cut.url("/x")), &cut_off);
    assert_fails(
        get(chunked.url("/x")),
        &["/x was cut off: the connection broke after "],
    );
    // Data that is not gzip is detected before the body ends.
    assert_fails(fetch(&gzip(cut.url("/x"))), &["cannot decompress"]);
    // With compression, the error still blames the transport.
    let packed_cut = Server::start(|_, stream| {
        announce(stream, 1000);
        let _ = stream.write_all(&gzipped([b'x'; 400])[..15]);
    });
    let result = fetch(&gzip(packed_cut.url("/x")));
    assert_fails(result, &["the server announced 1000 bytes, 15 came"]);
    assert_eq!(
        (
            cut.seen().len(),
            chunked.seen().len(),
            packed_cut.seen().len()
        ),
        (5, 4, 4)
    );
}

#[test]
fn request_headers() {
    let server = Server::fixed("200 OK", "", "");
    fetch(&Request::get(server.url("/a%20b?q=%41#fragment"))).expect("a plain request");
    let header = |n: &str, v: &str| (n.to_string(), v.to_string());
    let headers = vec![
        header("X-Token", "  one "),
        header("x-token", "two"),
        header("USER-AGENT", "mine"),
        header("Accept-Encoding", "gzip"),
        header("Host", "elsewhere.test"),
        header("Content-Length", "7"),
        header("Transfer-Encoding", "chunked"),
        header("Trailer", "X"),
    ];
    fetch(&Request {
        headers,
        ..Request::get(server.url("/b"))
    })
    .expect("a decorated request");
    let credentials = server.url("/c").replace("//", "//user:pa%20ss@");
    fetch(&Request::get(credentials)).expect("a request with user info");

    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/a%20b?q=%41")
    );
    let accept = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";
    assert_eq!(seen[0].header("accept"), Some(accept));
    assert_eq!(seen[0].header("user-agent"), Some(USER_AGENT));
    assert!(USER_AGENT.starts_with("Ignition/"));
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
    assert_eq!(
        seen[0].header("host"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(seen[0].headers.len(), 4, "{:?}", seen[0].headers);

    assert_eq!(seen[1].header("x-token"), Some("two"));
    assert_eq!(seen[1].header("user-agent"), Some("mine"));
    assert_eq!(seen[1].header("accept-encoding"), Some("gzip"));
    assert_eq!(
        seen[1].header("host"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(seen[1].headers.len(), 5, "{:?}", seen[1].headers);
    assert_eq!(
        seen[2].header("authorization"),
        Some("Basic dXNlcjpwYSBzcw==")
    );
}

#[test]
fn a_full_destination_is_not_the_servers_fault() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let server = Server::fixed("200 OK", "", "abc");
    let request = Request::get(server.url("/x"));
    let result = fetcher().fetch(&request, &mut Full, &Silent);
    assert!(matches!(result, Err(FetchError::Sink { .. })), "{result:?}");
    assert_fails(
        result,
        &["cannot write what came from http://", "no storage space"],
    );
}

#[test]
fn many_threads_share_a_fetcher() {
    let server = Server::start(|seen, stream| {
        respond(stream, "200 OK", "", seen.target.repeat(20_000).as_bytes());
    });
    let fetcher = fetcher();
    std::thread::scope(|scope| {
        for i in 0..16 {
            let (fetcher, url) = (&fetcher, server.url(&format!("/{i}")));
            scope.spawn(move || {
                let (bytes, _) = fetcher
                    .fetch_to_vec(&Request::get(url), &Silent)
                    .expect("a body");
                assert_eq!(bytes, format!("/{i}").repeat(20_000).as_bytes());
            });
        }
    });
}
