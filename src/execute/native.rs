//! Accounts written by ourselves, for a target without the databases or the policy of the shadow
//! tools.
//!
//! Every file is made as a whole and renamed into place, `passwd` last and after the home: a user
//! who is in it is complete, whenever the run is killed.

use super::accounts::remove_home;
use super::databases::{Databases, Policy, Table, UserRecord};
use super::stage::Stage;
use super::tree::remove_tree;
use crate::host::TargetRoot;
use crate::host::accounts::{Lookup, settings};
use crate::plan::op::{AccountChange, GroupAct, UserAct};
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};
use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const SHADOW: &str = "/etc/shadow";
const GSHADOW: &str = "/etc/gshadow";
const SECONDS_A_DAY: u64 = 86400;

/// Carries out a group operation.
pub(super) fn group(act: &GroupAct, root: &TargetRoot) -> anyhow::Result<()> {
    let (before, policy) = read(root)?;
    let mut after = before.clone();
    after.seed(&policy);
    after.apply_group(act, &policy)?;
    write(root, &before, &after)
}

/// Carries out a user operation.
pub(super) fn user(act: &UserAct, root: &TargetRoot) -> anyhow::Result<()> {
    let (before, policy) = read(root)?;
    let mut after = before.clone();
    after.seed(&policy);
    let present = after.user(&act.name);
    match act.change {
        AccountChange::Create => {
            let user = after.create_user(act, &policy)?;
            if act.create_home {
                make_home(root, &user, &policy)
                    .with_context(|| format!("cannot make home {}", user.home))?;
            }
            write(root, &before, &after)
        }
        AccountChange::Modify => {
            let user = after.modify_user(act, &policy)?;
            if let Some(present) = present {
                follow(root, &present, &user)?;
            }
            if act.create_home {
                make_home(root, &user, &policy)
                    .with_context(|| format!("cannot make home {}", user.home))?;
            }
            write(root, &before, &after)
        }
        AccountChange::Delete => {
            after.delete_user(&act.name, &policy);
            write(root, &before, &after)?;
            match present {
                Some(user) => delete_home(root, &user, &act.name),
                None => Ok(()),
            }
        }
    }
}

// ---- databases

fn text(root: &TargetRoot, path: &str) -> anyhow::Result<String> {
    let text = root.read(path);
    let text = text.with_context(|| format!("cannot read {path}"))?;
    Ok(text.unwrap_or_default())
}

fn read(root: &TargetRoot) -> anyhow::Result<(Databases, Policy)> {
    let text = |path: &str| text(root, path);
    let databases = Databases {
        passwd: Table::parse(&text(PASSWD)?),
        group: Table::parse(&text(GROUP)?),
        shadow: Table::parse(&text(SHADOW)?),
        gshadow: Table::parse(&text(GSHADOW)?),
    };
    Ok((databases, policy(root)?))
}

fn policy(root: &TargetRoot) -> anyhow::Result<Policy> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Policy {
        login_defs: settings(&text(root, "/etc/login.defs")?, char::is_whitespace),
        useradd: settings(&text(root, "/etc/default/useradd")?, |c| c == '='),
        today: now.unwrap_or_default().as_secs() / SECONDS_A_DAY,
    })
}

/// Writes what changed: each shadow file before the file that says who exists, and `passwd` last. A run
/// killed in between is repeated, and must find the group or user still missing to complete both files.
fn write(root: &TargetRoot, before: &Databases, after: &Databases) -> anyhow::Result<()> {
    for (path, mode, before, after) in [
        (GSHADOW, 0o640, &before.gshadow, &after.gshadow),
        (GROUP, 0o644, &before.group, &after.group),
        (SHADOW, 0o640, &before.shadow, &after.shadow),
        (PASSWD, 0o644, &before.passwd, &after.passwd),
    ] {
        if before != after {
            write_file(root, path, mode, &after.text())
                .with_context(|| format!("cannot write {path}"))?;
        }
    }
    Ok(())
}

/// Keeps owner and mode of an existing file: distributions give `shadow` a group of its own.
fn write_file(root: &TargetRoot, path: &str, mode: u32, text: &str) -> anyhow::Result<()> {
    let (directory, name) = root.open_parent(path)?;
    let present = fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok();
    let mut stage = Stage::new(&directory, name)?;
    stage.file().write_all(text.as_bytes())?;
    if let Some(present) = &present {
        own(&*stage.file(), present.st_uid, present.st_gid)?;
    }
    let mode = present.map_or(mode, |present| present.st_mode & 0o7777);
    fchmod(&*stage.file(), Mode::from_bits_truncate(mode))?;
    stage.publish(true)
}

fn own(node: impl std::os::fd::AsFd, uid: u32, gid: u32) -> nix::Result<()> {
    fchown(node, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

// ---- homes

/// Makes the home of a user who is in the databases.
pub(super) fn make_home_of(name: &str, root: &TargetRoot) -> anyhow::Result<()> {
    let user = Lookup::new(root).user(name)?;
    let user = user.with_context(|| format!("the target has no user named {name:?}"))?;
    let user = UserRecord {
        uid: user.uid,
        gid: user.gid,
        home: user.home,
    };
    make_home(root, &user, &policy(root)?)
        .with_context(|| format!("cannot make home {}", user.home))
}

/// Makes a home from the skeleton, under another name until it is complete. One that is there
/// stays as it is.
fn make_home(root: &TargetRoot, user: &UserRecord, policy: &Policy) -> anyhow::Result<()> {
    let (above, name) = root.open_parent(user.home.trim_end_matches('/'))?;
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

/// Moves a home and hands over what is in it, as far as the user's ids changed.
fn follow(root: &TargetRoot, before: &UserRecord, after: &UserRecord) -> anyhow::Result<()> {
    if before.home != after.home {
        let (from, name) = root.open_parent(before.home.trim_end_matches('/'))?;
        let (to, new_name) = root.open_parent(after.home.trim_end_matches('/'))?;
        let there = stat(&from, name)?.is_some_and(|stat| kind(&stat) == SFlag::S_IFDIR);
        if there && stat(&to, new_name)?.is_none() {
            renameat(&from, name, &to, new_name)
                .with_context(|| format!("cannot move {} to {}", before.home, after.home))?;
        }
    }
    if (before.uid, before.gid) == (after.uid, after.gid) {
        return Ok(());
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    match root.open_at(&after.home, flags, Mode::empty()) {
        Ok(home) => {
            hand_over(&home, before, after)?;
            if fstat(&home)?.st_uid == before.uid {
                own(&home, after.uid, after.gid)?;
            }
            Ok(())
        }
        Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot open home {}", after.home)),
    }
}

fn hand_over(directory: &OwnedFd, before: &UserRecord, after: &UserRecord) -> anyhow::Result<()> {
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

/// Removes a home if it is the user's, and the mail of the user.
fn delete_home(root: &TargetRoot, user: &UserRecord, name: &str) -> anyhow::Result<()> {
    ensure!(
        user.home.starts_with('/'),
        "home {:?} is no absolute path",
        user.home
    );
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    match root.open_at(&user.home, flags, Mode::empty()) {
        Ok(home) if fstat(&home)?.st_uid == user.uid => remove_home(root, &user.home)?,
        Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
        Err(error) => bail!("cannot look at home {}: {error}", user.home),
    }
    match root.open_at(
        "/var/mail",
        OFlag::O_PATH | OFlag::O_DIRECTORY,
        Mode::empty(),
    ) {
        Ok(spool) => remove_tree(&spool, name),
        Err(_) => Ok(()),
    }
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
