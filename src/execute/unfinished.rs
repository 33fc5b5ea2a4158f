//! Writes and removes records of files that are being created.

use super::node_kind::{kind, lstat};
use super::{Context, Done};
use crate::host::regular::{is_own, open_regular};
use crate::plan::op::NoteFiles;
use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, fsync, syncfs, unlinkat};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

/// Records the names of the files durably. If no record can be written, there is none, and the next run rejects what a
/// power cut may leave.
///
/// # Errors
/// If the disk fails, or is full.
pub fn note(act: &NoteFiles, context: &Context) -> anyhow::Result<Done> {
    match append_line(act, context) {
        Err(error) if is_not_writable(&error) => Ok(Done::default()),
        other => other
            .map(|()| Done::default())
            .with_context(|| format!("cannot write {}", act.path)),
    }
}

/// True if the record cannot be written there.
fn is_not_writable(error: &anyhow::Error) -> bool {
    use Errno::{EACCES, EPERM, EROFS};
    let errno = error.downcast_ref::<Errno>();
    matches!(errno, Some(EROFS | EACCES | EPERM))
}

/// Appends in place: replacing the record would need a temporary name, which a run that is killed would leave behind.
fn append_line(act: &NoteFiles, context: &Context) -> anyhow::Result<()> {
    let (directory, name) = context.root.open_parent(&act.path)?;
    let mut file = open(&directory, name)?;
    file.write_all(act.line()?.as_bytes())?;
    file.sync_all()?;
    sync_directory(&directory)
}

/// Creates the record, or opens one of an earlier run. Anything else that has the name, such as a device or a hard link
/// to another file, must not be written to.
fn open(directory: &OwnedFd, name: &str) -> anyhow::Result<File> {
    let create =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(directory, name, create, Mode::S_IRUSR | Mode::S_IWUSR) {
        Err(Errno::EEXIST) => {}
        other => return Ok(File::from(other?)),
    }
    let access = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOFOLLOW;
    let found = open_regular(access, |flags| {
        openat(directory, name, flags, Mode::empty())
    })?;
    match found {
        Some((file, stat)) if is_own(&file, &stat) => Ok(file),
        _ => bail!("something that kindling did not make has this name; remove it"),
    }
}

/// Syncs a directory. It is opened again, since an `O_PATH` handle cannot be synced.
fn sync_directory(directory: &OwnedFd) -> anyhow::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = openat(directory, ".", flags, Mode::empty())?;
    Ok(fsync(&directory)?)
}

/// Makes the files durable, wherever they are, then removes their record.
///
/// # Errors
/// If the disk fails.
pub fn forget(act: &NoteFiles, context: &Context) -> anyhow::Result<Done> {
    make_durable(act, context).context("cannot make the files written durable")?;
    let (directory, name) = match context.root.open_parent(&act.path) {
        Err(Errno::EROFS) => return Ok(Done::default()),
        other => other?,
    };
    match remove_file(&directory, name) {
        Ok(()) => sync_directory(&directory)?,
        Err(Errno::ENOENT | Errno::EROFS) => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot remove {}", act.path));
        }
    }
    Ok(Done::default())
}

/// Removes the record, but not anything else that has its name.
fn remove_file(directory: &OwnedFd, name: &str) -> nix::Result<()> {
    match lstat(directory, name)? {
        Some(node) if kind(&node) == SFlag::S_IFREG => {
            unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)
        }
        _ => Ok(()),
    }
}

/// Syncs each file system once.
fn make_durable(act: &NoteFiles, context: &Context) -> anyhow::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let mut synced = BTreeSet::new();
    for path in &act.directories {
        let path = if path == "/" { "." } else { path };
        let directory = match context.root.open_at(path, flags, Mode::empty()) {
            // An earlier run was about to create something there that is no longer requested.
            Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
            other => other?,
        };
        if synced.insert(fstat(&directory)?.st_dev) {
            syncfs(&directory)?;
        }
    }
    Ok(())
}
