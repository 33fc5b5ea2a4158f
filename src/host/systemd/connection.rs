//! A D-Bus connection without a bus: two programs, one socket.

use super::wire::{self, BusMessage, PREAMBLE_BYTES, WireError};
use anyhow::{Context, bail};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest line of the authentication dialogue.
const LINE_BYTES: usize = 1024;

#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    serial: u32,
    /// What came of the next message so far.
    received: Vec<u8>,
}

impl Connection {
    /// Connects, and says who we are.
    pub(super) fn open(socket: &Path, deadline: Instant) -> anyhow::Result<Self> {
        let mut stream = UnixStream::connect(socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        stream.set_write_timeout(left(Some(deadline)))?;
        let uid: String = uzers::get_effective_uid()
            .to_string()
            .bytes()
            .map(|digit| format!("{digit:02x}"))
            .collect();
        stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let answer = line(&mut stream, deadline).context("no answer to AUTH")?;
        if !answer.starts_with("OK ") {
            bail!("{} rejected authentication: {answer}", socket.display());
        }
        stream.write_all(b"BEGIN\r\n")?;
        Ok(Self {
            stream,
            serial: 0,
            received: Vec::new(),
        })
    }

    /// Sends a call to the manager; gives its number.
    pub(super) fn call(
        &mut self,
        interface: &str,
        member: &str,
        arguments: &[&str],
    ) -> anyhow::Result<u32> {
        self.serial += 1;
        let message = wire::call(self.serial, interface, member, arguments);
        self.stream
            .write_all(&message)
            .with_context(|| format!("cannot send {member}"))?;
        Ok(self.serial)
    }

    /// The next message; `None` when time is over.
    pub(super) fn receive(
        &mut self,
        deadline: Option<Instant>,
    ) -> anyhow::Result<Option<BusMessage>> {
        loop {
            let wanted = match self.received.first_chunk::<PREAMBLE_BYTES>() {
                None => PREAMBLE_BYTES,
                Some(preamble) => wire::message_bytes(preamble)?,
            };
            if self.received.len() >= PREAMBLE_BYTES && self.received.len() == wanted {
                let message = wire::parse(&std::mem::take(&mut self.received));
                return Ok(Some(message?));
            }
            if !self.fill(wanted, deadline)? {
                return Ok(None);
            }
        }
    }

    /// Reads on to `wanted` bytes of a message, as far as one read goes; false when time is over.
    fn fill(&mut self, wanted: usize, deadline: Option<Instant>) -> anyhow::Result<bool> {
        let mut chunk = [0; 4096];
        let missing = wanted.saturating_sub(self.received.len()).min(chunk.len());
        match read(&mut self.stream, &mut chunk[..missing], deadline) {
            Ok(0) => bail!("systemd closed the connection"),
            Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(false),
            Err(error) => return Err(error).context("cannot receive from systemd"),
        }
        Ok(true)
    }
}

/// One line of the dialogue. Read byte by byte, since what follows is not a line.
fn line(stream: &mut UnixStream, deadline: Instant) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n") {
        if read(stream, &mut byte, Some(deadline))? == 0 {
            bail!("it hung up");
        }
        text.push(byte[0]);
        if text.len() > LINE_BYTES {
            return Err(WireError::TooLong.into());
        }
    }
    Ok(String::from_utf8_lossy(&text).trim_end().into())
}

/// One read; [`ErrorKind::TimedOut`] when time is over.
fn read(stream: &mut UnixStream, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
    let left = left(deadline);
    if left.is_some_and(|left| left.is_zero()) {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(left)?;
    loop {
        match stream.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            other => return other,
        }
    }
}

fn left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
