//! Where log lines go: standard output, standard error, or the system log.

use super::LogLevel;
use crate::terminal;
use crate::text::time;
use std::io::{ErrorKind, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Log sockets; the first one that works is used.
const SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
/// The syslog tag, for `journalctl -t ignition`.
const TAG: &str = "ignition";

/// Records that the log does not accept in this time are dropped, so that a stuck reader does not block a stage.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// A destination of log lines.
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
                socket.set_write_timeout(Some(WRITE_TIMEOUT)).ok()?;
                Some(LogConnection::Datagram(socket))
            };
            let stream = || {
                let socket = UnixStream::connect(path).ok()?;
                socket.set_write_timeout(Some(WRITE_TIMEOUT)).ok()?;
                Some(LogConnection::Stream(socket))
            };
            datagram().or_else(stream)
        })
    }

    /// Reduces the timeout after a reader got stuck, so that further records hardly delay a stage.
    fn shorten_timeout(&mut self) {
        let timeout = Some(Duration::from_millis(1));
        ignore(match self {
            LogConnection::Datagram(socket) => socket.set_write_timeout(timeout),
            LogConnection::Stream(socket) => socket.set_write_timeout(timeout),
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
    /// The system log, if there is one.
    pub fn syslog() -> Option<Self> {
        LogConnection::open().map(Sink::Syslog)
    }

    /// A sink for tests, and the text it collects.
    pub fn memory() -> (Self, Arc<Mutex<String>>) {
        let text = Arc::default();
        (Sink::Memory(Arc::clone(&text)), text)
    }

    /// Writes a message. After an error, reconnects once; if that fails, the message is lost.
    pub fn write(&mut self, level: LogLevel, message: &str) {
        let line = || format!("{:<9}: {message}\n", level.name());
        match self {
            Sink::Stdout => terminal::narrate(&line()),
            Sink::Stderr => terminal::eprint(&line()),
            Sink::Memory(text) => text
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&line()),
            Sink::Syslog(connection) => {
                let record = record(level, message, SystemTime::now());
                match connection.send(&record) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        connection.shorten_timeout()
                    }
                    Err(_) => {
                        if let Some(mut new) = LogConnection::open() {
                            ignore(new.send(&record));
                            *connection = new;
                        }
                    }
                }
            }
        }
    }
}

/// Ignores an error: a broken log must not stop a boot.
fn ignore(result: std::io::Result<()>) {
    drop(result);
}

/// A syslog record: `<6>Nov  3 02:45:00 ignition[71]: message`. The facility is 0, so the number is the severity.
fn record(level: LogLevel, message: &str, now: SystemTime) -> Vec<u8> {
    let pid = std::process::id();
    let number = level as u8;
    format!("<{number}>{} {TAG}[{pid}]: {message}\n", timestamp(now)).into_bytes()
}

/// `Nov  3 02:45:00`, in UTC because an initramfs has no time zone.
fn timestamp(now: SystemTime) -> String {
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
