//! A real forward proxy: absolute-form requests and CONNECT tunnels.

use crate::certificates::TRUSTED;
use crate::common::server::{Seen, Server, read_head, respond};
use crate::{assert_fails, impatient};
use kindling::config::Config;
use kindling::config::model;
use kindling::fetch::{Fetcher, Request, Silent};
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub fn through(proxy: model::Proxy) -> Fetcher {
    let mut config = Config::default();
    config.ignition.proxy = proxy;
    let source = Some(TRUSTED.data_url().into());
    let authority = model::Resource {
        source,
        ..model::Resource::default()
    };
    config.ignition.security.tls.certificate_authorities = vec![authority];
    Fetcher::new(impatient())
        .configured(&config, &Silent)
        .expect("a bundle in the config")
}

struct ForwardProxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl ForwardProxy {
    /// Answers plain requests itself, and tunnels everything to `upstream`, regardless of the requested name.
    fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || forward(client, upstream, &log));
            }
        });
        ForwardProxy { address, seen }
    }

    fn url(&self) -> Option<String> {
        Some(format!("http://{}", self.address))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics in here").clone()
    }
}

fn forward(client: TcpStream, upstream: SocketAddr, log: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(client);
    let Some(seen) = read_head(&mut reader) else {
        return;
    };
    log.lock()
        .expect("no test panics in here")
        .push(seen.clone());
    let mut client = reader.into_inner();
    if seen.method != "CONNECT" {
        return respond(&mut client, "200 OK", "", b"by proxy");
    }
    let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let server = TcpStream::connect(upstream).expect("the upstream server");
    let reverse = (
        server.try_clone().expect("a handle"),
        client.try_clone().expect("a handle"),
    );
    let reverse_thread = std::thread::spawn(move || copy(reverse.0, reverse.1));
    copy(client, server);
    let _ = reverse_thread.join();
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

pub fn secure() -> Server {
    Server::accepting(TRUSTED.accept(), |_, stream| {
        respond(stream, "200 OK", "", b"end to end")
    })
}

#[test]
fn plain_requests_go_in_absolute_form() {
    let proxy = ForwardProxy::start(secure().address);
    let url = proxy.url().map(|u| u.replace("//", "//user:p%40ss@"));
    let fetcher = through(model::Proxy {
        http_proxy: url,
        ..model::Proxy::default()
    });
    let request = Request::get("http://plain.test:8080/a?b=c");
    let (bytes, _) = fetcher
        .fetch_to_vec(&request, &Silent)
        .expect("an answer of the proxy");
    assert_eq!(bytes, b"by proxy");
    let seen = &proxy.seen()[0];
    assert_eq!(seen.target, "http://plain.test:8080/a?b=c");
    assert_eq!(seen.header("host"), Some("plain.test:8080"));
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic dXNlcjpwQHNz")
    );
}

#[test]
fn https_requests_go_through_a_tunnel() {
    let proxy = ForwardProxy::start(secure().address);
    let fetcher = through(model::Proxy {
        https_proxy: proxy.url(),
        ..model::Proxy::default()
    });
    let request = Request::get("https://secure.test/x?secret=1");
    let (bytes, _) = fetcher
        .fetch_to_vec(&request, &Silent)
        .expect("an answer of the server");
    assert_eq!(bytes, b"end to end");
    let seen = &proxy.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("CONNECT", "secure.test:443")
    );
}

#[test]
fn each_scheme_has_its_own_proxy_and_some_hosts_have_none() {
    let proxy = ForwardProxy::start(secure().address);
    let server = Server::fixed("200 OK", "", "direct");
    let fetcher = through(model::Proxy {
        http_proxy: proxy.url(),
        https_proxy: None,
        no_proxy: vec!["direct.invalid".into()],
    });
    // Loopback addresses are always reached directly.
    let direct = fetcher.fetch_to_vec(&Request::get(server.url("/x")), &Silent);
    assert_eq!(direct.expect("the server itself").0, b"direct");
    for url in ["https://secure.invalid/x", "http://a.direct.invalid/x"] {
        let result = fetcher.fetch_to_vec(&Request::get(url), &Silent);
        assert_fails(result, &["unable to fetch resource in time", "dns error"]);
    }
    assert_eq!(proxy.seen().len(), 0);
    let proxied = fetcher.fetch_to_vec(&Request::get("http://other.invalid/x"), &Silent);
    assert_eq!(proxied.expect("the proxy").0, b"by proxy");
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn the_proxy_is_chosen_again_after_a_redirect() {
    let server = Server::start(|_, stream| {
        respond(
            stream,
            "302 Found",
            "Location: http://elsewhere.test/y\r\n",
            b"",
        );
    });
    let proxy = ForwardProxy::start(server.address);
    let fetcher = through(model::Proxy {
        http_proxy: proxy.url(),
        ..model::Proxy::default()
    });
    let result = fetcher.fetch_to_vec(&Request::get(server.url("/x")), &Silent);
    assert_eq!(result.expect("the proxy").0, b"by proxy");
    assert_eq!(proxy.seen()[0].target, "http://elsewhere.test/y");
}

#[test]
fn a_proxy_may_speak_tls_itself() {
    let proxy = Server::accepting(TRUSTED.accept(), |_, s| {
        respond(s, "200 OK", "", b"by proxy")
    });
    let url = format!("https://localhost:{}", proxy.address.port());
    let proxies = model::Proxy {
        http_proxy: Some(url),
        ..model::Proxy::default()
    };
    let result = through(proxies).fetch_to_vec(&Request::get("http://plain.test/x"), &Silent);
    assert_eq!(result.expect("an answer of the proxy").0, b"by proxy");
    assert_eq!(proxy.seen()[0].target, "http://plain.test/x");
}

#[test]
fn an_unreachable_proxy_is_a_transport_error() {
    let proxy = Some("http://user:secret@127.0.0.1:1".into());
    let fetcher = through(model::Proxy {
        http_proxy: proxy,
        ..model::Proxy::default()
    });
    let result = fetcher.fetch_to_vec(&Request::get("http://plain.test/x"), &Silent);
    let text = assert_fails(
        result,
        &["unable to fetch resource in time", "Connection refused"],
    );
    assert!(!text.contains("secret"), "{text}");
}
