//! Files that are written for people and programs outside the target: either completely or not at all.
//!
//! A name may lead to anything. A regular file is replaced when the new one is complete; a device, a pipe or a symbolic
//! link was set up by somebody for a purpose, so it is kept and written through.

use anyhow::{Context, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Mode of files that may show contents of a config: only their owner can read them.
pub(crate) const PRIVATE: u32 = 0o600;

/// How a new file is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions {
    /// Its mode.
    pub mode: u32,
    /// It is on the disk before it gets its name.
    pub is_durable: bool,
}

const PRIVATE_FILE: WriteOptions = WriteOptions {
    mode: PRIVATE,
    is_durable: false,
};

/// Writes `text` to `path` with mode 0600, or leaves what was there. `what` names it in errors.
///
/// # Errors
/// If it cannot be written; the message names the file.
pub(crate) fn write(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    write_with(path, what, |file| Ok(file.write_all(text)?))
}

/// [`write()`] in several pieces.
///
/// # Errors
/// If it cannot be written; the message names the file.
pub(crate) fn write_with(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    put(path, PRIVATE_FILE, write)
        .with_context(|| format!("cannot write {what} to {}", path.display()))
}

/// Writes to what is at `path`. A regular file is replaced by the new one when that is complete.
///
/// # Errors
/// If it cannot be written; the message is the cause, without the name of the file.
pub(crate) fn put(
    path: &Path,
    write_options: WriteOptions,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => write_into(path, write_options.mode, write),
        _ => replace(path, write_options, write),
    }
}

fn replace(
    path: &Path,
    write_options: WriteOptions,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut created = new_temporary_file(path)?;
    let mode = PermissionsExt::from_mode(write_options.mode);
    created.as_file().set_permissions(mode)?;
    let mut file = BufWriter::new(created.as_file_mut());
    write(&mut file)?;
    file.flush()?;
    drop(file);
    if write_options.is_durable {
        created.as_file().sync_all()?;
    }
    created.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// A temporary file in the directory of `path`.
fn new_temporary_file(path: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let directory = directory_of(path);
    tempfile::NamedTempFile::new_in(directory).map_err(|error| {
        // The name that was tried is of no use to anybody.
        let text = error.to_string();
        let cause = text
            .rsplit_once(" at path ")
            .map_or(&*text, |(cause, _)| cause);
        anyhow::anyhow!("cannot create a file in {}: {cause}", directory.display())
    })
}

fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Writes into what is there, e.g. `/dev/stdout`; a pipe without a reader is an error. A regular file that a link leads
/// to is truncated first, and created if the link is dangling.
fn write_into(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .truncate(true)
        .mode(mode)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    let mut file = match options.open(path) {
        // Not in the first attempt: with this flag the kernel rejects pipes of other users in directories like /tmp.
        Err(error) if error.kind() == ErrorKind::NotFound => options.create(true).open(path)?,
        other => other?,
    };
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?) - OFlag::O_NONBLOCK;
    fcntl(&file, FcntlArg::F_SETFL(flags))?;
    let mut file = BufWriter::new(&mut file);
    write(&mut file)?;
    Ok(file.flush()?)
}

/// Checks that [`write()`] will be possible. This is for use before a run, since after it, it is too late to find out
/// that a report cannot be written. A device or a pipe is not touched.
///
/// # Errors
/// If it will not be possible; the message names the file.
pub(crate) fn check(path: &Path, what: &str) -> anyhow::Result<()> {
    check_path(path).with_context(|| format!("cannot write {what} to {}", path.display()))
}

fn check_path(path: &Path) -> anyhow::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => bail!("it is a directory"),
        Ok(metadata) if metadata.file_type().is_socket() => bail!("it is a socket"),
        Ok(metadata) if !metadata.is_file() => return Ok(()),
        // A dangling link is written through, and its target is created.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Ok(target) = fs::read_link(path) {
                return check_path(&directory_of(path).join(target));
            }
        }
        Err(error) => return Err(error.into()),
        Ok(_) => check_existing(path)?,
    }
    if names_directory(path) {
        bail!("it is the name of a directory, which does not exist");
    }
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(());
    }
    new_temporary_file(path).map(drop)
}

/// A file that is immutable or append-only cannot be replaced either. Other write permissions do not matter: it is
/// replaced as an entry of its directory.
fn check_existing(path: &Path) -> anyhow::Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    match opened {
        Err(error) if error.raw_os_error() == Some(nix::libc::EPERM) => {
            bail!("the file there is immutable or append-only")
        }
        _ => Ok(()),
    }
}

/// True for `x/`, `x/.` and `x/..`, which cannot be the name of a file.
fn names_directory(path: &Path) -> bool {
    let last = path
        .as_os_str()
        .as_bytes()
        .rsplit(|byte| *byte == b'/')
        .next();
    matches!(last, None | Some(b"" | b"." | b".."))
}

/// Writes a file of our own in several pieces, with mode 0600, in a directory that is created if it is missing. It
/// replaces whatever has its name.
///
/// # Errors
/// If it cannot be written; the message names the file or the directory.
pub(crate) fn write_below_with(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let act = || format!("cannot write {what} to {}", path.display());
    make_directory_of(path).with_context(act)?;
    replace(path, PRIVATE_FILE, write).with_context(act)
}

/// [`write()`] in a directory that is created if it is missing.
///
/// # Errors
/// If it cannot be written; the message names the file or the directory.
pub(crate) fn write_below(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    make_directory_of(path)
        .with_context(|| format!("cannot write {what} to {}", path.display()))?;
    write(path, what, text)
}

/// Creates the directory that a file is in, and its parents, as far as they are missing.
///
/// # Errors
/// If it cannot be created; the message names the directory.
pub(crate) fn make_directory_of(path: &Path) -> anyhow::Result<()> {
    let act = || format!("cannot create {}", directory_of(path).display());
    make_directory_of_mode(path, 0o777).with_context(act)
}

/// Creates the directory that a file is in, and its parents, as far as they are missing; all with a mode, minus the
/// umask.
pub(crate) fn make_directory_of_mode(path: &Path, mode: u32) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(mode)
        .create(directory_of(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("read")
    }

    #[test]
    fn nodes_other_than_files_are_not_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        write(&link, "the report", b"text").expect("written");
        assert!(link.is_symlink());
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
        for path in [directory.path(), Path::new("/dev/full"), &pipe] {
            let error = write(path, "the report", b"text").expect_err("not written");
            let start = format!("cannot write the report to {}", path.display());
            assert_eq!(error.to_string(), start);
        }
    }

    #[test]
    fn links_and_devices_are_written_through_by_every_writer() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let write_options = WriteOptions {
            mode: 0o644,
            is_durable: true,
        };
        fs::write(path("file"), "longer than what is written").expect("a file");
        for (link, target) in [("to-file", "file"), ("to-nothing", "new")] {
            std::os::unix::fs::symlink(target, path(link)).expect("a link");
            check(&path(link), "the report").expect("there is a place");
            put(&path(link), write_options, |file| {
                Ok(file.write_all(b"text")?)
            })
            .expect("written");
            assert!(path(link).is_symlink());
            assert_eq!(text(&path(target)), "text");
        }
        let null = path("null");
        let created = mknod(&null, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3));
        // Only root can create one, and not everywhere.
        if created.is_ok() {
            let _ = put(&null, write_options, |file| Ok(file.write_all(b"text")?));
            let kind = fs::symlink_metadata(&null).expect("there").file_type();
            assert!(kind.is_char_device());
        }
    }

    #[test]
    fn a_file_is_replaced_and_not_written_through() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "before").expect("a file");
        fs::hard_link(path("file"), path("other")).expect("a second name");
        write(&path("file"), "the report", b"after").expect("written");
        assert_eq!(text(&path("file")), "after");
        assert_eq!(text(&path("other")), "before");
        let mode = fs::metadata(path("file")).expect("there").permissions();
        assert_eq!(mode.mode() & 0o7777, PRIVATE);
    }

    #[test]
    fn paths_that_cannot_be_written_are_detected_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "").expect("a file");
        std::os::unix::fs::symlink("absent/x", path("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
        for (name, expected) in [
            ("absent/x", "No such file or directory"),
            ("link", "No such file or directory"),
            (
                "absent/",
                "it is the name of a directory, which does not exist",
            ),
            (
                "absent/.",
                "it is the name of a directory, which does not exist",
            ),
            ("file/", "Not a directory"),
            (".", "it is a directory"),
            ("socket", "it is a socket"),
            (&"n".repeat(256), "File name too long"),
        ] {
            let error = check(&path(name), "the report").expect_err(name);
            let message = format!("{error:#}");
            let start = format!("cannot write the report to {}: ", path(name).display());
            assert!(
                message.starts_with(&start) && message.contains(expected),
                "{message}"
            );
            assert_eq!(message.matches(expected).count(), 1, "{message}");
            assert!(!message.contains(" at path "), "{message}");
        }
        for name in ["file", "new", &"n".repeat(255)] {
            check(&path(name), "the report").expect(name);
        }
        assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 3);
    }
}
