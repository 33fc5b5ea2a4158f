//! Walks a directory tree without recursion and with one descriptor in hand, however deep the tree is: its owner
//! decides how deep that is.

use anyhow::ensure;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fstat};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What tells a directory from all others: device and inode.
pub(super) type InodeId = (u64, u64);

/// A place in a tree.
#[derive(Debug)]
pub(super) struct TreeWalk {
    here: OwnedFd,
    /// Names in this directory that were not returned yet.
    names: Vec<CString>,
    above: Vec<ParentDirectory>,
}

/// A directory above the one in hand.
#[derive(Debug)]
struct ParentDirectory {
    identity: InodeId,
    names: Vec<CString>,
    /// The directory in it that was entered.
    entered: CString,
}

impl TreeWalk {
    /// Starts in a directory.
    pub(super) fn of(top: OwnedFd) -> nix::Result<Self> {
        Ok(Self {
            names: names(&top)?,
            here: top,
            above: Vec::new(),
        })
    }

    /// The directory in hand.
    pub(super) fn here(&self) -> &OwnedFd {
        &self.here
    }

    /// True for the directory that the walk started in.
    pub(super) fn is_at_top(&self) -> bool {
        self.above.is_empty()
    }

    /// The next name in this directory.
    pub(super) fn next_name(&mut self) -> Option<CString> {
        self.names.pop()
    }

    /// Goes into a directory that was opened in this one.
    pub(super) fn enter(&mut self, name: CString, directory: OwnedFd) -> nix::Result<()> {
        let level = ParentDirectory {
            identity: identity(&self.here)?,
            names: std::mem::replace(&mut self.names, names(&directory)?),
            entered: name,
        };
        self.above.push(level);
        self.here = directory;
        Ok(())
    }

    /// Goes back to the directory above; returns the name of what was left, `None` at the top.
    pub(super) fn leave(&mut self) -> anyhow::Result<Option<CString>> {
        let Some(level) = self.above.pop() else {
            return Ok(None);
        };
        let above = openat(&self.here, "..", DIRECTORY, Mode::empty())?;
        // Whoever moves the directory in hand would otherwise choose where the walk goes on.
        ensure!(
            identity(&above)? == level.identity,
            "a directory was moved in the meantime"
        );
        self.here = above;
        self.names = level.names;
        Ok(Some(level.entered))
    }
}

/// Device and inode of an open node.
pub(super) fn identity(node: &OwnedFd) -> nix::Result<InodeId> {
    let stat = fstat(node)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Opens a directory in another one; a link is an error.
pub(super) fn open_directory<P: nix::NixPath + ?Sized>(
    above: &OwnedFd,
    name: &P,
) -> nix::Result<OwnedFd> {
    openat(above, name, DIRECTORY, Mode::empty())
}

/// Opens a directory in another one unless something is mounted on it (`EXDEV`).
pub(super) fn open_directory_unless_mounted(above: &OwnedFd, name: &CStr) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(DIRECTORY).resolve(resolve);
    loop {
        match openat2(above, name, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Names in a directory.
fn names(directory: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut stream = nix::dir::Dir::from_fd(directory.try_clone().map_err(|_| Errno::EMFILE)?)?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    Ok(names)
}
