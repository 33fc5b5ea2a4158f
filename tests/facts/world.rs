//! A network of one thread's own, in which the addresses of metadata services belong to the test. It ends with the
//! thread.

use crate::namespace;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// Where services are.
pub const LINK_LOCAL: &str = "169.254.169.254";
pub const SCALEWAY: &str = "169.254.42.42";
pub const ALIYUN: &str = "100.100.100.200";

/// A header that a request must have; without it the service says 401.
pub type Header = (&'static str, &'static str);

/// One document of a service.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Method and path with query, e.g. `GET /latest`.
    pub line: &'static str,
    pub needs: &'static [Header],
    pub status: u16,
    pub body: &'static str,
}

impl Page {
    pub const fn get(line: &'static str, body: &'static str) -> Self {
        Page {
            line,
            needs: &[],
            status: 200,
            body,
        }
    }
}

/// The world with one service.
pub struct World {
    asked: Arc<Mutex<Vec<String>>>,
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a test in a world of its own.
pub fn with(address: &str, pages: Vec<Page>, test: impl FnOnce(&World) + Send + 'static) {
    let address = address.to_owned();
    let thread = std::thread::spawn(move || test(&World::enter(&address, pages)));
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl World {
    fn enter(address: &str, pages: Vec<Page>) -> Self {
        namespace::enter();
        namespace::add_address(address);
        let address: SocketAddr = format!("{address}:80").parse().expect("an address");
        let listener = TcpListener::bind(address).expect("the address is ours");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pages: BTreeMap<&str, Page> = pages.iter().map(|page| (page.line, *page)).collect();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is none of the server's trouble.
                let _ = serve(stream, &pages, &log);
            }
        });
        World { asked }
    }

    /// Runs `kindling metadata` with these words.
    pub fn metadata(&self, words: &[&str]) -> Said {
        self.metadata_in(words, &std::env::temp_dir())
    }

    /// The same with a directory for temporary files.
    pub fn metadata_in(&self, words: &[&str], temporary: &Path) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_kindling"))
            .arg("metadata")
            .args(words)
            .env("TMPDIR", temporary)
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY")
            .output()
            .expect("kindling runs");
        Said::of(&output)
    }

    /// What was asked for, as `METHOD PATH STATUS`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

fn serve(
    stream: TcpStream,
    pages: &BTreeMap<&str, Page>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let line = first.trim_end().trim_end_matches("HTTP/1.1").trim_end();
    let has = |(name, value): &Header| headers.iter().any(|(n, v)| n == name && v == value);
    let (status, body) = match pages.get(line) {
        None => (404, "no such document"),
        Some(page) if page.needs.iter().all(has) => (page.status, page.body),
        Some(_) => (401, "a header is missing"),
    };
    log.lock()
        .expect("no panic")
        .push(format!("{line} {status}"));
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    (&stream).write_all(format!("{head}{body}").as_bytes())
}
