//! A D-Bus connection without a bus: two programs, one socket.

use super::wire::{self, BusMessage, PREAMBLE_BYTES, WireError};
use anyhow::{Context, bail};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Maximum length of a line of the authentication dialogue.
const MAX_LINE_BYTES: usize = 1024;

#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    serial: u32,
    /// The part of the next message that has been received so far.
    received: Vec<u8>,
}

impl Connection {
    /// Connects and authenticates.
    pub(super) fn open(socket: &Path, deadline: Instant) -> anyhow::Result<Self> {
        let mut stream = UnixStream::connect(socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        stream.set_write_timeout(time_left(Some(deadline)))?;
        let uid: String = uzers::get_effective_uid()
            .to_string()
            .bytes()
            .map(|digit| format!("{digit:02x}"))
            .collect();
        stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let answer = read_line(&mut stream, deadline).context("no answer to AUTH")?;
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

    /// Sends a call to the manager; returns its serial number.
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

    /// The next message; `None` after the deadline.
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

    /// Reads more of a message of `wanted` bytes, as much as one read returns; false after the deadline.
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

/// Reads one line of the dialogue, byte by byte, since what follows is not a line.
fn read_line(stream: &mut UnixStream, deadline: Instant) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n") {
        if read(stream, &mut byte, Some(deadline))? == 0 {
            bail!("it hung up");
        }
        text.push(byte[0]);
        if text.len() > MAX_LINE_BYTES {
            return Err(WireError::TooLong.into());
        }
    }
    Ok(String::from_utf8_lossy(&text).trim_end().into())
}

/// Reads once; [`ErrorKind::TimedOut`] after the deadline.
fn read(
    stream: &mut UnixStream,
    buffer: &mut [u8],
    deadline: Option<Instant>,
) -> io::Result<usize> {
    let left = time_left(deadline);
    if left.is_some_and(|left| left.is_zero()) {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(left)?;
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            other => return other,
        }
    }
}

fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
