//! Walks a directory tree without recursion and with a single descriptor, however deep the tree is: its owner
//! decides how deep that is.

use crate::host::root::open_resolved;
use anyhow::ensure;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat};
use nix::sys::stat::{Mode, fstat};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What identifies a directory: device and inode.
pub(super) type InodeId = (u64, u64);

/// A place in a tree.
#[derive(Debug)]
pub(super) struct TreeWalk {
    current: OwnedFd,
    /// Names in this directory that have not been returned yet.
    names: Vec<CString>,
    parents: Vec<ParentDirectory>,
}

/// A directory above the current one.
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
            current: top,
            parents: Vec::new(),
        })
    }

    /// The current directory.
    pub(super) fn current(&self) -> &OwnedFd {
        &self.current
    }

    /// True for the directory that the walk started in.
    pub(super) fn is_at_top(&self) -> bool {
        self.parents.is_empty()
    }

    /// The next name in this directory.
    pub(super) fn next_name(&mut self) -> Option<CString> {
        self.names.pop()
    }

    /// Enters a directory that was opened in this one.
    pub(super) fn enter(&mut self, name: CString, directory: OwnedFd) -> nix::Result<()> {
        let level = ParentDirectory {
            identity: identity(&self.current)?,
            names: std::mem::replace(&mut self.names, names(&directory)?),
            entered: name,
        };
        self.parents.push(level);
        self.current = directory;
        Ok(())
    }

    /// Returns to the parent directory; gives the name of the one that was left, `None` at the top.
    pub(super) fn leave(&mut self) -> anyhow::Result<Option<CString>> {
        let Some(level) = self.parents.pop() else {
            return Ok(None);
        };
        let parent = openat(&self.current, "..", DIRECTORY, Mode::empty())?;
        // Otherwise whoever moves the current directory could choose where the walk continues.
        ensure!(
            identity(&parent)? == level.identity,
            "a directory was moved in the meantime"
        );
        self.current = parent;
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
    parent: &OwnedFd,
    name: &P,
) -> nix::Result<OwnedFd> {
    openat(parent, name, DIRECTORY, Mode::empty())
}

/// Opens a directory in another one unless something is mounted on it (`EXDEV`).
pub(super) fn open_directory_unless_mounted(parent: &OwnedFd, name: &CStr) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(DIRECTORY).resolve(resolve);
    open_resolved(parent, name, how)
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
