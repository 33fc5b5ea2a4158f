//! The lock on the account databases that lckpwdf(3) takes, and with it the shadow tools and systemd-sysusers: without
//! it, an account that one of them adds at the same time is lost.
//!
//! In the root of the running system its file is created if it is missing. In any other tree the lock is taken only if
//! the file exists: without it no program in that tree has ever locked its databases, and an image should not contain
//! files that nobody requested. Anything but a regular file is not opened; no other program can lock it either.

use super::Context;
use crate::host::TargetRoot;
use crate::host::range_lock::range;
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::stat::{Mode, fchmod, fstat, stat};
use std::fs::File;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The file that is locked (shadow.h).
const PATH: &str = "/etc/.pwd.lock";
/// As long as lckpwdf(3) waits.
const TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Owner and mode of a new file, as lckpwdf(3) creates it.
const MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// The lock; it ends with this value.
#[derive(Debug)]
pub(super) struct AccountLock {
    _file: Option<File>,
}

impl AccountLock {
    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// If another program does not release it in time, the run is interrupted, or the file cannot be opened.
    pub(super) fn take(context: &Context) -> anyhow::Result<Self> {
        let root = context.root;
        let wait = LockWait {
            timeout: TIMEOUT,
            cancelled: &|| context.events.cancelled(),
        };
        Self::take_with(root, is_running_system(root), &wait)
    }

    fn take_with(root: &TargetRoot, creates: bool, wait: &LockWait<'_>) -> anyhow::Result<Self> {
        let act = || {
            let root = root.path().display();
            format!("cannot lock the account databases with {PATH} inside {root}")
        };
        let Some(file) = open(root, creates).with_context(act)? else {
            return Ok(Self { _file: None });
        };
        lock(&file, wait).with_context(act)?;
        Ok(Self { _file: Some(file) })
    }
}

/// How long to wait for the lock.
struct LockWait<'a> {
    timeout: Duration,
    /// True if the run was interrupted.
    cancelled: &'a dyn Fn() -> bool,
}

/// True if `root` is the root of this process.
fn is_running_system(root: &TargetRoot) -> bool {
    let target = root.open().and_then(fstat);
    let same = |target: libc::stat, own: libc::stat| {
        (target.st_dev, target.st_ino) == (own.st_dev, own.st_ino)
    };
    matches!((target, stat("/")), (Ok(target), Ok(own)) if same(target, own))
}

/// Opens the file. None if there is nothing that can be locked, and it is not to be created or has no directory.
fn open(root: &TargetRoot, creates: bool) -> anyhow::Result<Option<File>> {
    let present = open_present(root)?;
    if present.is_some() || !creates {
        return Ok(present);
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    match root.open_at(PATH, flags, MODE) {
        Ok(file) => {
            // Whatever the mask of this process leaves.
            fchmod(&file, MODE)?;
            Ok(Some(file.into()))
        }
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        // Another program has created it in the meantime, or something else has this name.
        Err(Errno::EEXIST) => open_present(root),
        Err(error) => Err(error.into()),
    }
}

fn open_present(root: &TargetRoot) -> anyhow::Result<Option<File>> {
    match root.open_file(PATH, OFlag::O_WRONLY) {
        Ok(opened) => Ok(opened.map(|(file, _)| file)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Locks the file. Locks of this kind exclude those of lckpwdf(3), but end with the open file and not with any file
/// descriptor of it that this process closes.
fn lock(file: &File, wait: &LockWait<'_>) -> anyhow::Result<()> {
    let deadline = Instant::now() + wait.timeout;
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => return Ok(()),
            Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) => {}
            // A network file system without locks: no other program can take the lock either.
            Err(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            let seconds = wait.timeout.as_secs();
            bail!(
                "{} has held the lock for {seconds} s; wait until it ends, then try again",
                holder(file)
            );
        }
        ensure!(!(wait.cancelled)(), "the run was interrupted");
        sleep(POLL_INTERVAL);
    }
}

/// Who holds the lock, as far as the kernel says it.
fn holder(file: &File) -> String {
    let mut found = whole_file();
    let asked = fcntl(file, FcntlArg::F_OFD_GETLK(&mut found));
    match asked.is_ok() && found.l_pid > 0 {
        true => format!("process {}", found.l_pid),
        false => "another program".into(),
    }
}

fn whole_file() -> libc::flock {
    range(libc::F_WRLCK, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const SHORT: Duration = Duration::from_millis(60);

    fn take(root: &TargetRoot, creates: bool, timeout: Duration) -> anyhow::Result<AccountLock> {
        let wait = LockWait {
            timeout,
            cancelled: &|| false,
        };
        AccountLock::take_with(root, creates, &wait)
    }

    fn tree() -> (tempfile::TempDir, TargetRoot) {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("etc")).expect("made");
        let root = TargetRoot::new(directory.path());
        (directory, root)
    }

    #[test]
    fn only_the_running_system_gets_the_file() {
        let (directory, root) = tree();
        let path = directory.path().join("etc/.pwd.lock");
        take(&root, false, SHORT).expect("nothing to lock");
        assert!(!path.exists());
        take(&root, true, SHORT).expect("locked");
        let mode = fs::metadata(&path).expect("created").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert!(is_running_system(&TargetRoot::new("/")));
        assert!(!is_running_system(&root));
        let empty = tempfile::tempdir().expect("a directory");
        take(&TargetRoot::new(empty.path()), true, SHORT).expect("no /etc");
    }

    #[test]
    fn a_held_lock_is_waited_for_within_limits() {
        let (_directory, root) = tree();
        let first = take(&root, true, SHORT).expect("locked");
        let error = take(&root, false, SHORT).expect_err("held");
        let error = format!("{error:#}");
        for part in [
            "/etc/.pwd.lock",
            "has held the lock for 0 s; wait until it ends",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let interrupted = LockWait {
            timeout: TIMEOUT,
            cancelled: &|| true,
        };
        let error = AccountLock::take_with(&root, false, &interrupted).expect_err("held");
        assert!(format!("{error:#}").ends_with("the run was interrupted"));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                sleep(SHORT);
                drop(first);
            });
            take(&root, false, TIMEOUT).expect("released in time");
        });
    }

    #[test]
    fn nothing_but_a_regular_file_in_the_tree_is_opened() {
        let (directory, root) = tree();
        let path = directory.path().join("etc/.pwd.lock");
        let taken = |creates| take(&root, creates, SHORT).expect("no error");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a pipe");
        for creates in [false, true] {
            assert!(taken(creates)._file.is_none());
        }
        fs::remove_file(&path).expect("removed");
        for target in ["/etc/.pwd.lock", "/nowhere", "/etc"] {
            symlink(target, &path).expect("a link");
            assert!(taken(true)._file.is_none(), "{target}");
            fs::remove_file(&path).expect("removed");
        }
        fs::write(directory.path().join("etc/other"), "").expect("written");
        symlink("/etc/other", &path).expect("a link");
        assert!(taken(true)._file.is_some());
    }
}
