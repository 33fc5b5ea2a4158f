//! The target root: the kernel resolves all paths below it inside it.

use super::account_names::CachedDatabases;
use super::regular::open_regular;
use crate::input;
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{FileStat, Mode, fchmod, mkdirat};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum size in bytes of a text file of the target that is read: account databases, units, settings.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Reads a text of the target into memory.
///
/// # Errors
/// If it is larger than 16 MiB, or cannot be read.
pub fn read_bounded(mut file: impl Read) -> io::Result<Vec<u8>> {
    input::read_all(&mut file, MAX_TEXT_BYTES)
}

/// A directory that will be `/` of the provisioned machine. Links in it, absolute ones and `..`
/// included, never lead out of it.
#[derive(Debug, Clone)]
pub struct TargetRoot {
    path: PathBuf,
    names: Arc<CachedDatabases>,
}

impl TargetRoot {
    /// A root at `path`. It is opened again for each operation, since a file system may be mounted on it while a plan
    /// runs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            names: Arc::default(),
        }
    }
    /// Its path on the host, for messages and for tools that take `--root`.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The cached account databases, which clones share.
    pub fn cached_databases(&self) -> &CachedDatabases {
        &self.names
    }
    /// Opens the directory itself.
    pub fn open(&self) -> nix::Result<OwnedFd> {
        open(
            &self.path,
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    }
    /// Opens `path` inside the root, following links inside the root only.
    pub fn open_at(&self, path: &str, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        open_in(&self.open()?, path, flags, mode)
    }
    /// Opens `path` inside the root; a link on the way or at its end is an error (`ELOOP`).
    pub fn open_without_links(&self, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        open_how(&self.open()?, path, flags, Mode::empty(), resolve)
    }
    /// Opens a regular file inside the root; `None` if something else is there, which is not opened. Links are
    /// followed inside the root, except with `O_NOFOLLOW` at the end.
    pub fn open_file(&self, path: &str, access: OFlag) -> nix::Result<Option<(File, FileStat)>> {
        open_regular(access, |flags| self.open_at(path, flags, Mode::empty()))
    }
    /// The directory that a clean path is in, empty for the root itself, and its last component.
    pub fn split(path: &str) -> (&str, &str) {
        path.rsplit_once('/').unwrap_or(("", path))
    }
    /// Opens the directory that a clean path is in, creating missing directories (root-owned 0755), and returns it with
    /// the last component, which is `.` for the root itself.
    pub fn open_parent<'p>(&self, path: &'p str) -> nix::Result<(OwnedFd, &'p str)> {
        let (parent, name) = Self::split(path);
        let root = self.open()?;
        if parent.is_empty() {
            return Ok((root, if name.is_empty() { "." } else { name }));
        }
        let directory = match open_directory(&root, parent) {
            Err(Errno::ENOENT) => {
                create_directories(&root, parent, |directory, name, _| {
                    // Sets the mode of the directory that was created, even if something else has its name by now.
                    let created = open_created(directory, name)?;
                    fchmod(created, Mode::from_bits_truncate(0o755))
                })?;
                open_directory(&root, parent)?
            }
            other => other?,
        };
        Ok((directory, name))
    }
    /// Text of a regular file inside the root, following links; `None` if there is none.
    pub fn read(&self, path: &str) -> std::io::Result<Option<String>> {
        let opened = match self.open_file(path, OFlag::O_RDONLY) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ELOOP) => None,
            other => other?,
        };
        let Some((file, _)) = opened else {
            return Ok(None);
        };
        let bytes = read_bounded(file)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
    /// Reads a regular file inside the root, following links.
    ///
    /// # Errors
    /// If there is none, something else is there, it has more than `limit_bytes`, or it cannot be read.
    pub fn read_regular(&self, path: &str, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let Some((mut file, _)) = self.open_file(path, OFlag::O_RDONLY)? else {
            let message = "it is not a regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        input::read_all(&mut file, limit_bytes)
    }
}

fn open_in(root: &OwnedFd, path: &str, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    open_how(root, path, flags, mode, resolve)
}

fn open_how(
    root: &OwnedFd,
    path: &str,
    flags: OFlag,
    mode: Mode,
    resolve: ResolveFlag,
) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .mode(mode)
        .resolve(resolve);
    let path = match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    };
    open_resolved(root, path, how)
}

/// openat2(2), repeated until it is neither interrupted nor disturbed: the kernel gives up with `EAGAIN` when a rename
/// elsewhere races with resolving `..`.
///
/// # Errors
/// Any other error of openat2(2).
pub fn open_resolved<P: NixPath + ?Sized>(
    directory: &OwnedFd,
    path: &P,
    how: OpenHow,
) -> nix::Result<OwnedFd> {
    loop {
        match openat2(directory, path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn open_directory(root: &OwnedFd, path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    open_in(root, path, flags, Mode::empty())
}

fn open_created(parent: &OwnedFd, name: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// A directory that cannot be created.
#[derive(Debug)]
pub(super) struct UncreatedDirectory {
    /// Its path.
    pub path: String,
    /// The cause.
    pub cause: Errno,
}

impl From<UncreatedDirectory> for Errno {
    fn from(directory: UncreatedDirectory) -> Self {
        directory.cause
    }
}

/// Creates the directories of a path that are missing, each with mode 0755 minus the umask; links are followed inside
/// the root. `on_creation` is called for each new one with the directory that it is in, its name, and its path.
pub(super) fn create_directories(
    root: &OwnedFd,
    path: &str,
    mut on_creation: impl FnMut(&OwnedFd, &str, &str) -> nix::Result<()>,
) -> Result<(), UncreatedDirectory> {
    let path = format!("/{}", path.trim_matches('/'));
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    for end in ends.chain([path.len()]) {
        let path = &path[..end];
        let (parent, name) = TargetRoot::split(path);
        if name.is_empty() || open_directory(root, path).is_ok() {
            continue;
        }
        let created = open_directory(root, parent).and_then(|parent| {
            match mkdirat(&parent, name, Mode::from_bits_truncate(0o755)) {
                Ok(()) => on_creation(&parent, name, path),
                // Another operation was faster, or it is a dangling link, which fails when it is opened.
                Err(Errno::EEXIST) => Ok(()),
                Err(error) => Err(error),
            }
        });
        created.map_err(|cause| UncreatedDirectory {
            path: path.to_owned(),
            cause,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_never_lead_out() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let outside = tempfile::tempdir().expect("a temporary directory");
        symlink(outside.path(), dir.path().join("absolute")).expect("a link");
        symlink("../../../../../../../tmp", dir.path().join("climbing")).expect("a link");
        let root = TargetRoot::new(dir.path());
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        assert_eq!(
            root.open_at("/absolute", flags, Mode::empty()).err(),
            Some(Errno::ENOENT)
        );
        assert_eq!(
            root.open_at("/climbing", flags, Mode::empty()).err(),
            Some(Errno::ENOENT)
        );
        assert_eq!(root.open_parent("/absolute/x").err(), Some(Errno::ENOENT));
        assert_eq!(
            std::fs::read_dir(outside.path()).expect("readable").count(),
            0
        );
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = TargetRoot::new(dir.path());
        std::fs::write(dir.path().join("file"), "text").expect("a file");
        std::fs::create_dir(dir.path().join("directory")).expect("a directory");
        let socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket"));
        drop(socket.expect("a socket"));
        nix::unistd::mkfifo(&dir.path().join("fifo"), Mode::S_IRUSR).expect("a FIFO");
        for (path, text) in [
            ("/file", Some("text")),
            ("/directory", None),
            ("/socket", None),
            ("/fifo", None),
            ("/file/below", None),
            ("/missing", None),
        ] {
            let read = root.read(path).expect("no error");
            assert_eq!(read.as_deref(), text, "{path}");
        }
    }

    #[test]
    fn missing_parents_are_created() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = TargetRoot::new(dir.path());
        let (_, name) = root.open_parent("/a/b/c").expect("parents can be made");
        assert_eq!(name, "c");
        assert!(dir.path().join("a/b").is_dir());
        let (_, name) = root.open_parent("/").expect("the root is there");
        assert_eq!(name, ".");
    }
}
