//! Opens regular files of a tree, and nothing else.
//!
//! To open a device is enough to make some drivers act: a watchdog starts, a tape rewinds, a line hangs up. So a name is
//! first resolved without opening what it leads to, and only a regular file is then opened.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{FsType, MSDOS_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// Mark of exFAT (linux/magic.h).
const EXFAT_SUPER_MAGIC: FsType = FsType(0x2011_BAB0);

/// Opens what `by_name` leads to with the flags `access`, if it is a regular file; `None` if it is anything else.
/// `by_name` opens it with the flags it is given, the first time for a handle (`O_PATH`) only.
///
/// # Errors
/// The name leads nowhere, or the file cannot be opened so. `ESTALE` if another node took its name in between, where
/// `/proc`, through which the node itself is opened, is not mounted.
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
    // The link in /proc has to be followed, even where one of that name must not be.
    let file = match open(path.as_str(), access - OFlag::O_NOFOLLOW, Mode::empty()) {
        Ok(file) => file,
        Err(_) => open_same(access, &stat, by_name)?,
    };
    Ok(Some((File::from(file), stat)))
}

/// Opens by name what was seen under that name, where `/proc` is not mounted.
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

/// True if the user of this process owns the file, and no other name leads to it: whoever can write to a directory can
/// put another name of a foreign file there. On a file system that keeps no owners, nobody else can be told.
pub fn is_own(file: &File, stat: &FileStat) -> bool {
    stat.st_nlink == 1 && (stat.st_uid == uzers::get_effective_uid() || has_no_owners(file))
}

fn has_no_owners(file: &File) -> bool {
    fstatfs(file).is_ok_and(|about| {
        matches!(
            about.filesystem_type(),
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
        for (name, access, want) in [
            ("file", OFlag::O_RDONLY, true),
            ("link", OFlag::O_RDONLY, true),
            ("file", OFlag::O_WRONLY | OFlag::O_NOFOLLOW, true),
            ("link", OFlag::O_RDONLY | OFlag::O_NOFOLLOW, false),
            ("pipe", OFlag::O_RDONLY, false),
            (".", OFlag::O_RDONLY, false),
        ] {
            let asked = RefCell::new(Vec::new());
            let found = open_regular(access, |flags| {
                asked.borrow_mut().push(flags);
                by_name(&path(name))(flags)
            });
            assert_eq!(found.expect("looked at").is_some(), want, "{name}");
            let asked = asked.into_inner();
            assert!(asked.len() == 1 && asked[0].contains(OFlag::O_PATH));
        }
    }

    #[test]
    fn without_proc_a_node_that_took_the_name_is_not_taken_for_the_one_seen() {
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
