//! Removes nodes with everything below them.

use super::node_kind::{kind, lstat};
use super::walk::{self, TreeWalk};
use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::sys::stat::SFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Removes `name` in `directory` with everything below it, without following links; it may be missing. A mount point is
/// emptied and kept. Anything mounted further below is not touched, and is an error.
pub(super) fn remove_tree(directory: &OwnedFd, name: &str) -> anyhow::Result<()> {
    let Some(stat) = lstat(directory, name)? else {
        return Ok(());
    };
    if kind(&stat) != SFlag::S_IFDIR {
        return ignore_missing(unlinkat(directory, name, UnlinkatFlags::NoRemoveDir));
    }
    empty_directory(walk::open_directory(directory, name)?)?;
    match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
        Err(Errno::EBUSY) => Ok(()),
        other => ignore_missing(other),
    }
}

/// Removes everything in a directory.
fn empty_directory(directory: OwnedFd) -> anyhow::Result<()> {
    let mut walk = TreeWalk::of(directory)?;
    loop {
        if let Some(name) = walk.next_name() {
            let act = format!("cannot remove {name:?} in it");
            remove_or_enter(&mut walk, name).context(act)?;
        } else if let Some(emptied) = walk.leave()? {
            let removed = unlinkat(walk.current(), emptied.as_c_str(), UnlinkatFlags::RemoveDir);
            ignore_missing(removed).with_context(|| format!("cannot remove {emptied:?} in it"))?;
        } else {
            return Ok(());
        }
    }
}

fn remove_or_enter(walk: &mut TreeWalk, name: CString) -> anyhow::Result<()> {
    let current = walk.current();
    let Some(stat) = lstat(current, name.as_c_str())? else {
        return Ok(());
    };
    if kind(&stat) != SFlag::S_IFDIR {
        return ignore_missing(unlinkat(
            current,
            name.as_c_str(),
            UnlinkatFlags::NoRemoveDir,
        ));
    }
    match walk::open_directory_unless_mounted(current, &name) {
        Ok(directory) => Ok(walk.enter(name, directory)?),
        Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EXDEV) => bail!("a file system is mounted there"),
        Err(error) => Err(error.into()),
    }
}

fn ignore_missing(result: nix::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(Errno::ENOENT) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::{Mode, mkdirat};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn opened(path: &std::path::Path) -> OwnedFd {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        open(path, flags, Mode::empty()).expect("opened")
    }

    #[test]
    fn a_tree_of_any_depth_and_with_any_names_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = opened(dir.path());
        mkdirat(&top, "deep", Mode::S_IRWXU).expect("made");
        let mut here = opened(&dir.path().join("deep"));
        for _ in 0..5_000 {
            mkdirat(&here, "a", Mode::S_IRWXU).expect("made");
            here = walk::open_directory(&here, "a").expect("opened");
        }
        drop(here);
        let odd = dir.path().join("deep").join(OsStr::from_bytes(b"x\xff"));
        std::fs::create_dir(&odd).expect("made");
        std::fs::write(odd.join(OsStr::from_bytes(b"\n\xfe")), "").expect("written");
        std::os::unix::fs::symlink("/", odd.join("link")).expect("linked");
        remove_tree(&top, "deep").expect("removed");
        assert!(!dir.path().join("deep").exists());
        remove_tree(&top, "deep").expect("absence is fine");
    }

    /// The number of open descriptors does not depend on the depth.
    #[test]
    fn a_deep_tree_needs_few_descriptors() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = opened(dir.path());
        let mut path = dir.path().join("d");
        for _ in 0..400 {
            path.push("a");
        }
        std::fs::create_dir_all(&path).expect("made");
        let mut walk = TreeWalk::of(top.try_clone().expect("a copy")).expect("read");
        let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let before = open();
        let mut max_open = 0;
        while let Some(name) = walk.next_name() {
            let below = walk::open_directory(walk.current(), name.as_c_str()).expect("opened");
            walk.enter(name, below).expect("entered");
            max_open = max_open.max(open());
        }
        // Other tests open files at the same time.
        assert!(max_open < before + 300, "{before}, then {max_open}");
        while walk.leave().expect("back").is_some() {}
        assert!(walk.is_at_top());
    }
}
