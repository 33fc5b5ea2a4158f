//! New nodes appear under their final name only when complete.
//!
//! What is in the making has a temporary name beside the final one and is renamed when it is done; a
//! node expected to be missing is renamed so that nothing that appeared meanwhile is replaced. The
//! temporary name is derived from the final one: a run that is killed leaves it behind, and the run
//! after it meets it again and removes it. Creation is exclusive and follows no link, so that knowing
//! the name gains nobody anything. (Nameless files, `O_TMPFILE`, would leave nothing behind, but ext4
//! keeps them in a list of orphans: measured on 5,000 files, they took between one and ten times as
//! long.)

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::os::fd::OwnedFd;

/// How often a temporary name found taken is freed before giving up.
const ATTEMPTS: usize = 3;
/// Mode while a file is in the making; the final one is set before it gets its name.
const PRIVATE: Mode = Mode::from_bits_truncate(0o600);

/// A file in the making, to be put at `name` in `directory`.
#[derive(Debug)]
pub(super) struct Stage<'d> {
    name: &'d str,
    file: File,
    temporary: Temporary<'d>,
}

impl<'d> Stage<'d> {
    pub(super) fn new(directory: &'d OwnedFd, name: &'d str) -> nix::Result<Self> {
        let (file, temporary) = Temporary::file(directory, name)?;
        Ok(Self {
            name,
            file: File::from(file),
            temporary,
        })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
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
    fn file(directory: &'d OwnedFd, name: &str) -> nix::Result<(OwnedFd, Self)> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = None;
        let open = |name: &str| openat(directory, name, flags, PRIVATE);
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
    let hex: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(".kindling-{hex}")
}
