//! A metadata service by a script: what is answered to each request, in order, and what was asked.

use crate::world::SECRET;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A byte stream, plain or TLS.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Turns an accepted connection into the stream to speak HTTP on.
pub type Accept = Arc<dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync>;

/// One answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, and a body.
    Status(u16, Vec<u8>),
    /// The connection is closed without one.
    Closed,
}

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// E.g. `GET /user-data`.
    pub line: String,
    /// Names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The port it came from.
    pub port: u16,
}

/// What is said to whom: for each request line the answers, of which the last one stays.
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<(String, VecDeque<Answer>)>);

/// A service.
#[derive(Clone)]
pub struct Server {
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Answer {
    /// A good one.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Answer::Status(200, body.into())
    }

    /// A status, with words that must not be taken for a config.
    pub fn status(code: u16) -> Self {
        Answer::Status(code, if code == 204 { "" } else { SECRET }.into())
    }
}

impl Script {
    /// The same script with these answers to a request.
    pub fn with(mut self, line: impl Into<String>, answers: &[Answer]) -> Self {
        let line = line.into();
        self.0.retain(|(known, _)| *known != line);
        self.0.push((line, answers.iter().cloned().collect()));
        self
    }

    fn next(&mut self, line: &str) -> Option<Answer> {
        let (_, answers) = self.0.iter_mut().find(|(known, _)| known == line)?;
        match answers.len() {
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        }
    }
}

impl Server {
    /// A service that nobody can reach yet.
    pub fn of(script: Script) -> Self {
        Server {
            script: Arc::new(Mutex::new(script)),
            seen: Arc::default(),
        }
    }

    /// Listens in the network of the calling thread, and speaks HTTP on streams that `accept` makes.
    pub fn accept(&self, address: SocketAddr, accept: Accept) {
        let listener = TcpListener::bind(address);
        let listener = listener.unwrap_or_else(|error| panic!("listen at {address}: {error}"));
        let server = self.clone();
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (server, accept) = (server.clone(), accept.clone());
                std::thread::spawn(move || server.serve(tcp, &accept));
            }
        });
    }

    /// Changes what is answered to a request.
    pub fn say(&self, line: &str, answers: &[Answer]) {
        let mut script = self.script.lock().expect("no test panics in here");
        *script = std::mem::take(&mut *script).with(line, answers);
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics in here").clone()
    }

    /// Their lines.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    fn serve(&self, tcp: TcpStream, accept: &Accept) -> Option<()> {
        let port = tcp.peer_addr().ok()?.port();
        let mut reader = BufReader::new(accept(tcp)?);
        let seen = read(&mut reader, port)?;
        let answer = {
            let mut script = self.script.lock().expect("no test panics in here");
            self.seen
                .lock()
                .expect("no test panics in here")
                .push(seen.clone());
            script.next(&seen.line)
        };
        // What no script foresees ends every fetch, so that the test sees it soon.
        let answer = answer.unwrap_or(Answer::status(418));
        let Answer::Status(code, body) = answer else {
            return None;
        };
        let length = match code {
            204 => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!("HTTP/1.1 {code} x\r\n{length}Connection: close\r\n\r\n");
        let stream = reader.get_mut();
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body).ok()?;
        stream.flush().ok()
    }
}

/// Speaks HTTP as it is.
pub fn plain() -> Accept {
    Arc::new(|tcp| Some(Box::new(tcp)))
}

fn read(reader: &mut dyn BufRead, port: u16) -> Option<Seen> {
    let first = line(reader)?;
    let mut headers = Vec::new();
    while let Some((name, value)) = line(reader)?.split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    headers.sort();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body).ok()?;
    Some(Seen {
        line: first.strip_suffix(" HTTP/1.1")?.to_owned(),
        headers,
        body: String::from_utf8(body).ok()?,
        port,
    })
}

fn line(reader: &mut dyn BufRead) -> Option<String> {
    let mut text = String::new();
    reader.read_line(&mut text).ok().filter(|n| *n > 0)?;
    Some(text.trim_end().to_owned())
}
