//! New nodes appear under their final name only when complete.
//!
//! What is in the making has a temporary name beside the final one and is renamed when it is done; a
//! node expected to be missing is renamed so that nothing that appeared meanwhile is replaced. The
//! temporary name is derived from the final one: a run that is killed leaves it behind, and the run
//! after it meets it again and removes it. Creation is exclusive and follows no link, so that knowing
//! the name gains nobody anything. (Nameless files, `O_TMPFILE`, would leave nothing behind, but ext4
//! keeps them in a list of orphans: measured on 5,000 files, they took between one and ten times as
//! long.)

use super::removal::remove_tree;
use super::walk::open_directory;
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::os::fd::OwnedFd;

/// How often a temporary name found taken is freed before giving up.
const ATTEMPTS: usize = 3;
/// Mode of a file in the making that will not be as its maker's; the final one is set before it gets its name.
pub(super) const PRIVATE: Mode = Mode::from_bits_truncate(0o600);

/// A file in the making, to be put at `name` in `directory`.
#[derive(Debug)]
pub(super) struct StagedFile<'d> {
    name: &'d str,
    file: File,
    temporary: Temporary<'d>,
}

impl<'d> StagedFile<'d> {
    /// `mode` is that of the file while it is in the making, less what the mask of the process forbids.
    pub(super) fn new(directory: &'d OwnedFd, name: &'d str, mode: Mode) -> nix::Result<Self> {
        let (file, temporary) = Temporary::file(directory, name, mode)?;
        Ok(Self {
            name,
            file: File::from(file),
            temporary,
        })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the file in the place of one whose content it carries on. Its bytes are on the disk before: with a rename alone, a
    /// power cut can take the old content and the new one.
    pub(super) fn replace_durably(self) -> anyhow::Result<()> {
        self.make_durable()?;
        self.publish(true)
    }

    /// Its bytes are on the disk when this returns.
    pub(super) fn make_durable(&self) -> anyhow::Result<()> {
        self.file.sync_data().context("cannot make it durable")
    }

    /// Puts the file under its final name, replacing anything but a directory if told so.
    pub(super) fn publish(mut self, replace: bool) -> anyhow::Result<()> {
        self.temporary.publish(self.name, replace)?;
        // A new file has no second name that a rename could have left.
        self.temporary.is_free = true;
        Ok(())
    }
}

/// Makes a node other than a file through `make`, which is given the name to make it under.
pub(super) fn publish_made(
    directory: &OwnedFd,
    name: &str,
    replace: bool,
    make: impl Fn(&str) -> nix::Result<()>,
) -> anyhow::Result<()> {
    Temporary::make(directory, name, make)?.publish(name, replace)
}

/// Makes a directory that nobody else may enter through `fill`, and gives it its name when that is done. It replaces nothing
/// but an empty directory.
pub(super) fn publish_directory(
    above: &OwnedFd,
    name: &str,
    fill: impl FnOnce(&OwnedFd) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let temporary = temporary_name(name);
    // A run killed in between may have left it.
    remove_tree(above, &temporary)?;
    let make = || -> anyhow::Result<()> {
        mkdirat(above, temporary.as_str(), Mode::S_IRWXU)?;
        let directory = open_directory(above, temporary.as_str())?;
        let is_own = fstat(&directory)?.st_uid == uzers::get_effective_uid();
        ensure!(is_own, "something else appeared there");
        fill(&directory)?;
        Ok(renameat(above, temporary.as_str(), above, name)?)
    };
    let made = make();
    if made.is_err() {
        let _ = remove_tree(above, &temporary);
    }
    made
}

fn already_there(error: Errno) -> anyhow::Error {
    match error {
        Errno::EEXIST => anyhow::anyhow!(
            "something appeared there since the plan was made; plan again to see what would change"
        ),
        error => error.into(),
    }
}

/// A temporary name, freed unless published.
#[derive(Debug)]
struct Temporary<'d> {
    directory: &'d OwnedFd,
    name: String,
    /// Nothing has the name any more.
    is_free: bool,
}

impl<'d> Temporary<'d> {
    fn file(directory: &'d OwnedFd, name: &str, mode: Mode) -> nix::Result<(OwnedFd, Self)> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = None;
        let open = |name: &str| openat(directory, name, flags, mode);
        let temporary = Self::attempt(directory, name, |name| {
            file = Some(open(name)?);
            Ok(())
        })?;
        file.map(|file| (file, temporary)).ok_or(Errno::EIO)
    }

    fn make(
        directory: &'d OwnedFd,
        name: &str,
        make: impl Fn(&str) -> nix::Result<()>,
    ) -> anyhow::Result<Self> {
        Ok(Self::attempt(directory, name, make)?)
    }

    fn attempt(
        directory: &'d OwnedFd,
        name: &str,
        mut make: impl FnMut(&str) -> nix::Result<()>,
    ) -> nix::Result<Self> {
        let temporary = Self {
            directory,
            name: temporary_name(name),
            is_free: false,
        };
        for _ in 0..ATTEMPTS {
            match make(&temporary.name) {
                Err(Errno::EEXIST) => unlinkat(
                    directory,
                    temporary.name.as_str(),
                    UnlinkatFlags::NoRemoveDir,
                )?,
                other => return other.map(|()| temporary),
            }
        }
        Err(Errno::EEXIST)
    }

    fn publish(&self, name: &str, replace: bool) -> anyhow::Result<()> {
        let directory = self.directory;
        if replace {
            renameat(directory, self.name.as_str(), directory, name).context("cannot rename")?;
            return Ok(());
        }
        let flags = RenameFlags::RENAME_NOREPLACE;
        match renameat2(directory, self.name.as_str(), directory, name, flags) {
            Err(Errno::EINVAL) => self.publish_unless_there(name),
            other => other.map_err(already_there),
        }
    }

    /// For file systems that cannot check and rename in one act.
    fn publish_unless_there(&self, name: &str) -> anyhow::Result<()> {
        match fstatat(self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => self.publish(name, true),
            Ok(_) => bail!(already_there(Errno::EEXIST)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Temporary<'_> {
    /// After a rename there is nothing of that name; after an error there may be. A rename of two
    /// names of one file does nothing and leaves both.
    fn drop(&mut self) {
        if !self.is_free {
            let _ = unlinkat(
                self.directory,
                self.name.as_str(),
                UnlinkatFlags::NoRemoveDir,
            );
        }
    }
}

/// The temporary name for `name`, short enough for any file system.
pub(super) fn temporary_name(name: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(name);
    let first = digest.iter().take(8);
    let number = first.fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    format!(".kindling-{number:016x}")
}
