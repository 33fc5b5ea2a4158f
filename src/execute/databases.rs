//! The account databases of the target as files.
//!
//! Every file is written completely and then renamed into place, in the order of [`AccountFile::ALL`]: a user who is in
//! `passwd` is complete, whenever the run is killed.

use super::atomic::{PRIVATE, StagedFile};
use super::attributes;
use crate::accounts::{AccountFile, Databases};
use crate::host::TargetRoot;
use crate::host::regular::open_regular;
use crate::paths::{self, MAX_LINKS, PathLookup};
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, fchown};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86400;

/// Reads the databases, with today's date for password changes.
pub(super) fn read(root: &TargetRoot) -> anyhow::Result<Databases> {
    let mut databases = Databases::read(root)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    databases.policy.today = now.unwrap_or_default().as_secs() / SECONDS_PER_DAY;
    Ok(databases)
}

/// Writes what changed. All new files are on the disk before the first one replaces an old one: with a rename alone, a
/// power cut can destroy both the old and the new content.
pub(super) fn write(
    root: &TargetRoot,
    before: &Databases,
    after: &Databases,
) -> anyhow::Result<()> {
    let mut places = Vec::new();
    for file in AccountFile::ALL {
        let (old, new) = (before.table(file), after.table(file));
        if old != new {
            ensure!(
                new.broken_field().is_none(),
                "cannot write {}: a field would break its line",
                file.path()
            );
            places.push((DatabasePlace::of(root, file)?, new.bytes()));
        }
    }
    let mut staged = Vec::new();
    for (place, bytes) in &places {
        staged.push((place, place.stage(bytes).with_context(|| place.act())?));
    }
    // They are in one journal transaction, so the first sync takes the time of all.
    for (place, file) in &staged {
        file.make_durable().with_context(|| place.act())?;
    }
    for (place, file) in staged {
        file.publish(true).with_context(|| place.act())?;
    }
    Ok(())
}

/// Where a database is.
struct DatabasePlace {
    file: AccountFile,
    path: String,
    directory: OwnedFd,
}

impl DatabasePlace {
    fn of(root: &TargetRoot, file: AccountFile) -> anyhow::Result<Self> {
        let find = || {
            let path = follow_links(root, file.path())?;
            let (directory, _) = root.open_parent(&path)?;
            anyhow::Ok((path, directory))
        };
        let (path, directory) = find().with_context(|| act(file))?;
        Ok(Self {
            file,
            path,
            directory,
        })
    }

    fn act(&self) -> String {
        act(self.file)
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Stages the new file next to the old one, from which it takes over owner, mode, label and access list:
    /// distributions give `shadow` a group of its own.
    fn stage(&self, bytes: &[u8]) -> anyhow::Result<StagedFile<'_>> {
        let name = self.name();
        let present = fstatat(&self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok();
        let mut stage = StagedFile::new(&self.directory, name, PRIVATE)?;
        stage.file().write_all(bytes)?;
        if let Some(present) = &present {
            let (uid, gid) = (present.st_uid, present.st_gid);
            fchown(
                &*stage.file(),
                Some(Uid::from_raw(uid)),
                Some(Gid::from_raw(gid)),
            )?;
        }
        let mode = present.map_or(self.file.mode(), |present| present.st_mode & 0o7777);
        fchmod(&*stage.file(), Mode::from_bits_truncate(mode))?;
        let access = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
        let by_name = |flags| openat(&self.directory, name, flags, Mode::empty());
        if let Ok(Some((present, _))) = open_regular(access, by_name) {
            attributes::keep(&present, stage.file(), true);
        }
        Ok(stage)
    }
}

fn act(file: AccountFile) -> String {
    format!("cannot write {}", file.path())
}

/// The path of a database after following links: these are kept, and the file itself is replaced.
fn follow_links(root: &TargetRoot, path: &str) -> anyhow::Result<String> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let place = paths::resolve(&path, |at| inspect(root, at))?;
        let PathLookup::Link(target) = inspect(root, &place)? else {
            return Ok(place);
        };
        let parent = paths::parent(&place).unwrap_or("/");
        path = match target.starts_with('/') {
            true => target,
            false => paths::child(parent, &target),
        };
    }
    bail!("more than {MAX_LINKS} symbolic links on the way")
}

/// What is at a path without links on the way.
fn inspect(root: &TargetRoot, path: &str) -> anyhow::Result<PathLookup> {
    let node = match root.open_without_links(path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(PathLookup::Missing),
        other => other?,
    };
    Ok(
        match SFlag::from_bits_truncate(fstat(&node)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => PathLookup::Directory,
            SFlag::S_IFLNK => {
                PathLookup::Link(readlinkat(&node, "")?.to_string_lossy().into_owned())
            }
            _ => PathLookup::Other,
        },
    )
}
