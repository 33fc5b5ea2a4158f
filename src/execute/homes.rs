//! Home directories, and the mail of users.

use super::tree::remove_tree;
use crate::accounts::{Databases, Policy, Space, User, UserRecord};
use crate::host::TargetRoot;
use crate::plan::op::{AccountChange, HomeAct, UserAct};
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat};
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::OwnedFd;

/// Mode of a new mail file that the group `mail` may write to.
const SHARED_MAIL: u32 = 0o660;
/// Mode of a new mail file where there is no such group.
const PRIVATE_MAIL: u32 = 0o600;

/// Does what is planned for the home of a user, and what comes with it.
pub(super) fn apply(
    act: &UserAct,
    before: Option<&User>,
    databases: &Databases,
    root: &TargetRoot,
) -> anyhow::Result<()> {
    let user = &act.result;
    match &act.home_act {
        HomeAct::Leave => {}
        HomeAct::Make { place } => make_home(root, place, user, &databases.policy)
            .with_context(|| format!("cannot make home {place}"))?,
        HomeAct::Move { from, place } => {
            move_home(root, from, place)
                .with_context(|| format!("cannot move {from} to {place}"))?;
            hand_over_home(root, place, before, user)
                .with_context(|| format!("cannot hand over home {place}"))?;
        }
        HomeAct::HandOver { place } => hand_over_home(root, place, before, user)
            .with_context(|| format!("cannot hand over home {place}"))?,
        HomeAct::Remove { place } => {
            remove_home(root, place, user).with_context(|| format!("cannot remove home {place}"))?
        }
    }
    match act.request.change {
        AccountChange::Create if !act.request.system => make_mail(act, databases, root),
        AccountChange::Delete => {
            remove_mail(&act.request.name, user, &databases.policy, root);
            Ok(())
        }
        AccountChange::Modify => {
            if let Some(before) = before.filter(|before| before.uid != user.uid) {
                hand_over_mail(before, user, &databases.policy, root);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn own(node: impl std::os::fd::AsFd, uid: u32, gid: u32) -> nix::Result<()> {
    fchown(node, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

/// Makes a home from the skeleton, under another name until it is complete. One that is there
/// stays as it is.
fn make_home(
    root: &TargetRoot,
    place: &str,
    user: &UserRecord,
    policy: &Policy,
) -> anyhow::Result<()> {
    let (above, name) = root.open_parent(place)?;
    if name == "." || stat(&above, name)?.is_some() {
        return Ok(());
    }
    let temporary = super::stage::temporary_name(name);
    // A run killed in between may have left it.
    remove_tree(&above, &temporary)?;
    let made = fill_home(root, &above, &temporary, user, policy)
        .and_then(|()| Ok(renameat(&above, temporary.as_str(), &above, name)?));
    if made.is_err() {
        let _ = remove_tree(&above, &temporary);
    }
    made
}

fn fill_home(
    root: &TargetRoot,
    above: &OwnedFd,
    name: &str,
    user: &UserRecord,
    policy: &Policy,
) -> anyhow::Result<()> {
    mkdirat(above, name, Mode::S_IRWXU)?;
    let home = open_directory(above, name)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    match root.open_at(&policy.skeleton(), flags, Mode::empty()) {
        Ok(skeleton) => copy_tree(&skeleton, &home, user).context("cannot copy the skeleton")?,
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(error).context("cannot open the skeleton"),
    }
    own(&home, user.uid, user.gid)?;
    Ok(fchmod(&home, Mode::from_bits_truncate(policy.home_mode()))?)
}

fn copy_tree(from: &OwnedFd, to: &OwnedFd, user: &UserRecord) -> anyhow::Result<()> {
    for name in super::tree::names(from)? {
        let name = name.as_c_str();
        let Some(stat) = stat(from, name)? else {
            continue;
        };
        let mode = Mode::from_bits_truncate(stat.st_mode & 0o7777);
        match kind(&stat) {
            SFlag::S_IFDIR => {
                mkdirat(to, name, Mode::S_IRWXU)?;
                let below = open_directory(to, name)?;
                copy_tree(&open_directory(from, name)?, &below, user)?;
                own(&below, user.uid, user.gid)?;
                fchmod(&below, mode)?;
            }
            SFlag::S_IFREG => copy_file(from, to, name, mode, user)?,
            SFlag::S_IFLNK => {
                let target = readlinkat(from, name)?;
                symlinkat(target.as_os_str(), to, name)?;
                own_link(to, name, user.uid, user.gid)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn copy_file(
    from: &OwnedFd,
    to: &OwnedFd,
    name: &CStr,
    mode: Mode,
    user: &UserRecord,
) -> anyhow::Result<()> {
    let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let create = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mut source = File::from(openat(from, name, read, Mode::empty())?);
    let mut copy = File::from(openat(to, name, create, Mode::S_IRUSR | Mode::S_IWUSR)?);
    std::io::copy(&mut source, &mut copy)?;
    own(&copy, user.uid, user.gid)?;
    Ok(fchmod(&copy, mode)?)
}

fn move_home(root: &TargetRoot, from: &str, place: &str) -> anyhow::Result<()> {
    let (above, name) = root.open_parent(from)?;
    let (to, new_name) = root.open_parent(place)?;
    ensure!(
        name != "." && new_name != ".",
        "it is the root of the target"
    );
    let flags = RenameFlags::RENAME_NOREPLACE;
    match renameat2(&above, name, &to, new_name, flags) {
        // For file systems that cannot check and rename in one act.
        Err(Errno::EINVAL) if stat(&to, new_name)?.is_none() => {
            Ok(renameat(&above, name, &to, new_name)?)
        }
        other => Ok(other?),
    }
}

/// Gives what belonged to the user to the new ids, the home itself last.
fn hand_over_home(
    root: &TargetRoot,
    place: &str,
    before: Option<&User>,
    after: &UserRecord,
) -> anyhow::Result<()> {
    let Some(before) = before.filter(|before| (before.uid, before.gid) != (after.uid, after.gid))
    else {
        return Ok(());
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let home = root.open_at(place, flags, Mode::empty())?;
    hand_over(&home, before, after)?;
    let stat = fstat(&home)?;
    let swap = |id, old, new| if id == old { new } else { id };
    let uid = swap(stat.st_uid, before.uid, after.uid);
    let gid = swap(stat.st_gid, before.gid, after.gid);
    Ok(own(&home, uid, gid)?)
}

fn hand_over(directory: &OwnedFd, before: &User, after: &UserRecord) -> anyhow::Result<()> {
    for name in super::tree::names(directory)? {
        let name = name.as_c_str();
        let Some(stat) = stat(directory, name)? else {
            continue;
        };
        if kind(&stat) == SFlag::S_IFDIR {
            hand_over(&open_directory(directory, name)?, before, after)?;
        }
        let swap = |id, old, new| if id == old { new } else { id };
        let uid = swap(stat.st_uid, before.uid, after.uid);
        let gid = swap(stat.st_gid, before.gid, after.gid);
        if (uid, gid) != (stat.st_uid, stat.st_gid) {
            own_link(directory, name, uid, gid)?;
        }
    }
    Ok(())
}

/// Removes a home that is still the user's.
fn remove_home(root: &TargetRoot, place: &str, user: &UserRecord) -> anyhow::Result<()> {
    let (above, name) = root.open_parent(place)?;
    ensure!(name != ".", "it is the root of the target");
    match stat(&above, name)? {
        Some(stat) if stat.st_uid == user.uid => remove_tree(&above, name),
        Some(_) => bail!("it belongs to somebody else"),
        None => Ok(()),
    }
}

// ---- mail

/// Makes an empty mail file for a new user, where the target's defaults ask for one.
fn make_mail(act: &UserAct, databases: &Databases, root: &TargetRoot) -> anyhow::Result<()> {
    let Some(directory) = databases.policy.new_mail_directory() else {
        return Ok(());
    };
    let name = act.request.name.as_str();
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let spool = match root.open_at(&directory, flags, Mode::empty()) {
        // A target that keeps no mail: the directory is not ours to invent.
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        other => other.with_context(|| format!("cannot open {directory}"))?,
    };
    let create = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = match openat(&spool, name, create, Mode::empty()) {
        Err(Errno::EEXIST) => return Ok(()),
        other => other.with_context(|| format!("cannot make mail file {directory}/{name}"))?,
    };
    let group = databases.id(Space::Group, "mail");
    own(&file, act.result.uid, group.unwrap_or(act.result.gid))?;
    let mode = group.map_or(PRIVATE_MAIL, |_| SHARED_MAIL);
    Ok(fchmod(&file, Mode::from_bits_truncate(mode))?)
}

/// Removes the mail of a user; nothing depends on it.
fn remove_mail(name: &str, user: &UserRecord, policy: &Policy, root: &TargetRoot) {
    if let Some(spool) = spool_with_mail(name, user.uid, policy, root) {
        let _ = unlinkat(&spool, name, UnlinkatFlags::NoRemoveDir);
    }
}

/// Gives the mail of a user to the new number; nothing depends on it.
fn hand_over_mail(before: &User, after: &UserRecord, policy: &Policy, root: &TargetRoot) {
    let name = before.name.as_str();
    if let Some(spool) = spool_with_mail(name, before.uid, policy, root) {
        let uid = Some(Uid::from_raw(after.uid));
        let _ = fchownat(&spool, name, uid, None, AtFlags::AT_SYMLINK_NOFOLLOW);
    }
}

/// The directory of the mail files, if it has one of a user.
fn spool_with_mail(name: &str, uid: u32, policy: &Policy, root: &TargetRoot) -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let spool = root.open_at(&policy.mail_directory(), flags, Mode::empty());
    let spool = spool.ok()?;
    let mail = stat(&spool, name).ok().flatten()?;
    let is_theirs = mail.st_uid == uid && kind(&mail) == SFlag::S_IFREG;
    is_theirs.then_some(spool)
}

fn own_link(directory: &OwnedFd, name: &CStr, uid: u32, gid: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    fchownat(
        directory,
        name,
        Some(uid),
        Some(gid),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
}

fn open_directory<P: nix::NixPath + ?Sized>(above: &OwnedFd, name: &P) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(above, name, flags, Mode::empty())
}

fn stat<P: nix::NixPath + ?Sized>(directory: &OwnedFd, name: &P) -> nix::Result<Option<FileStat>> {
    super::tree::lstat(directory, name)
}

fn kind(stat: &FileStat) -> SFlag {
    super::tree::kind(stat)
}
