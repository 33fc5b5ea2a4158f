//! Where log lines go: standard output, or the system's log socket.

use super::LogLevel;
use crate::terminal;
use crate::text::time;
use std::io::{ErrorKind, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Log sockets, first that works.
const SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
/// Name readers select by: `journalctl -t ignition`.
const TAG: &str = "ignition";

/// A log that takes longer to make room for a record loses it: no stage waits for a stuck reader.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A place for log lines.
#[derive(Debug)]
pub enum Sink {
    /// Lines on standard output.
    Stdout,
    /// Lines on standard error.
    Stderr,
    /// Records to a log socket.
    Syslog(LogConnection),
    /// Lines in memory, for tests.
    Memory(Arc<Mutex<String>>),
}

/// A connection to a log socket.
#[derive(Debug)]
pub enum LogConnection {
    /// One record per packet.
    Datagram(UnixDatagram),
    /// Records end with a line feed.
    Stream(UnixStream),
}

impl LogConnection {
    fn open() -> Option<Self> {
        SOCKETS.iter().find_map(|path| {
            let datagram = || {
                let socket = UnixDatagram::unbound().ok()?;
                socket.connect(path).ok()?;
                socket.set_write_timeout(Some(TIMEOUT)).ok()?;
                Some(LogConnection::Datagram(socket))
            };
            let stream = || {
                let socket = UnixStream::connect(path).ok()?;
                socket.set_write_timeout(Some(TIMEOUT)).ok()?;
                Some(LogConnection::Stream(socket))
            };
            datagram().or_else(stream)
        })
    }

    /// From now on a reader that is stuck costs next to nothing.
    fn be_brief(&mut self) {
        let brief = Some(Duration::from_millis(1));
        lose(match self {
            LogConnection::Datagram(socket) => socket.set_write_timeout(brief),
            LogConnection::Stream(socket) => socket.set_write_timeout(brief),
        });
    }

    fn send(&mut self, record: &[u8]) -> std::io::Result<()> {
        match self {
            LogConnection::Datagram(socket) => socket.send(record).map(drop),
            LogConnection::Stream(socket) => socket.write_all(record),
        }
    }
}

impl Sink {
    /// The system's log, if there is one.
    pub fn syslog() -> Option<Self> {
        LogConnection::open().map(Sink::Syslog)
    }

    /// A sink for tests, and the text it collects.
    pub fn memory() -> (Self, Arc<Mutex<String>>) {
        let text = Arc::default();
        (Sink::Memory(Arc::clone(&text)), text)
    }

    /// Writes a message. After an error one new connection is tried; what then fails is lost.
    pub fn write(&mut self, level: LogLevel, message: &str) {
        let line = || format!("{:<9}: {message}\n", level.word());
        match self {
            Sink::Stdout => terminal::narrate(&line()),
            Sink::Stderr => terminal::say(&line()),
            Sink::Memory(text) => text
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&line()),
            Sink::Syslog(connection) => {
                let record = record(level, message, SystemTime::now());
                match connection.send(&record) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => connection.be_brief(),
                    Err(_) => {
                        if let Some(mut new) = LogConnection::open() {
                            lose(new.send(&record));
                            *connection = new;
                        }
                    }
                }
            }
        }
    }
}

/// A log that cannot be written is no reason to stop.
fn lose(result: std::io::Result<()>) {
    drop(result);
}

/// `<6>Nov  3 02:45:00 ignition[71]: message`. Facility 0, so the number is the bare severity.
fn record(level: LogLevel, message: &str, now: SystemTime) -> Vec<u8> {
    let pid = std::process::id();
    let number = level as u8;
    format!("<{number}>{} {TAG}[{pid}]: {message}\n", stamp(now)).into_bytes()
}

/// `Nov  3 02:45:00`, UTC, as there is no time zone before the real root.
fn stamp(now: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = time::rfc3339(now);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month: usize = part(5..7).parse().unwrap_or(1);
    let day: u8 = part(8..10).parse().unwrap_or(1);
    let name = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan");
    format!("{name} {day:>2} {}", part(11..19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_form_of_syslog() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_674_805);
        let record = String::from_utf8(record(LogLevel::Warning, "hello", time)).expect("text");
        let pid = std::process::id();
        assert_eq!(
            record,
            format!("<4>Nov  3 03:00:05 ignition[{pid}]: hello\n")
        );
    }
}
