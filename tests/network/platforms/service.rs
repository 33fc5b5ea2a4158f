//! A scripted metadata service: has the responses to each request, in order, and records all requests.

use super::machine::SECRET;
use crate::common::server::{self, Accept, Seen, Stream, respond};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// A response.
#[derive(Debug, Clone)]
pub enum Response {
    /// A status and a body.
    Status(u16, Vec<u8>),
    /// The connection is closed without a response.
    Closed,
}

/// The responses for each request line; the last one is repeated.
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<(String, VecDeque<Response>)>);

/// A service.
#[derive(Clone)]
pub struct Service {
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Response {
    /// A response with status 200.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Response::Status(200, body.into())
    }

    /// A status, with a body that must not be used as config.
    pub fn status(code: u16) -> Self {
        Response::Status(code, if code == 204 { "" } else { SECRET }.into())
    }
}

impl Script {
    /// The same script with these responses to a request.
    pub fn with(mut self, line: impl Into<String>, responses: &[Response]) -> Self {
        let line = line.into();
        self.0.retain(|(known, _)| *known != line);
        self.0.push((line, responses.iter().cloned().collect()));
        self
    }

    fn next(&mut self, line: &str) -> Option<Response> {
        let (_, responses) = self.0.iter_mut().find(|(known, _)| known == line)?;
        match responses.len() {
            1 => responses.front().cloned(),
            _ => responses.pop_front(),
        }
    }
}

impl Service {
    /// A service that does not listen yet.
    pub fn new(script: Script) -> Self {
        Service {
            script: Arc::new(Mutex::new(script)),
            seen: Arc::default(),
        }
    }

    /// Listens in the network namespace of the calling thread, with HTTP on streams from `accept`.
    pub fn accept(&self, address: SocketAddr, accept: Accept) {
        let service = self.clone();
        server::Server::at(&address.to_string(), accept, move |seen, stream| {
            service.respond_to(seen, stream);
        });
    }

    /// Changes the responses to a request.
    pub fn set_responses(&self, line: &str, responses: &[Response]) {
        let mut script = self.script.lock().expect("no test panics in here");
        *script = std::mem::take(&mut *script).with(line, responses);
    }

    /// All requests so far, with their headers sorted.
    pub fn seen(&self) -> Vec<Seen> {
        let mut seen = self.seen.lock().expect("no test panics in here").clone();
        seen.iter_mut().for_each(|seen| seen.headers.sort());
        seen
    }

    /// Their request lines.
    pub fn request_lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    fn respond_to(&self, seen: &Seen, stream: &mut dyn Stream) {
        let response = {
            let mut script = self.script.lock().expect("no test panics in here");
            self.seen
                .lock()
                .expect("no test panics in here")
                .push(seen.clone());
            script.next(&seen.line())
        };
        // Unexpected requests end every fetch, so that the test fails early.
        match response.unwrap_or(Response::status(418)) {
            Response::Status(204, _) => {
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n");
            }
            Response::Status(code, body) => respond(stream, &format!("{code} x"), "", &body),
            Response::Closed => {}
        }
    }
}
