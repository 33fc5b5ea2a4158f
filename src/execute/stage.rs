//! New nodes appear under their final name only when complete.
//!
//! File content goes to a file without a name (`O_TMPFILE`), so that a run killed while writing
//! leaves nothing behind. A file expected to be missing is then linked to its name, which fails if
//! something appeared meanwhile; a file to replace needs a temporary name for the moment before the
//! rename, and so do links and file systems without nameless files (vfat). That name is derived
//! from the final one: the run after a killed one meets it again and removes it. Creation is
//! exclusive and follows no link, so that knowing the name gains nobody anything.

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// How often a temporary name found taken is freed before giving up.
const ATTEMPTS: usize = 3;
/// Mode while a file is in the making; the final one is set before it gets its name.
const PRIVATE: Mode = Mode::from_bits_truncate(0o600);

/// A file in the making, to be put at `name` in `directory`.
#[derive(Debug)]
pub(super) struct Stage<'d> {
    directory: &'d OwnedFd,
    name: &'d str,
    file: File,
    /// The temporary name, unless the file has none.
    temporary: Option<Temporary<'d>>,
}

impl<'d> Stage<'d> {
    pub(super) fn new(directory: &'d OwnedFd, name: &'d str) -> nix::Result<Self> {
        let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let (file, temporary) = match openat(directory, ".", flags, PRIVATE) {
            Ok(file) => (file, None),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {
                let (file, temporary) = Temporary::file(directory, name)?;
                (file, Some(temporary))
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            directory,
            name,
            file: File::from(file),
            temporary,
        })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the file under its final name, replacing anything but a directory if told so.
    pub(super) fn publish(self, replace: bool) -> anyhow::Result<()> {
        if let Some(temporary) = self.temporary {
            return temporary.publish(self.name, replace);
        }
        if !replace {
            return link(&self.file, self.directory, self.name).map_err(already_there);
        }
        let temporary = Temporary::make(self.directory, self.name, |temporary| {
            link(&self.file, self.directory, temporary)
        })?;
        temporary.publish(self.name, true)
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

/// Gives a nameless file a name. Needs no /proc, but a privilege that a container may lack.
fn link(file: &File, directory: &OwnedFd, name: &str) -> nix::Result<()> {
    match linkat(file, "", directory, name, AtFlags::AT_EMPTY_PATH) {
        Err(Errno::ENOENT) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(
                nix::fcntl::AT_FDCWD,
                path.as_str(),
                directory,
                name,
                AtFlags::AT_SYMLINK_FOLLOW,
            )
        }
        other => other,
    }
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

    fn publish(self, name: &str, replace: bool) -> anyhow::Result<()> {
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
    fn publish_unless_there(self, name: &str) -> anyhow::Result<()> {
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
        let _ = unlinkat(
            self.directory,
            self.name.as_str(),
            UnlinkatFlags::NoRemoveDir,
        );
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
