//! Files that people name: read with a limit, and never waited for without end.
//!
//! A name may lead to anything: a directory, a device that has no end, a pipe that nobody writes to.

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
/// How often it is looked whether there is one, in milliseconds.
const WRITER_CHECK: u8 = 20;

/// Reads all of a file; from a pipe, what its writer writes until it closes it.
///
/// # Errors
/// It cannot be opened or read, nobody writes to it, or it has more than `limit_bytes`.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    read_all(&mut open(path)?, limit_bytes)
}

/// Reads to the end.
///
/// # Errors
/// There are more than `limit_bytes`, or it cannot be read.
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
/// It cannot be opened, it is a directory or a socket, or it is a pipe and nobody writes to it.
pub(crate) fn open(path: &Path) -> io::Result<Input> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
        .map_err(|error| explained(path, error))?;
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

/// The kernel says of a socket that there is no such device.
fn explained(path: &Path, error: io::Error) -> io::Error {
    let is_socket = std::fs::metadata(path).is_ok_and(|about| about.file_type().is_socket());
    match is_socket {
        true => io::Error::new(ErrorKind::InvalidInput, "it is a socket"),
        false => error,
    }
}

/// Waits until somebody has opened the other end of a pipe that is opened without blocking; gives what had to be read for
/// that.
fn await_writer(mut pipe: &File) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + WRITER_TIMEOUT;
    let mut byte = [0];
    loop {
        let mut polled = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        // Readable, or closed by a writer that has come and gone.
        if poll(&mut polled, WRITER_CHECK)? > 0 {
            return Ok(Vec::new());
        }
        match pipe.read(&mut byte) {
            // Without a writer an empty pipe is at its end.
            Ok(0) if Instant::now() < deadline => {}
            Ok(0) => {
                let message = "it is a pipe that nothing writes to";
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            Ok(_) => return Ok(byte.to_vec()),
            // With one there is nothing to read yet.
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
    fn what_is_no_file_is_an_error_and_no_wait() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        nix::unistd::mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
        let _listener = UnixListener::bind(path("socket")).expect("a socket");
        fs::write(path("large"), [b'x'; 11]).expect("a file");
        for (path, want) in [
            (path("pipe"), "it is a pipe that nothing writes to"),
            (path("socket"), "it is a socket"),
            (path("large"), "more than 10 bytes"),
            ("/dev/zero".into(), "more than 10 bytes"),
            (directory.path().into(), "is a directory"),
            (path("absent"), "No such file or directory"),
        ] {
            let error = read(&path, 10).expect_err("not readable").to_string();
            assert!(error.contains(want), "{}: {error}", path.display());
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
