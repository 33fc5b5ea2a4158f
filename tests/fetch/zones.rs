//! IPv6 addresses with a zone: `[fe80::1%25eth0]`.

use crate::common::server::{Server, respond};
use crate::openssl::Certificates;
use crate::{assert_fails, fetch, get, impatient, settings};
use kindling::fetch::{FetchError, Fetcher, Request, Silent};

/// A server on the loopback interface, whose zone is valid with any address.
fn server(answer: &'static str) -> Server {
    Server::listening("[::1]:0", move |seen, stream| match seen.target.as_str() {
        "/end" => respond(stream, "200 OK", "", b"abc"),
        _ => respond(stream, "302 Found", answer, b""),
    })
}

fn url_with_zone(server: &Server, zone: &str, path: &str) -> String {
    format!("http://[::1%25{zone}]:{}{path}", server.address.port())
}

#[test]
fn the_zone_is_not_sent() {
    let server = server("Location: /end\r\n");
    for zone in ["lo", "1", "l%6F"] {
        let got = get(url_with_zone(&server, zone, "/end"));
        assert_eq!(got.ok(), Some(b"abc".into()), "{zone}");
    }
    let got = get(url_with_zone(&server, "lo", "/start"));
    assert_eq!(got.ok(), Some(b"abc".into()), "redirected");
    let with_user = url_with_zone(&server, "lo", "/end").replace("//", "//user:p%20w@");
    assert!(get(with_user).is_ok());
    let seen = server.seen();
    let host = format!("[::1]:{}", server.address.port());
    for request in &seen {
        assert_eq!(request.header("host"), Some(&*host));
        assert!(!request.target.contains("25"), "{request:?}");
    }
    let last = seen.last().and_then(|seen| seen.header("authorization"));
    assert_eq!(last, Some("Basic dXNlcjpwIHc="));
}

#[test]
fn a_redirect_may_name_a_zone() {
    let end = server("");
    let location = url_with_zone(&end, "lo", "/end");
    let start = Server::start(move |_, stream| {
        respond(
            stream,
            "302 Found",
            &format!("Location: {location}\r\n"),
            b"",
        );
    });
    assert_eq!(get(start.url("/x")).ok(), Some(b"abc".into()));
}

#[test]
fn an_interface_may_appear_late() {
    let server = server("");
    let request = Request::get(url_with_zone(&server, "nowhere0", "/end"));
    let result = Fetcher::new(impatient()).fetch_to_vec(&request, &Silent);
    assert!(
        matches!(result, Err(FetchError::OutOfTime { .. })),
        "{result:?}"
    );
    assert_fails(result, &["nowhere0", "no network interface"]);
    assert!(fetch(&request_for(&server)).is_ok());
}

fn request_for(server: &Server) -> Request {
    Request::get(url_with_zone(server, "lo", "/end"))
}

#[test]
fn certificates_are_for_the_address() {
    let certificates = Certificates::new();
    for (name, is_right) in [("IP:::1", true), ("IP:::2", false)] {
        let own = format!("-newkey rsa:2048 -addext subjectAltName={name}");
        certificates.self_signed("own", &own);
        let fetcher = certificates.trusting(&["own"], settings());
        let server = certificates.serve_at("[::1]:0", "own", "");
        let url = format!("https://[::1%25lo]:{}/answer", server.port);
        let got = fetcher.fetch_to_vec(&Request::get(url), &Silent);
        match is_right {
            true => assert_eq!(got.expect("a body").0, b"abc"),
            false => {
                assert!(matches!(got, Err(FetchError::Tls { .. })), "{got:?}");
                assert_fails(got, &["NotValidForName"]);
            }
        }
    }
}
