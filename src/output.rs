//! Files that are written for people and programs outside the target: complete or not there at all.
//!
//! A name may lead to anything. A regular file is replaced when the new one is complete; a device, a pipe or a symbolic
//! link is somebody else's arrangement, so it stays, and is written through.

use anyhow::{Context, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of what may name the contents of a config: its owner alone can read it.
pub(crate) const PRIVATE: u32 = 0o600;

/// How a new file is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Its mode.
    pub mode: u32,
    /// It is on the disk when it has its name.
    pub is_durable: bool,
}

const KEPT_PRIVATE: Keeping = Keeping {
    mode: PRIVATE,
    is_durable: false,
};

/// Writes `text` to `path` with mode 0600, or leaves what was there. `what` names it in errors.
///
/// # Errors
/// Names the file.
pub(crate) fn write(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    write_with(path, what, |file| Ok(file.write_all(text)?))
}

/// [`write()`] piece by piece.
///
/// # Errors
/// Names the file.
pub(crate) fn write_with(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    put(path, KEPT_PRIVATE, write)
        .with_context(|| format!("cannot write {what} to {}", path.display()))
}

/// Writes to what is at `path`: a new file takes the place of a regular file or of nothing, when all of it is written.
///
/// # Errors
/// The cause, without the name of the file.
pub(crate) fn put(
    path: &Path,
    keeping: Keeping,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.is_file() => write_into(path, keeping.mode, write),
        _ => replace(path, keeping, write),
    }
}

fn replace(
    path: &Path,
    keeping: Keeping,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut made = new_beside(path)?;
    let mode = PermissionsExt::from_mode(keeping.mode);
    made.as_file().set_permissions(mode)?;
    let mut file = BufWriter::new(made.as_file_mut());
    write(&mut file)?;
    file.flush()?;
    drop(file);
    if keeping.is_durable {
        made.as_file().sync_all()?;
    }
    made.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// A file without a lasting name, in the directory of `path`.
fn new_beside(path: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let directory = directory_of(path);
    tempfile::NamedTempFile::new_in(directory).map_err(|error| {
        // The name that was tried says nothing to anybody.
        let text = error.to_string();
        let cause = text
            .rsplit_once(" at path ")
            .map_or(&*text, |(cause, _)| cause);
        anyhow::anyhow!("cannot create a file in {}: {cause}", directory.display())
    })
}

fn directory_of(path: &Path) -> &Path {
    let above = path.parent().filter(|p| !p.as_os_str().is_empty());
    above.unwrap_or(Path::new("."))
}

/// Writes into what is there, e.g. `/dev/stdout`; a pipe without a reader is an error. A regular file behind a link is
/// emptied first, and made where the link leads to nothing.
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
        // Not at once: with this flag the kernel refuses pipes of others in directories like /tmp.
        Err(error) if error.kind() == ErrorKind::NotFound => options.create(true).open(path)?,
        other => other?,
    };
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?) - OFlag::O_NONBLOCK;
    fcntl(&file, FcntlArg::F_SETFL(flags))?;
    let mut file = BufWriter::new(&mut file);
    write(&mut file)?;
    Ok(file.flush()?)
}

/// Whether [`write()`] will have somewhere to write to: asked before a run, since a report that cannot be kept is known too
/// late after it. A device or a pipe is left alone.
///
/// # Errors
/// Names the file.
pub(crate) fn check(path: &Path, what: &str) -> anyhow::Result<()> {
    check_place(path).with_context(|| format!("cannot write {what} to {}", path.display()))
}

fn check_place(path: &Path) -> anyhow::Result<()> {
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => bail!("it is a directory"),
        Ok(about) if about.file_type().is_socket() => bail!("it is a socket"),
        Ok(about) if !about.is_file() => return Ok(()),
        // A link is written through, to where nothing is yet.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Ok(target) = fs::read_link(path) {
                return check_place(&directory_of(path).join(target));
            }
        }
        Err(error) => return Err(error.into()),
        Ok(_) => check_present(path)?,
    }
    if is_for_directories(path) {
        bail!("it is the name of a directory, which does not exist");
    }
    if fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink()) {
        return Ok(());
    }
    new_beside(path).map(drop)
}

/// A file that is immutable or append-only is not replaced either. Other rights to write to it do not count: it is
/// replaced as an entry of its directory.
fn check_present(path: &Path) -> anyhow::Result<()> {
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

/// True for `x/`, `x/.` and `x/..`, which no file can have for a name.
fn is_for_directories(path: &Path) -> bool {
    let last = path
        .as_os_str()
        .as_bytes()
        .rsplit(|byte| *byte == b'/')
        .next();
    matches!(last, None | Some(b"" | b"." | b".."))
}

/// Writes a file of our own piece by piece, with mode 0600, in a directory that is made if it is not there. It replaces
/// whatever has its name.
///
/// # Errors
/// Names the file or the directory.
pub(crate) fn write_below_with(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let act = || format!("cannot write {what} to {}", path.display());
    make_directory_of(path).with_context(act)?;
    replace(path, KEPT_PRIVATE, write).with_context(act)
}

/// [`write()`] in a directory that is made if it is not there.
///
/// # Errors
/// Names the file or the directory.
pub(crate) fn write_below(path: &Path, what: &str, text: &[u8]) -> anyhow::Result<()> {
    make_directory_of(path)
        .with_context(|| format!("cannot write {what} to {}", path.display()))?;
    write(path, what, text)
}

/// Makes the directory that a file is in, and those above it, where they are missing.
///
/// # Errors
/// Names the directory.
pub(crate) fn make_directory_of(path: &Path) -> anyhow::Result<()> {
    let directory: PathBuf = directory_of(path).into();
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("read")
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
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
        let keeping = Keeping {
            mode: 0o644,
            is_durable: true,
        };
        fs::write(path("file"), "longer than what is written").expect("a file");
        for (link, target) in [("to-file", "file"), ("to-nothing", "new")] {
            std::os::unix::fs::symlink(target, path(link)).expect("a link");
            check(&path(link), "the report").expect("there is a place");
            put(&path(link), keeping, |file| Ok(file.write_all(b"text")?)).expect("written");
            assert!(path(link).is_symlink());
            assert_eq!(text(&path(target)), "text");
        }
        let null = path("null");
        let made = mknod(&null, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3));
        // Only root can make one, and not everywhere.
        if made.is_ok() {
            let _ = put(&null, keeping, |file| Ok(file.write_all(b"text")?));
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
    fn what_cannot_be_written_is_known_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "").expect("a file");
        std::os::unix::fs::symlink("absent/x", path("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
        for (name, want) in [
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
            let told = format!("{error:#}");
            let start = format!("cannot write the report to {}: ", path(name).display());
            assert!(told.starts_with(&start) && told.contains(want), "{told}");
            assert_eq!(told.matches(want).count(), 1, "{told}");
            assert!(!told.contains(" at path "), "{told}");
        }
        for name in ["file", "new", &"n".repeat(255)] {
            check(&path(name), "the report").expect(name);
        }
        assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 3);
    }
}
