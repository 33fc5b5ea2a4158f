//! Names in directories of the target.

use crate::host::TargetRoot;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

/// Names in a directory; none if it is a link or does not exist.
pub(super) fn names(root: &TargetRoot, path: &str) -> nix::Result<Vec<String>> {
    names_with(root, path, OFlag::O_NOFOLLOW)
}

/// Names in a directory or in the one that a link leads to; none if it does not exist.
pub(super) fn names_following_link(root: &TargetRoot, path: &str) -> nix::Result<Vec<String>> {
    names_with(root, path, OFlag::empty())
}

fn names_with(root: &TargetRoot, path: &str, flags: OFlag) -> nix::Result<Vec<String>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | flags;
    let directory = match root.open_at(path, flags, Mode::empty()) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG) => {
            return Ok(Vec::new());
        }
        other => other?,
    };
    let mut stream = nix::dir::Dir::from_fd(directory)?;
    let names = stream.iter().map(|entry| {
        let entry = entry?;
        Ok(entry.file_name().to_string_lossy().into_owned())
    });
    let names: nix::Result<Vec<String>> = names.collect();
    Ok(names?
        .into_iter()
        .filter(|name| name != "." && name != "..")
        .collect())
}
