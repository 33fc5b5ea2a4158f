//! A private mount namespace, from which none of our mounts propagate.

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

/// Deeper than any directory that one path can reach (PATH_MAX of 4096 bytes, two for each level).
const MAX_LEVELS: usize = 2048;

/// Gives this process a mount namespace of its own, which the kernel removes when the process ends, however it ends.
/// Existing threads keep the old one, so this must come before any workers. Our mounts are not visible outside, but
/// what others unmount is unmounted here as well: a copy kept here would keep their devices busy.
///
/// # Errors
/// If the process is not allowed to; the message names what it lacks.
pub fn enter_private_namespace() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(explain_unshare)
        .context("cannot create a mount namespace")?;
    match receive_only("/") {
        // The root of this process is not a mount point but a directory below one, as after chroot(8).
        Err(Errno::EINVAL) => leave_chroot_and_receive_only(),
        other => other.map_err(anyhow::Error::from),
    }
    .context("cannot make the mounts of this process private")
}

/// Explains what an error of unshare(2) means for the user of the program.
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

/// Makes the mounts at and below `point` slaves: new ones are not visible outside any more, but what is unmounted
/// outside is unmounted here too. Not by `sys-mount`, which can only change the propagation of its own mounts.
fn receive_only(point: &str) -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(none, point, none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
}

/// [`receive_only`] for the mount that contains our root directory. That mount is not listed for us and has no path
/// here, yet new mounts below our root would appear outside. So this leaves the chroot to reach its mount point, and
/// returns afterwards. Needs CAP_SYS_CHROOT.
fn leave_chroot_and_receive_only() -> anyhow::Result<()> {
    let root = open_directory("/")?;
    let working_directory = open_directory(".")?;
    let below = directory_below_root()?;
    chroot(&below).context("cannot examine the system outside of the chroot of this process")?;
    let result = climb_to_outermost_root(&root).and_then(|()| receive_only("."));
    fchdir(&root).and_then(|()| chroot("."))?;
    fchdir(&working_directory)?;
    Ok(result?)
}

fn open_directory(path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
}

/// A process whose working directory is not below its root can go up to the outermost root.
fn climb_to_outermost_root(from: &OwnedFd) -> nix::Result<()> {
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
