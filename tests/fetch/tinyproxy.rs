//! Fetching through tinyproxy. Host names that only the proxy can resolve show who resolved them.

use crate::assert_fails;
use crate::common::run::KilledOnDrop;
use crate::common::server::{Server, respond};
use crate::http2::free_port;
use crate::proxies::{secure, through};
use kindling::config::model;
use kindling::fetch::{FetchError, Request, Silent};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long tinyproxy may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Runs tinyproxy in a mount namespace where `HOSTS` resolve to this machine.
const RUN: &str = "mount --bind \"$0/hosts\" /etc/hosts && exec tinyproxy -d -c \"$0/conf\"";
const HOSTS: &str = "127.0.0.1 localhost plain.test secure.test\n";

/// A proxy for `user` with the password `pass-word`, for plain requests and for tunnels to one port; stopped on drop.
struct Tinyproxy {
    _child: KilledOnDrop,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Tinyproxy {
    fn start(tunnel: u16) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        let port = free_port();
        let conf = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nAllow 127.0.0.1\n\
             BasicAuth user pass-word\nConnectPort {tunnel}\n"
        );
        std::fs::write(path.join("conf"), conf).expect("a written file");
        std::fs::write(path.join("hosts"), HOSTS).expect("a written file");
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", RUN])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare runs");
        let proxy = Tinyproxy {
            _child: KilledOnDrop(child),
            port,
            _directory: directory,
        };
        proxy.wait();
        proxy
    }

    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                start.elapsed() < START_TIMEOUT,
                "tinyproxy does not listen; install the Debian package `tinyproxy-bin`"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The config of this proxy for both schemes, with these credentials.
    fn proxy(&self, user: &str) -> model::Proxy {
        let url = Some(format!("http://{user}@127.0.0.1:{}", self.port));
        model::Proxy {
            http_proxy: url.clone(),
            https_proxy: url,
            no_proxy: Vec::new(),
        }
    }

    fn fetch(&self, user: &str, url: String) -> Result<Vec<u8>, FetchError> {
        let fetcher = through(self.proxy(user));
        Ok(fetcher.fetch_to_vec(&Request::get(url), &Silent)?.0)
    }
}

const VALID_CREDENTIALS: &str = "user:pass-word";
const INVALID_CREDENTIALS: &str = "user:not-the-word";

#[test]
fn plain_requests_pass() {
    let server = Server::start(|_, stream| respond(stream, "200 OK", "", b"behind the proxy"));
    let proxy = Tinyproxy::start(443);
    let url = format!("http://plain.test:{}/a%20b?c=d", server.address.port());
    assert_eq!(
        proxy.fetch(VALID_CREDENTIALS, url).expect("a file"),
        b"behind the proxy"
    );
    let seen = &server.seen()[0];
    assert_eq!(seen.target, "/a%20b?c=d");
    assert!(
        seen.header("via")
            .is_some_and(|via| via.contains("tinyproxy")),
        "{seen:?}"
    );
    assert_eq!(seen.header("proxy-authorization"), None);
}

#[test]
fn tunnels_are_limited_to_permitted_ports() {
    let (server, other) = (secure(), secure());
    let proxy = Tinyproxy::start(server.address.port());
    let url = |server: &Server| format!("https://secure.test:{}/x", server.address.port());
    assert_eq!(
        proxy
            .fetch(VALID_CREDENTIALS, url(&server))
            .expect("a file"),
        b"end to end"
    );
    assert_eq!(
        server.seen()[0].header("via"),
        None,
        "the proxy looked into the tunnel"
    );
    let refused = proxy.fetch(VALID_CREDENTIALS, url(&other));
    assert_fails(refused, &["unable to fetch resource in time", "tunnel"]);
    assert_eq!(other.seen().len(), 0);
}

#[test]
fn invalid_credentials_are_reported() {
    let server = secure();
    let port = server.address.port();
    let proxy = Tinyproxy::start(port);
    // tinyproxy answers wrong credentials with 401, missing ones with 407.
    for (user, status) in [
        (INVALID_CREDENTIALS, "401 Unauthorized"),
        ("", "407 Proxy Auth"),
    ] {
        let plain = proxy.fetch(user, format!("http://plain.test:{port}/x"));
        let plain = assert_fails(plain, &["failed to fetch resource", status]);
        let tunnel = proxy.fetch(user, format!("https://secure.test:{port}/x"));
        let tunnel = assert_fails(tunnel, &["unable to fetch resource in time"]);
        assert!(!plain.contains("not-the-word") && !tunnel.contains("not-the-word"));
    }
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_server_that_the_proxy_cannot_reach_is_retried() {
    let proxy = Tinyproxy::start(443);
    let result = proxy.fetch(
        VALID_CREDENTIALS,
        format!("http://plain.test:{}/x", free_port()),
    );
    assert_fails(
        result,
        &[
            "unable to fetch resource in time",
            "the server answered 500",
        ],
    );
}
