//! Home directories, and the mail of users.

use super::atomic::{PRIVATE, StagedFile, publish_directory};
use super::ranges;
use super::removal::remove_tree;
use super::walk::{self, InodeId, TreeWalk, open_directory};
use crate::accounts::{AccountKind, Databases, Policy, User, UserRecord};
use crate::fetch::Silent;
use crate::host::TargetRoot;
use crate::host::regular::open_regular;
use crate::plan::op::{AccountChange, HomeAct, UserAct};
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::OwnedFd;

/// Mode of a new mail file that the group `mail` may write to.
const SHARED_MAIL_MODE: u32 = 0o660;
/// Mode of a new mail file if there is no such group.
const PRIVATE_MAIL_MODE: u32 = 0o600;

/// Carries out what is planned for the home and mail of a user.
pub(super) fn apply(
    act: &UserAct,
    before: Option<&User>,
    databases: &Databases,
    root: &TargetRoot,
) -> anyhow::Result<()> {
    let user = &act.result;
    match &act.home_act {
        HomeAct::Leave => {}
        HomeAct::Make { place } => create_home(root, place, user, &databases.policy)
            .with_context(|| format!("cannot create home {place}"))?,
        HomeAct::Move { from, place } => {
            move_home(root, from, place)
                .with_context(|| format!("cannot move {from} to {place}"))?;
            chown_home(root, place, before, user)
                .with_context(|| format!("cannot change the ownership of home {place}"))?;
        }
        HomeAct::HandOver { place } => chown_home(root, place, before, user)
            .with_context(|| format!("cannot change the ownership of home {place}"))?,
        HomeAct::Remove { place } => {
            remove_home(root, place, user).with_context(|| format!("cannot remove home {place}"))?
        }
    }
    match act.request.change {
        AccountChange::Create if !act.request.system => create_mail(act, databases, root),
        AccountChange::Delete => {
            remove_mail(&act.request.name, user, &databases.policy, root);
            Ok(())
        }
        AccountChange::Modify => {
            if let Some(before) = before.filter(|before| before.uid != user.uid) {
                chown_mail(before, user, &databases.policy, root);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn chown(node: impl std::os::fd::AsFd, uid: u32, gid: u32) -> nix::Result<()> {
    fchown(node, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

/// Creates a home from the skeleton, under another name until it is complete. An existing one is left as it is.
fn create_home(
    root: &TargetRoot,
    place: &str,
    user: &UserRecord,
    policy: &Policy,
) -> anyhow::Result<()> {
    let (parent, name) = root.open_parent(place)?;
    if name == "." || stat(&parent, name)?.is_some() {
        return Ok(());
    }
    publish_directory(&parent, name, |home| fill_home(root, home, user, policy))
}

fn fill_home(
    root: &TargetRoot,
    home: &OwnedFd,
    user: &UserRecord,
    policy: &Policy,
) -> anyhow::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    match root.open_at(&policy.skeleton(), flags, Mode::empty()) {
        Ok(skeleton) => copy_tree(skeleton, home, user).context("cannot copy the skeleton")?,
        // The home stays empty, as with useradd.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
        Err(error) => return Err(error).context("cannot open the skeleton"),
    }
    chown(home, user.uid, user.gid)?;
    Ok(fchmod(home, Mode::from_bits_truncate(policy.home_mode()))?)
}

/// Copies the contents of a directory to another one, which is not copied itself if it is below the first.
fn copy_tree(from: OwnedFd, to: &OwnedFd, user: &UserRecord) -> anyhow::Result<()> {
    let top = walk::identity(to)?;
    let mut from = TreeWalk::of(from)?;
    let mut to = TreeWalk::of(to.try_clone()?)?;
    loop {
        if let Some(name) = from.next_name() {
            copy_node(&mut from, &mut to, name, user, top)?;
        } else if from.is_at_top() {
            return Ok(());
        } else {
            let mode = fstat(from.current())?.st_mode & 0o7777;
            chown(to.current(), user.uid, user.gid)?;
            fchmod(to.current(), Mode::from_bits_truncate(mode))?;
            from.leave()?;
            to.leave()?;
        }
    }
}

fn copy_node(
    from: &mut TreeWalk,
    to: &mut TreeWalk,
    name: CString,
    user: &UserRecord,
    top: InodeId,
) -> anyhow::Result<()> {
    let Some(stat) = stat(from.current(), name.as_c_str())? else {
        return Ok(());
    };
    match kind(&stat) {
        SFlag::S_IFDIR => {
            let directory = open_directory(from.current(), name.as_c_str())?;
            if walk::identity(&directory)? == top {
                return Ok(());
            }
            mkdirat(to.current(), name.as_c_str(), Mode::S_IRWXU)?;
            let copy = open_directory(to.current(), name.as_c_str())?;
            to.enter(name.clone(), copy)?;
            from.enter(name, directory)?;
        }
        SFlag::S_IFREG => copy_file(from.current(), to.current(), &name, user)?,
        SFlag::S_IFLNK => {
            let target = readlinkat(from.current(), name.as_c_str())?;
            symlinkat(target.as_os_str(), to.current(), name.as_c_str())?;
            chown_node(to.current(), &name, |_| (user.uid, user.gid))?;
        }
        _ => {}
    }
    Ok(())
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &CStr, user: &UserRecord) -> anyhow::Result<()> {
    let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
    let create = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let opened = open_regular(read, |flags| openat(from, name, flags, Mode::empty()))?;
    let (source, stat) =
        opened.with_context(|| format!("{name:?} was replaced in the meantime"))?;
    let mut copy = File::from(openat(to, name, create, Mode::S_IRUSR | Mode::S_IWUSR)?);
    ranges::copy(&source, &mut copy, &Silent)?;
    chown(&copy, user.uid, user.gid)?;
    Ok(fchmod(
        &copy,
        Mode::from_bits_truncate(stat.st_mode & 0o7777),
    )?)
}

fn move_home(root: &TargetRoot, from: &str, place: &str) -> anyhow::Result<()> {
    let (parent, name) = root.open_parent(from)?;
    let (to, new_name) = root.open_parent(place)?;
    ensure!(
        name != "." && new_name != ".",
        "it is the root of the target"
    );
    let flags = RenameFlags::RENAME_NOREPLACE;
    match renameat2(&parent, name, &to, new_name, flags) {
        // For file systems that cannot check and rename atomically.
        Err(Errno::EINVAL) if stat(&to, new_name)?.is_none() => {
            Ok(renameat(&parent, name, &to, new_name)?)
        }
        other => Ok(other?),
    }
}

/// Changes the owner of what belonged to the user to the new ids, the home itself last.
fn chown_home(
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
    let replace_id = |id, old, new| if id == old { new } else { id };
    let owners = |stat: &FileStat| {
        let uid = replace_id(stat.st_uid, before.uid, after.uid);
        (uid, replace_id(stat.st_gid, before.gid, after.gid))
    };
    chown_tree(home, owners)
}

/// Changes the owners of everything in a directory, and then of the directory itself.
fn chown_tree(home: OwnedFd, owners: impl Fn(&FileStat) -> (u32, u32)) -> anyhow::Result<()> {
    let mut walk = TreeWalk::of(home)?;
    loop {
        if let Some(name) = walk.next_name() {
            let is_directory = stat(walk.current(), name.as_c_str())?
                .is_some_and(|stat| kind(&stat) == SFlag::S_IFDIR);
            if is_directory {
                let directory = open_directory(walk.current(), name.as_c_str())?;
                walk.enter(name, directory)?;
            } else {
                chown_node(walk.current(), &name, &owners)?;
            }
            continue;
        }
        let stat = fstat(walk.current())?;
        let (uid, gid) = owners(&stat);
        if (uid, gid) != (stat.st_uid, stat.st_gid) {
            chown(walk.current(), uid, gid)?;
        }
        if walk.leave()?.is_none() {
            return Ok(());
        }
    }
}

/// Changes the owners of a node other than a directory, if they differ. It is opened before it is inspected: the owner
/// of the directory may replace it with a hard link to somebody else's file.
fn chown_node(
    directory: &OwnedFd,
    name: &CStr,
    owners: impl Fn(&FileStat) -> (u32, u32),
) -> anyhow::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let node = match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other?,
    };
    let stat = fstat(&node)?;
    let (uid, gid) = owners(&stat);
    if (uid, gid) == (stat.st_uid, stat.st_gid) {
        return Ok(());
    }
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    Ok(fchownat(&node, "", uid, gid, AtFlags::AT_EMPTY_PATH)?)
}

/// Removes a home if it still belongs to the user.
fn remove_home(root: &TargetRoot, place: &str, user: &UserRecord) -> anyhow::Result<()> {
    let (parent, name) = root.open_parent(place)?;
    ensure!(name != ".", "it is the root of the target");
    match stat(&parent, name)? {
        Some(stat) if stat.st_uid == user.uid => remove_tree(&parent, name),
        Some(_) => bail!("it belongs to somebody else"),
        None => Ok(()),
    }
}

// ---- mail

/// Creates an empty mail file for a new user, if the target's defaults require one.
fn create_mail(act: &UserAct, databases: &Databases, root: &TargetRoot) -> anyhow::Result<()> {
    let Some(directory) = databases.policy.new_mail_directory() else {
        return Ok(());
    };
    let name = act.request.name.as_str();
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let spool = match root.open_at(&directory, flags, Mode::empty()) {
        // The target keeps no mail, so the directory is not created either.
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        other => other.with_context(|| format!("cannot open {directory}"))?,
    };
    if stat(&spool, name)?.is_some() {
        return Ok(());
    }
    let group = databases.id(AccountKind::Group, "mail");
    let mode = group.map_or(PRIVATE_MAIL_MODE, |_| SHARED_MAIL_MODE);
    let create = || -> anyhow::Result<()> {
        let mut stage = StagedFile::new(&spool, name, PRIVATE)?;
        chown(
            stage.file(),
            act.result.uid,
            group.unwrap_or(act.result.gid),
        )?;
        fchmod(&*stage.file(), Mode::from_bits_truncate(mode))?;
        stage.publish(false)
    };
    create().with_context(|| format!("cannot create mail file {directory}/{name}"))
}

/// Removes the mail of a user. Errors are ignored, since nothing depends on it.
fn remove_mail(name: &str, user: &UserRecord, policy: &Policy, root: &TargetRoot) {
    if let Some(spool) = spool_with_mail(name, user.uid, policy, root) {
        let _ = unlinkat(&spool, name, UnlinkatFlags::NoRemoveDir);
    }
}

/// Changes the owner of the mail of a user to the new uid. Errors are ignored, since nothing depends on it.
fn chown_mail(before: &User, after: &UserRecord, policy: &Policy, root: &TargetRoot) {
    let name = before.name.as_str();
    if let (Some(spool), Ok(name)) = (
        spool_with_mail(name, before.uid, policy, root),
        CString::new(name),
    ) {
        let owners = |stat: &FileStat| match stat.st_uid == before.uid {
            true => (after.uid, stat.st_gid),
            false => (stat.st_uid, stat.st_gid),
        };
        let _ = chown_node(&spool, &name, owners);
    }
}

/// The directory of the mail files, if it contains one of the user.
fn spool_with_mail(name: &str, uid: u32, policy: &Policy, root: &TargetRoot) -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let spool = root.open_at(&policy.mail_directory(), flags, Mode::empty());
    let spool = spool.ok()?;
    let mail = stat(&spool, name).ok().flatten()?;
    let is_theirs = mail.st_uid == uid && kind(&mail) == SFlag::S_IFREG;
    is_theirs.then_some(spool)
}

fn stat<P: nix::NixPath + ?Sized>(directory: &OwnedFd, name: &P) -> nix::Result<Option<FileStat>> {
    super::node_kind::lstat(directory, name)
}

fn kind(stat: &FileStat) -> SFlag {
    super::node_kind::kind(stat)
}
