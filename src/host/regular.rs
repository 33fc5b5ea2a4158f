//! Opens regular files of a tree, and nothing else.
//!
//! Opening a device is enough to make some drivers act: a watchdog starts, a tape rewinds, a serial line hangs up. So a
//! name is first resolved without opening the node, which is then opened only if it is a regular file.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{FsType, MSDOS_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// Magic of exFAT (linux/magic.h).
const EXFAT_SUPER_MAGIC: FsType = FsType(0x2011_BAB0);

/// Opens a node with the flags `access` if it is a regular file; `None` if it is anything else. `by_name` opens the
/// node with the given flags; the first time only to get a handle (`O_PATH`).
///
/// # Errors
/// If there is no such node, or it cannot be opened with these flags. `ESTALE` if it was replaced in between; that is
/// only possible if `/proc`, through which the node itself is opened, is not mounted.
pub fn open_regular(
    access: OFlag,
    by_name: impl Fn(OFlag) -> nix::Result<OwnedFd>,
) -> nix::Result<Option<(File, FileStat)>> {
    let node = by_name((access & OFlag::O_NOFOLLOW) | OFlag::O_PATH | OFlag::O_CLOEXEC)?;
    let stat = fstat(&node)?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Ok(None);
    }
    let access = access | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let path = format!("/proc/self/fd/{}", node.as_raw_fd());
    // The link in /proc has to be followed, even if a link at the name itself must not be.
    let file = match open(path.as_str(), access - OFlag::O_NOFOLLOW, Mode::empty()) {
        Ok(file) => file,
        Err(_) => open_same(access, &stat, by_name)?,
    };
    Ok(Some((File::from(file), stat)))
}

/// Opens a node by name again, if `/proc` is not mounted, and checks that it is still the same.
fn open_same(
    access: OFlag,
    seen: &FileStat,
    by_name: impl Fn(OFlag) -> nix::Result<OwnedFd>,
) -> nix::Result<OwnedFd> {
    let file = by_name(access | OFlag::O_NONBLOCK)?;
    let stat = fstat(&file)?;
    match (stat.st_dev, stat.st_ino) == (seen.st_dev, seen.st_ino) {
        true => Ok(file),
        false => Err(Errno::ESTALE),
    }
}

/// True if the user of this process owns the file, and it has no other name: whoever can write to a directory can
/// create a hard link to somebody else's file there. On a file system without owners, only the number of names is
/// checked.
pub fn is_own(file: &File, stat: &FileStat) -> bool {
    stat.st_nlink == 1 && (stat.st_uid == uzers::get_effective_uid() || has_no_owners(file))
}

fn has_no_owners(file: &File) -> bool {
    fstatfs(file).is_ok_and(|info| {
        matches!(
            info.filesystem_type(),
            MSDOS_SUPER_MAGIC | EXFAT_SUPER_MAGIC
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::path::Path;

    fn by_name(path: &Path) -> impl Fn(OFlag) -> nix::Result<OwnedFd> + '_ {
        move |flags| open(path, flags, Mode::empty())
    }

    #[test]
    fn nothing_but_a_regular_file_is_ever_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "text").expect("a file");
        std::os::unix::fs::symlink("file", path("link")).expect("a link");
        nix::unistd::mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
        for (name, access, expected) in [
            ("file", OFlag::O_RDONLY, true),
            ("link", OFlag::O_RDONLY, true),
            ("file", OFlag::O_WRONLY | OFlag::O_NOFOLLOW, true),
            ("link", OFlag::O_RDONLY | OFlag::O_NOFOLLOW, false),
            ("pipe", OFlag::O_RDONLY, false),
            (".", OFlag::O_RDONLY, false),
        ] {
            let requests = RefCell::new(Vec::new());
            let found = open_regular(access, |flags| {
                requests.borrow_mut().push(flags);
                by_name(&path(name))(flags)
            });
            assert_eq!(found.expect("looked at").is_some(), expected, "{name}");
            let requests = requests.into_inner();
            assert!(requests.len() == 1 && requests[0].contains(OFlag::O_PATH));
        }
    }

    #[test]
    fn without_proc_a_replaced_node_is_detected() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for name in ["seen", "other"] {
            std::fs::write(path(name), name).expect("a file");
        }
        let seen = nix::sys::stat::stat(&path("seen")).expect("there");
        let opened = |name| open_same(OFlag::O_RDONLY, &seen, by_name(&path(name))).map(drop);
        assert_eq!(opened("seen"), Ok(()));
        assert_eq!(opened("other"), Err(Errno::ESTALE));
    }

    #[test]
    fn a_file_with_a_second_name_is_not_our_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "text").expect("a file");
        let is_own = || {
            let found = open_regular(OFlag::O_RDONLY, by_name(&path)).expect("looked at");
            let (file, stat) = found.expect("a regular file");
            is_own(&file, &stat)
        };
        assert!(is_own());
        std::fs::hard_link(&path, directory.path().join("other")).expect("a second name");
        assert!(!is_own());
    }
}
