//! Files that users name: read with a size limit, and never waited for indefinitely.
//!
//! A name may lead to anything: a directory, an endless device, a pipe without a writer.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a named pipe may have no writer.
const WRITER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often to check for a writer, in milliseconds.
const WRITER_POLL_MILLIS: u8 = 20;

/// Reads all of a file; from a pipe, what its writer writes until it closes it.
///
/// # Errors
/// If it cannot be opened or read, nobody writes to it, or it has more than `limit_bytes`.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    read_all(&mut open(path)?, limit_bytes)
}

/// Reads to the end.
///
/// # Errors
/// If there are more than `limit_bytes`, or it cannot be read.
pub(crate) fn read_all(from: &mut impl Read, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit_bytes {
        true => Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("more than {limit_bytes} bytes"),
        )),
        false => Ok(bytes),
    }
}

/// A file that is open for reading; a first byte may have been read already.
pub(crate) type Input = io::Chain<io::Cursor<Vec<u8>>, File>;

/// Opens a file for reading. Reading from it blocks only while a pipe or a terminal has a writer.
///
/// # Errors
/// If it cannot be opened, is a directory or a socket, or is a pipe and nobody writes to it.
pub(crate) fn open(path: &Path) -> io::Result<Input> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
        .map_err(|error| explain(path, error))?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let first = match kind.is_fifo() {
        true => await_writer(&file)?,
        false => Vec::new(),
    };
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?) - OFlag::O_NONBLOCK;
    fcntl(&file, FcntlArg::F_SETFL(flags))?;
    Ok(io::Cursor::new(first).chain(file))
}

/// Explains an error of open(2): for a socket the kernel only reports that there is no such device.
fn explain(path: &Path, error: io::Error) -> io::Error {
    let is_socket = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    match is_socket {
        true => io::Error::new(ErrorKind::InvalidInput, "it is a socket"),
        false => error,
    }
}

/// Waits until somebody has opened the other end of a pipe, which is open in non-blocking mode; returns what had to be
/// read for that.
fn await_writer(mut pipe: &File) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + WRITER_TIMEOUT;
    let mut byte = [0];
    loop {
        let mut polled = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        // Readable, or already closed by a writer.
        if poll(&mut polled, WRITER_POLL_MILLIS)? > 0 {
            return Ok(Vec::new());
        }
        match pipe.read(&mut byte) {
            // An empty pipe without a writer gives end of file.
            Ok(0) if Instant::now() < deadline => {}
            Ok(0) => {
                let message = "it is a pipe that nothing writes to";
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            Ok(_) => return Ok(byte.to_vec()),
            // With a writer, but nothing to read yet.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;
    use std::os::unix::net::UnixListener;

    #[test]
    fn names_that_are_not_files_give_errors_without_waiting() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        nix::unistd::mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
        let _listener = UnixListener::bind(path("socket")).expect("a socket");
        fs::write(path("large"), [b'x'; 11]).expect("a file");
        for (path, expected) in [
            (path("pipe"), "it is a pipe that nothing writes to"),
            (path("socket"), "it is a socket"),
            (path("large"), "more than 10 bytes"),
            ("/dev/zero".into(), "more than 10 bytes"),
            (directory.path().into(), "is a directory"),
            (path("absent"), "No such file or directory"),
        ] {
            let error = read(&path, 10).expect_err("not readable").to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
        }
    }

    #[test]
    fn files_and_pipes_with_a_writer_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "0123456789").expect("a file");
        assert_eq!(read(&path("file"), 10).expect("read"), b"0123456789");
        assert_eq!(read(Path::new("/dev/null"), 10).expect("read"), b"");
        nix::unistd::mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
        std::thread::scope(|scope| {
            scope.spawn(|| fs::write(path("pipe"), "late").expect("written"));
            assert_eq!(read(&path("pipe"), 10).expect("read"), b"late");
        });
    }
}
