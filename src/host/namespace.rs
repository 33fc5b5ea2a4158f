//! Mounts of our own: a mount namespace that nothing of ours leaves.

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Deeper than any directory can be found by one path (PATH_MAX of 4096 bytes, two for each level).
const MAX_LEVELS: usize = 2048;

/// Gives this process mounts of its own: the kernel removes them when it ends, however it ends.
/// Threads that exist already keep the old view, so this comes before workers. Nothing of ours gets out,
/// but what others unmount goes away here too: a copy kept here would keep their devices busy.
///
/// # Errors
/// Says what the process lacks.
pub fn enter_private_namespace() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(explain_unshare)
        .context("cannot create a mount namespace")?;
    match receive_only("/") {
        // The root of this process is a directory of a mount, as after chroot(8), and not a mount point.
        Err(Errno::EINVAL) => leave_chroot_and_receive_only(),
        other => other.map_err(anyhow::Error::from),
    }
    .context("cannot make the mounts of this process private")
}

/// Says what each error of unshare(2) means for whoever runs the program.
fn explain_unshare(error: Errno) -> anyhow::Error {
    let meaning = match error {
        Errno::EPERM => {
            "mounting needs root with the capability CAP_SYS_ADMIN, which containers have only if privileged"
        }
        Errno::ENOSPC => "the limit user.max_mnt_namespaces is reached",
        _ => return error.into(),
    };
    anyhow::Error::from(error).context(meaning)
}

/// Mounts made below `point` are not seen outside any more; what is unmounted outside still goes away here. Not by
/// `sys-mount`, which changes the propagation of its own mounts only.
fn receive_only(point: &str) -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(none, point, none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
}

/// The mount that holds the directory we call `/` is not listed for us and has no path here, yet what is mounted below
/// that directory would appear outside. So its mount point is looked for from outside of the chroot, where the
/// process returns to afterwards. Needs CAP_SYS_CHROOT.
fn leave_chroot_and_receive_only() -> anyhow::Result<()> {
    let root = open_directory("/")?;
    let working = open_directory(".")?;
    let below = directory_below_root()?;
    chroot(&below).context("cannot look outside of the chroot(8) this runs in")?;
    let done = climb(&root).and_then(|()| receive_only("."));
    fchdir(&root).and_then(|()| chroot("."))?;
    fchdir(&working)?;
    Ok(done?)
}

fn open_directory(path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
}

/// A process whose working directory is not below its root can go up as far as the mounts do.
fn climb(from: &OwnedFd) -> nix::Result<()> {
    fchdir(from)?;
    (0..MAX_LEVELS).try_for_each(|_| chdir(".."))
}

fn directory_below_root() -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir("/").context("cannot read /")?;
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return Ok(entry.path());
        }
    }
    bail!("there is no directory in /")
}
