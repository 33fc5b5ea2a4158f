//! A server with a custom behaviour for each connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any run; endless servers stop after this time.
const LIFETIME: Duration = Duration::from_secs(150);

/// Handles a connection, given its number from 1.
pub type Handler = Arc<dyn Fn(&mut Client, usize) + Send + Sync>;

/// A server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts the server; it ends with the test.
    pub fn start(handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        std::thread::spawn(move || {
            for (number, stream) in (1..).zip(listener.incoming().flatten()) {
                let handler = Arc::clone(&handler);
                std::thread::spawn(move || handler(&mut Client::new(stream), number));
            }
        });
        Server { address }
    }
}

/// A connection to a client.
pub struct Client {
    stream: TcpStream,
    until: Instant,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Client {
            stream,
            until: Instant::now() + LIFETIME,
        }
    }

    /// The local address of this connection.
    pub fn own_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket")
    }

    /// Reads up to the end of the request's head, or to the end of the stream.
    pub fn read_request(&mut self) -> String {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") && matches!(self.stream.read(&mut byte), Ok(1)) {
            seen.push(byte[0]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads once.
    pub fn read_some(&mut self) {
        let _ = self.stream.read(&mut [0; 4096]);
    }

    /// Sends bytes; false if the client is gone, or the time is over.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        Instant::now() < self.until && self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends bytes repeatedly, with pauses.
    pub fn send_for_ever(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) {
        while self.send(&bytes) {
            std::thread::sleep(pause);
        }
    }

    /// Keeps the connection open without sending anything.
    pub fn stay(&mut self) {
        while Instant::now() < self.until {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Closes the sending half only.
    pub fn close_half(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        self.stay();
    }
}
