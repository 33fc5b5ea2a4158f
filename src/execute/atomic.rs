//! New nodes appear under their final name only when complete.
//!
//! An incomplete node has a temporary name in the same directory and is renamed when it is complete; a node that is
//! expected to be missing is renamed such that nothing that appeared meanwhile is replaced. The temporary name is
//! derived from the final one: if a run is killed and leaves it behind, the next run finds it and removes it. Creation
//! is exclusive and follows no link, so that knowing the name is of no use to anybody. (Unnamed files, `O_TMPFILE`,
//! would leave nothing behind, but ext4 keeps them in a list of orphans: measured on 5,000 files, they took between one
//! and ten times as long.)

use super::removal::remove_tree;
use super::walk::open_directory;
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::os::fd::OwnedFd;

/// How often an existing temporary name is removed before giving up.
const MAX_ATTEMPTS: usize = 3;
/// Mode of an incomplete file whose final owner or mode differ; those are set before it gets its final name.
pub(super) const PRIVATE: Mode = Mode::from_bits_truncate(0o600);

/// An incomplete file that will become `name` in `directory`.
#[derive(Debug)]
pub(super) struct StagedFile<'d> {
    name: &'d str,
    file: File,
    temporary: TemporaryName<'d>,
}

impl<'d> StagedFile<'d> {
    /// `mode` is that of the file while it is incomplete, minus the umask of the process.
    pub(super) fn new(directory: &'d OwnedFd, name: &'d str, mode: Mode) -> nix::Result<Self> {
        let (file, temporary) = TemporaryName::file(directory, name, mode)?;
        Ok(Self {
            name,
            file: File::from(file),
            temporary,
        })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Replaces the file whose content it continues. Its bytes are on the disk before that: with a rename alone, a
    /// power cut can destroy both the old and the new content.
    pub(super) fn replace_durably(self) -> anyhow::Result<()> {
        self.make_durable()?;
        self.publish(true)
    }

    /// Writes its bytes to the disk before this returns.
    pub(super) fn make_durable(&self) -> anyhow::Result<()> {
        self.file.sync_data().context("cannot make it durable")
    }

    /// Gives the file its final name; with `replace`, this replaces anything but a directory.
    pub(super) fn publish(mut self, replace: bool) -> anyhow::Result<()> {
        self.temporary.publish(self.name, replace)?;
        // A new file has only one name, so the rename has removed the temporary one.
        self.temporary.is_free = true;
        Ok(())
    }
}

/// Creates a node other than a file with `create`, which gets the temporary name to use.
pub(super) fn publish_node(
    directory: &OwnedFd,
    name: &str,
    replace: bool,
    create: impl Fn(&str) -> nix::Result<()>,
) -> anyhow::Result<()> {
    TemporaryName::create(directory, name, create)?.publish(name, replace)
}

/// Creates a private directory, fills it with `fill`, and then gives it its final name. It can only replace an empty
/// directory.
pub(super) fn publish_directory(
    parent: &OwnedFd,
    name: &str,
    fill: impl FnOnce(&OwnedFd) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let temporary = temporary_name(name);
    // A run that was killed may have left it behind.
    remove_tree(parent, &temporary)?;
    let create = || -> anyhow::Result<()> {
        mkdirat(parent, temporary.as_str(), Mode::S_IRWXU)?;
        let directory = open_directory(parent, temporary.as_str())?;
        let is_own = fstat(&directory)?.st_uid == uzers::get_effective_uid();
        ensure!(is_own, "something else appeared there");
        fill(&directory)?;
        Ok(renameat(parent, temporary.as_str(), parent, name)?)
    };
    let result = create();
    if result.is_err() {
        let _ = remove_tree(parent, &temporary);
    }
    result
}

fn explain_existing(error: Errno) -> anyhow::Error {
    match error {
        Errno::EEXIST => anyhow::anyhow!(
            "something appeared there since the plan was made; plan again to see what would change"
        ),
        error => error.into(),
    }
}

/// A temporary name, which is removed unless its node was published.
#[derive(Debug)]
struct TemporaryName<'d> {
    directory: &'d OwnedFd,
    name: String,
    /// Nothing has this name any more.
    is_free: bool,
}

impl<'d> TemporaryName<'d> {
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

    fn create(
        directory: &'d OwnedFd,
        name: &str,
        create: impl Fn(&str) -> nix::Result<()>,
    ) -> anyhow::Result<Self> {
        Ok(Self::attempt(directory, name, create)?)
    }

    fn attempt(
        directory: &'d OwnedFd,
        name: &str,
        mut create: impl FnMut(&str) -> nix::Result<()>,
    ) -> nix::Result<Self> {
        let temporary = Self {
            directory,
            name: temporary_name(name),
            is_free: false,
        };
        for _ in 0..MAX_ATTEMPTS {
            match create(&temporary.name) {
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
            other => other.map_err(explain_existing),
        }
    }

    /// For file systems that cannot check and rename atomically.
    fn publish_unless_there(&self, name: &str) -> anyhow::Result<()> {
        match fstatat(self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => self.publish(name, true),
            Ok(_) => bail!(explain_existing(Errno::EEXIST)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for TemporaryName<'_> {
    /// After a rename nothing has this name; after an error something may. Renaming one name of a file to another name
    /// of the same file does nothing and keeps both.
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
