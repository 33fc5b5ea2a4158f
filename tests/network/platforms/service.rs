//! A metadata service by a script: what is answered to each request, in order, and what was asked.

use super::world::SECRET;
use crate::common::server::{self, Accept, Seen, Stream, respond};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// One answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, and a body.
    Status(u16, Vec<u8>),
    /// The connection is closed without one.
    Closed,
}

/// What is said to whom: for each request line the answers, of which the last one stays.
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<(String, VecDeque<Answer>)>);

/// A service.
#[derive(Clone)]
pub struct Service {
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

impl Service {
    /// A service that nobody can reach yet.
    pub fn of(script: Script) -> Self {
        Service {
            script: Arc::new(Mutex::new(script)),
            seen: Arc::default(),
        }
    }

    /// Listens in the network of the calling thread, and speaks HTTP on streams that `accept` makes.
    pub fn accept(&self, address: SocketAddr, accept: Accept) {
        let service = self.clone();
        server::Server::at(&address.to_string(), accept, move |seen, stream| {
            service.answer(seen, stream);
        });
    }

    /// Changes what is answered to a request.
    pub fn say(&self, line: &str, answers: &[Answer]) {
        let mut script = self.script.lock().expect("no test panics in here");
        *script = std::mem::take(&mut *script).with(line, answers);
    }

    /// All requests so far, with their headers sorted.
    pub fn seen(&self) -> Vec<Seen> {
        let mut seen = self.seen.lock().expect("no test panics in here").clone();
        seen.iter_mut().for_each(|seen| seen.headers.sort());
        seen
    }

    /// Their lines.
    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    fn answer(&self, seen: &Seen, stream: &mut dyn Stream) {
        let answer = {
            let mut script = self.script.lock().expect("no test panics in here");
            self.seen
                .lock()
                .expect("no test panics in here")
                .push(seen.clone());
            script.next(&seen.line())
        };
        // What no script foresees ends every fetch, so that the test sees it soon.
        match answer.unwrap_or(Answer::status(418)) {
            Answer::Status(204, _) => {
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n");
            }
            Answer::Status(code, body) => respond(stream, &format!("{code} x"), "", &body),
            Answer::Closed => {}
        }
    }
}
