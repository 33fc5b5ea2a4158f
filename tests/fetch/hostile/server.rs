//! A server that does to each connection what it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any run; servers that go on for ever end by then.
const LIFE: Duration = Duration::from_secs(150);

/// What is done to a connection, which is the so-manieth.
pub type Act = Arc<dyn Fn(&mut Client, usize) + Send + Sync>;

/// A server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it; it ends with the test.
    pub fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        std::thread::spawn(move || {
            for (number, stream) in (1..).zip(listener.incoming().flatten()) {
                let act = Arc::clone(&act);
                std::thread::spawn(move || act(&mut Client::new(stream), number));
            }
        });
        Server { address }
    }
}

/// The other side of a connection.
pub struct Client {
    stream: TcpStream,
    until: Instant,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Client {
            stream,
            until: Instant::now() + LIFE,
        }
    }

    /// Where this connection came to.
    pub fn own_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket")
    }

    /// Reads up to the end of the head of a request, or whatever comes first.
    pub fn read_request(&mut self) -> String {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") && matches!(self.stream.read(&mut byte), Ok(1)) {
            seen.push(byte[0]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads once, whatever it is.
    pub fn read_some(&mut self) {
        let _ = self.stream.read(&mut [0; 4096]);
    }

    /// Sends; false when nobody is there any more, or it has been long enough.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        Instant::now() < self.until && self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends this again and again, with pauses.
    pub fn send_for_ever(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) {
        while self.send(&bytes) {
            std::thread::sleep(pause);
        }
    }

    /// Says nothing more, and stays.
    pub fn stay(&mut self) {
        while Instant::now() < self.until {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// No more will be sent, but the connection stands.
    pub fn close_half(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        self.stay();
    }
}
