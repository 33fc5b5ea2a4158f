//! The account databases of the target as files.
//!
//! Every file is made as a whole and renamed into place, in the order of [`File::ALL`]: a user who is in
//! `passwd` is complete, whenever the run is killed.

use super::atomic::Stage;
use crate::accounts::{Databases, File};
use crate::host::TargetRoot;
use crate::paths::{self, MAX_LINKS, Seen};
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, fchown};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_A_DAY: u64 = 86400;

/// Reads the databases, with today's date for password changes.
pub(super) fn read(root: &TargetRoot) -> anyhow::Result<Databases> {
    let mut databases = Databases::read(root)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    databases.policy.today = now.unwrap_or_default().as_secs() / SECONDS_A_DAY;
    Ok(databases)
}

/// Writes what changed.
pub(super) fn write(
    root: &TargetRoot,
    before: &Databases,
    after: &Databases,
) -> anyhow::Result<()> {
    for file in File::ALL {
        let (old, new) = (before.table(file), after.table(file));
        if old != new {
            ensure!(
                new.broken_field().is_none(),
                "cannot write {}: a field would break its line",
                file.path()
            );
            write_file(root, file, &new.bytes())
                .with_context(|| format!("cannot write {}", file.path()))?;
        }
    }
    Ok(())
}

/// Keeps owner and mode of an existing file: distributions give `shadow` a group of its own.
fn write_file(root: &TargetRoot, file: File, bytes: &[u8]) -> anyhow::Result<()> {
    let path = follow_links(root, file.path())?;
    let (directory, name) = root.open_parent(&path)?;
    let present = fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok();
    let mut stage = Stage::new(&directory, name)?;
    stage.file().write_all(bytes)?;
    if let Some(present) = &present {
        let (uid, gid) = (present.st_uid, present.st_gid);
        fchown(
            &*stage.file(),
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
        )?;
    }
    let mode = present.map_or(file.mode(), |present| present.st_mode & 0o7777);
    fchmod(&*stage.file(), Mode::from_bits_truncate(mode))?;
    stage.publish(true)
}

/// Where a database is, whatever links lead to it: they stay, and the file is replaced.
fn follow_links(root: &TargetRoot, path: &str) -> anyhow::Result<String> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let place = paths::resolve(&path, |at| look(root, at))?;
        let Seen::Link(target) = look(root, &place)? else {
            return Ok(place);
        };
        let above = paths::parent(&place).unwrap_or("/");
        path = match target.starts_with('/') {
            true => target,
            false => paths::child(above, &target),
        };
    }
    bail!("more than {MAX_LINKS} symbolic links on the way")
}

/// What is at a path without links on the way.
fn look(root: &TargetRoot, path: &str) -> anyhow::Result<Seen> {
    let node = match root.open_without_links(path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(Seen::Missing),
        other => other?,
    };
    Ok(
        match SFlag::from_bits_truncate(fstat(&node)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => Seen::Directory,
            SFlag::S_IFLNK => Seen::Link(readlinkat(&node, "")?.to_string_lossy().into_owned()),
            _ => Seen::Other,
        },
    )
}
