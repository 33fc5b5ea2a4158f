//! HTTP/2, with nginx.

use crate::certificates::TRUSTED;
use crate::common::run::KilledOnDrop;
use kindling::config::Config;
use kindling::config::model::Resource;
use kindling::fetch::{Fetcher, Request, Silent};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long nginx may take to start, and to write its log.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Number of concurrent transfers.
const TRANSFERS: usize = 16;
/// Size of each file in bytes.
const FILE_BYTES: usize = 300_000;

/// A TLS server that offers HTTP/2; stopped on drop.
struct Nginx {
    _child: KilledOnDrop,
    directory: tempfile::TempDir,
    port: u16,
}

impl Nginx {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        let port = free_port();
        std::fs::create_dir(path.join("www")).expect("a directory");
        for n in 0..TRANSFERS {
            std::fs::write(path.join(format!("www/{n}")), content(n)).expect("a written file");
        }
        std::fs::write(path.join("leaf.pem"), &TRUSTED.leaf.0).expect("a written file");
        std::fs::write(path.join("leaf.key"), &TRUSTED.leaf.1).expect("a written file");
        std::fs::write(path.join("nginx.conf"), conf(path, port)).expect("a written file");
        let child = Command::new("/usr/sbin/nginx")
            .args(["-e", "stderr", "-c"])
            .arg(path.join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx runs; install the Debian package `nginx-light`");
        let server = Nginx {
            _child: KilledOnDrop(child),
            directory,
            port,
        };
        server.wait();
        server
    }

    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < START_TIMEOUT, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The access log: for each request the protocol and the number of the connection. nginx writes it when the client has its answer
    /// already, so this waits until there are `requests` of them.
    fn log(&self, requests: usize) -> Vec<String> {
        let start = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.directory.path().join("access"));
            let text = text.expect("a log");
            // A line without its end is being written.
            let lines = text
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'));
            let lines: Vec<String> = lines.map(String::from).collect();
            if lines.len() >= requests {
                return lines;
            }
            assert!(start.elapsed() < START_TIMEOUT, "nginx logged {lines:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}

fn conf(path: &Path, port: u16) -> String {
    let at = path.display();
    format!(
        "daemon off; master_process off; pid {at}/pid;
         events {{ }}
         http {{
           client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3;
           uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;
           log_format own '$server_protocol $connection'; access_log {at}/access own;
           server {{ listen 127.0.0.1:{port} ssl http2; root {at}/www;
             ssl_certificate {at}/leaf.pem; ssl_certificate_key {at}/leaf.key; }}
         }}"
    )
}

fn content(n: usize) -> Vec<u8> {
    (0..FILE_BYTES)
        .map(|i| ((i * (n + 3)) % 251) as u8)
        .collect()
}

fn fetcher() -> Fetcher {
    let mut config = Config::default();
    config.ignition.security.tls.certificate_authorities = vec![Resource {
        source: Some(TRUSTED.data_url().into()),
        ..Resource::default()
    }];
    let plain = Fetcher::new(crate::settings());
    plain.configured(&config, &Silent).expect("a good bundle")
}

#[test]
fn many_transfers_share_one_connection() {
    let server = Nginx::start();
    let fetcher = fetcher();
    let get = |n: usize| {
        let request = Request::get(format!("https://127.0.0.1:{}/{n}", server.port));
        fetcher.fetch_to_vec(&request, &Silent).expect("a file").0
    };
    // The first one opens the connection that the others reuse.
    assert_eq!(get(0), content(0));
    std::thread::scope(|scope| {
        for n in 0..TRANSFERS {
            scope.spawn(move || assert_eq!(get(n), content(n), "{n}"));
        }
    });
    let log = server.log(TRANSFERS + 1);
    assert_eq!(log.len(), TRANSFERS + 1, "{log:?}");
    let first = &log[0];
    assert!(first.starts_with("HTTP/2.0 "), "{log:?}");
    assert!(log.iter().all(|line| line == first), "{log:?}");
}

#[test]
fn missing_files_are_reported() {
    let server = Nginx::start();
    let request = Request::get(format!("https://127.0.0.1:{}/missing", server.port));
    let result = fetcher().fetch_to_vec(&request, &Silent);
    crate::assert_fails(result, &["resource not found: GET https://127.0.0.1"]);
    assert!(server.log(1)[0].starts_with("HTTP/2.0 "));
}
