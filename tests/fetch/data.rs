//! Sources that need no network: empty ones, `data:` URLs, and requests that are invalid.

use crate::{assert_fails, fetch, fetcher, get, gzip};
use kindling::config::digest::Digest;
use kindling::config::model::{HttpHeader, Resource, Verification};
use kindling::fetch::{FetchError, FetchSummary, Request, Silent};

const HELLO: &[u8] = b"hello spec\n";
const HELLO_GZIP: &str = "data:;base64,H4sIAAAAAAAC/8tIzcnJVyguSE3mAgDpFUvECwAAAA==";
const SHA256: &str = "sha256-0f430ed07ac54f37ca7ef9689191bf7b92072a721e8076b2c32096324536fadc";
const SHA256_OF_GZIP: &str =
    "sha256-c2b1d5fd2b4752a6058ecf3f676cdfac9e7d1fc2c911edcf9d0cc823c58dc61b";
const SHA512: &str = "sha512-4707144f6be31bba933eae23f6e843e23328e8a5e242858830174b38b907d8234\
                      edaf09548251a670daafcaaa1b76b7f07dff83afd36a3d08f13986c389e42a7";

fn digest(text: &str) -> Option<Digest> {
    Some(Digest::parse(text).expect("a digest"))
}

#[test]
fn oem_files() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("a b")).expect("made");
    std::fs::write(dir.path().join("a b/c"), HELLO).expect("written");
    let fetcher = fetcher().with_oem_dir(dir.path());
    let fetch = |url: &str| fetcher.fetch_to_vec(&Request::get(url), &Silent);
    for url in ["oem:///a%20b/c", "OEM:/a%20b/c", "oem:///../a%20b/./c"] {
        assert_eq!(fetch(url).expect(url).0, HELLO, "{url}");
    }
    let request = Request {
        digest: digest(SHA256),
        ..Request::get("oem:///a%20b/c")
    };
    fetcher.fetch_to_vec(&request, &Silent).expect("verified");
    let cases = [
        (
            "oem:///none",
            "failed to fetch resource: oem:///none: cannot open ",
        ),
        ("oem://host/a", "an oem URL has no host"),
        ("oem:a", "an oem URL has an absolute path"),
        ("oem:///a%20b", "is a directory"),
    ];
    for (url, want) in cases {
        let error = fetch(url).expect_err(url).to_string();
        assert!(error.contains(want), "{url}: {error}");
    }
    let offline = fetcher.clone().offline();
    let error = offline.fetch_to_vec(&Request::get("oem:///a%20b/c"), &Silent);
    assert!(error.expect_err("offline").needs_network());
}

#[test]
fn data_urls() {
    let cases: [(&str, &[u8]); 9] = [
        ("", b""),
        ("data:,", b""),
        ("data:,a%20b", b"a b"),
        ("data:,a+b", b"a+b"),
        ("data:,a?b&c", b"a?b&c"),
        ("data:;base64,aGk=", b"hi"),
        ("data:text/plain;charset=\"u;8\",x", b"x"),
        ("data:textual/odd,hi", b"hi"),
        ("data:x-foo/bar,hi", b"hi"),
    ];
    for (url, expected) in cases {
        for fetcher in [fetcher(), fetcher().offline()] {
            let (bytes, fetched) = fetcher
                .fetch_to_vec(&Request::get(url), &Silent)
                .expect(url);
            assert_eq!(bytes, expected, "{url}");
            assert_eq!(
                fetched,
                FetchSummary {
                    bytes: expected.len() as u64,
                    attempts: 1
                },
                "{url}"
            );
        }
    }
}

#[test]
fn errors_of_data_urls_do_not_quote_the_data() {
    let bad = [
        "data:;base64,aGVsbG8",
        "data:;base64;charset=utf-8,aGVsbG8=",
        "data:;BASE64,aGVsbG8=",
        "DATA:,hello",
        "data:text,hello",
        "data:font/woff2;base64,aGVsbG8=",
        "data:xml/foo,hello",
        "data:,{hello}",
        "data:,hello there",
        "data:,hello#y",
        "data:,hello100%",
        "data:;charset=,hello",
    ];
    for url in bad {
        let text = assert_fails(get(url), &["data URL"]);
        assert!(
            !text.contains("hello") && !text.contains("aGVs"),
            "{url}: {text}"
        );
    }
}

#[test]
fn digests_are_those_of_the_decompressed_bytes() {
    for expected in [
        SHA256,
        SHA512,
        &SHA256.to_uppercase().replace("SHA256", "sha256"),
    ] {
        let request = Request {
            digest: digest(expected),
            ..gzip(HELLO_GZIP)
        };
        assert_eq!(fetch(&request).expect(expected).0, HELLO, "{expected}");
    }
    let request = Request {
        digest: digest(SHA256_OF_GZIP),
        ..gzip(HELLO_GZIP)
    };
    let calculated = format!("calculated {} but expected ", &SHA256[7..]);
    assert_fails(
        fetch(&request),
        &[
            "hash verification failed (",
            &calculated,
            &SHA256_OF_GZIP[7..],
        ],
    );
    let request = Request {
        digest: digest(SHA256_OF_GZIP),
        ..Request::get(HELLO_GZIP)
    };
    assert!(
        fetch(&request).is_ok(),
        "the packed bytes are what was asked for"
    );
}

#[test]
fn decompression_errors() {
    let cases = [
        ("data:,", "the gzip data is truncated"),
        ("data:,plain%20text", "cannot decompress data:"),
        // `HELLO_GZIP` without its last four bytes.
        (
            "data:;base64,H4sIAAAAAAAC/8tIzcnJVyguSE3mAgDpFUvE",
            "the gzip data is truncated",
        ),
    ];
    for (url, fragment) in cases {
        assert_fails(fetch(&gzip(url)), &[fragment]);
    }
    // An empty source is zero bytes, regardless of its other settings.
    let request = Request {
        digest: digest(SHA256),
        ..gzip("")
    };
    assert_eq!(fetch(&request).expect("no bytes").0, b"");
}

#[test]
fn offline_nothing_is_sent() {
    for url in [
        "http://127.0.0.1:1/x?t=secret",
        "https://h/",
        "tftp://h/f",
        "s3://b/k",
        "gopher://h/",
    ] {
        let result = fetcher()
            .offline()
            .fetch_to_vec(&Request::get(url), &Silent);
        assert!(
            result.as_ref().is_err_and(FetchError::needs_network),
            "{url}: {result:?}"
        );
        let text = assert_fails(result, &["resource requires networking"]);
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn unsupported_schemes_are_named() {
    let cases = [
        ("gopher://h/?secret", "\"gopher\""),
        ("/just/a/path", "\"\""),
    ];
    for (url, scheme) in cases {
        let result = get(url);
        let is_unsupported = matches!(result, Err(FetchError::UnsupportedScheme { .. }));
        assert!(is_unsupported, "{url}: {result:?}");
        let text = assert_fails(result, &["unsupported source scheme", scheme]);
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn invalid_requests_fail_at_once() {
    let urls = [
        ("http:///x", "it has no host"),
        ("http:x", "it has no host"),
        ("http://:80/x", "it has no host"),
        ("http://h:99999/x", "port"),
        ("http://[::1/x", "host"),
        ("http://h/a\nb", "control character"),
    ];
    for (url, fragment) in urls {
        assert_fails(get(url), &["unable to parse url", fragment]);
    }
    for (name, value, fragment) in [
        ("a b", "v", "\"a b\""),
        ("", "v", "name"),
        ("x", "secret\nvalue", "control characters"),
    ] {
        let headers = vec![(name.into(), value.into())];
        let text = assert_fails(
            fetch(&Request {
                headers,
                ..Request::get("http://127.0.0.1:1/")
            }),
            &["unable to parse HTTP header", fragment],
        );
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn invalid_resources() {
    let resource = || Resource {
        source: Some("http://h/x".into()),
        ..Resource::default()
    };
    let header = |value: Option<&str>| Resource {
        http_headers: vec![HttpHeader {
            name: "X-A".into(),
            value: value.map(Into::into),
        }],
        ..resource()
    };
    let hash = |text: &str| Resource {
        verification: Verification {
            hash: Some(text.into()),
        },
        ..resource()
    };
    let cases = [
        (header(None), "unable to parse HTTP header \"X-A\""),
        (header(Some("")), "it has no value"),
        (hash("sha512"), "malformed hash specifier"),
        (hash("md5-00"), "unrecognized hash function"),
        (hash(&format!("sha256-{}", "z".repeat(64))), "hexadecimal"),
        (
            Resource {
                compression: Some("xz".into()),
                ..resource()
            },
            "invalid compression method \"xz\"",
        ),
    ];
    for (resource, fragment) in cases {
        assert_fails(Request::of(&resource), &[fragment, "http://h/x"]);
    }
    let request = Request::of(&Resource::default()).expect("absent is empty");
    assert_eq!(request, Request::get(""));
}

#[test]
fn memory_has_a_limit() {
    let limited = |limit| fetcher().fetch_bounded(&gzip(HELLO_GZIP), limit, &Silent);
    assert_eq!(limited(11).expect("exactly enough").0, HELLO);
    assert_fails(limited(10), &["data: is larger than 10 bytes"]);
}
