//! The target root: every path below it is resolved by the kernel inside it.

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A directory that will be `/` of the provisioned machine. Links in it, absolute ones and `..`
/// included, never lead out of it.
#[derive(Debug, Clone)]
pub struct TargetRoot {
    path: PathBuf,
}

impl TargetRoot {
    /// A root at `path`. Opened anew for each operation, since a file system may be mounted on it
    /// while a plan runs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
    /// Its path on the host, for messages and for tools that take `--root`.
    pub fn path(&self) -> &Path {
        &self.path
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
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(mode)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&self.open()?, path.trim_start_matches('/'), how)
    }
}
