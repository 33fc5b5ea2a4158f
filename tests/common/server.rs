//! A small HTTP/1.1 server that does exactly what a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A byte stream, plain or TLS.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One request as it came in.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// From 1, over all connections.
    pub number: usize,
    /// `GET` or `CONNECT`.
    pub method: String,
    /// What stands in the request line.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The port that it came from.
    pub port: u16,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// E.g. `GET /user-data`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// Turns an accepted connection into the stream to speak HTTP on.
pub type Accept = Arc<dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync>;

/// A server for one test.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers every request with what `answer` writes, then closes the connection.
    pub fn start(answer: impl Fn(&Seen, &mut dyn Stream) + Send + Sync + 'static) -> Self {
        Server::accepting(plain(), answer)
    }

    /// The same on streams that `accept` makes.
    pub fn accepting(
        accept: Accept,
        answer: impl Fn(&Seen, &mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        Server::at("127.0.0.1:0", accept, answer)
    }

    /// Answers on plain connections to another address.
    pub fn listening(
        address: &str,
        answer: impl Fn(&Seen, &mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        Server::at(address, plain(), answer)
    }

    /// The same for streams that `accept` makes, in the network of the calling thread.
    pub fn at(
        address: &str,
        accept: Accept,
        answer: impl Fn(&Seen, &mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address);
        let listener = listener.unwrap_or_else(|error| panic!("listen at {address}: {error}"));
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (accept, answer, log) = (accept.clone(), answer.clone(), log.clone());
                std::thread::spawn(move || {
                    let _ = serve(tcp, &accept, &log, &*answer);
                });
            }
        });
        Server { address, seen }
    }

    /// Answers every request with this status, these extra header lines and this body.
    pub fn fixed(status: &'static str, headers: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Server::start(move |_, stream| respond(stream, status, headers, &body))
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics in here").clone()
    }
}

/// Speaks HTTP as it is.
pub fn plain() -> Accept {
    Arc::new(|tcp| Some(Box::new(tcp)))
}

fn serve(
    tcp: TcpStream,
    accept: &Accept,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen, &mut dyn Stream),
) -> Option<()> {
    let port = tcp.peer_addr().ok()?.port();
    let mut reader = BufReader::new(accept(tcp)?);
    let mut seen = read_head(&mut reader)?;
    seen.port = port;
    let length = seen.header("content-length");
    let mut body = vec![0; length.and_then(|text| text.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).ok()?;
    {
        let mut log = log.lock().expect("no test panics in here");
        seen.number = log.len() + 1;
        log.push(seen.clone());
    }
    answer(&seen, reader.get_mut());
    Some(())
}

/// Reads a request up to its body.
pub fn read_head(reader: &mut dyn BufRead) -> Option<Seen> {
    let mut line = || {
        let mut text = String::new();
        reader.read_line(&mut text).ok().filter(|n| *n > 0)?;
        Some(text.trim_end().to_string())
    };
    let first = line()?;
    let mut words = first.split(' ').map(String::from);
    let mut seen = Seen {
        method: words.next()?,
        target: words.next()?,
        ..Seen::default()
    };
    loop {
        let text = line()?;
        match text.split_once(':') {
            Some((name, value)) => {
                seen.headers
                    .push((name.to_ascii_lowercase(), value.trim().into()));
            }
            None => return Some(seen),
        }
    }
}

/// Writes a whole response. The other side may be gone already, which is for it to judge.
pub fn respond(stream: &mut dyn Stream, status: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let _ = stream.flush();
}

/// Writes the head of a response whose body is never complete.
pub fn announce(stream: &mut dyn Stream, bytes: usize) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.flush();
}

/// Says nothing until the test process is long done.
pub fn hang() {
    std::thread::sleep(Duration::from_secs(120));
}
