//! Public keys of users.

use super::atomic::{PRIVATE, StagedFile, publish_directory};
use super::node_kind::lstat;
use super::{Context, Done};
use crate::accounts::User;
use crate::host::TargetRoot;
use crate::host::accounts::Lookup;
use crate::host::root::open_resolved;
use crate::plan::op::SshKeys;
use anyhow::{Context as _, ensure};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, fchown, setfsgid, setfsuid};
use std::io::Write;
use std::os::fd::OwnedFd;

const DIRECTORY: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// Writes a user's public keys. The home is opened as root, since the user may have no access to the directories above
/// it; below it we have no more rights on the file system than the user: links in a prepared home cannot make us write
/// elsewhere.
pub fn ssh_keys(act: &SshKeys, context: &Context) -> anyhow::Result<Done> {
    let user = Lookup::new(context.root).user(&act.user)?;
    let user = user.with_context(|| format!("the target has no user named {:?}", act.user))?;
    let handles = HomeHandles::open(act, &user, context.root)?;
    // The identity for file access is per thread, so the files are written by a thread of their own.
    let result = std::thread::scope(|scope| {
        let writer =
            std::thread::Builder::new().spawn_scoped(scope, || handles.write(act, &user))?;
        writer
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the writer panicked")))
    });
    result.with_context(|| format!("cannot write {}/{}", act.home, act.file))?;
    Ok(Done {
        bytes: Some(act.text.len() as u64),
        ..Done::default()
    })
}

/// Directories that were opened with the rights of root.
struct HomeHandles {
    root: OwnedFd,
    home: OwnedFd,
}

impl HomeHandles {
    fn open(act: &SshKeys, user: &User, root: &TargetRoot) -> anyhow::Result<Self> {
        let home = root
            .open_at(&act.home, DIRECTORY, Mode::empty())
            .with_context(|| format!("cannot open home {}", act.home))?;
        let handles = Self {
            root: root.open()?,
            home,
        };
        let first = act.file.split('/').next().unwrap_or_default();
        if first.len() < act.file.len() {
            handles
                .create_first(first, user)
                .with_context(|| format!("cannot create directory {}/{first}", act.home))?;
        }
        Ok(handles)
    }

    /// Creates the directory in the home, which the user may not be allowed to: only a new directory is ever given
    /// away. It already belongs to the user when it gets its name: a run that is killed before that leaves nothing
    /// there which the next one could not write to.
    fn create_first(&self, name: &str, user: &User) -> anyhow::Result<()> {
        if lstat(&self.home, name)?.is_some() {
            return Ok(());
        }
        publish_directory(&self.home, name, |directory| {
            let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
            fchown(directory, Some(uid), Some(gid))?;
            Ok(fchmod(directory, Mode::S_IRWXU)?)
        })
    }

    fn write(&self, act: &SshKeys, user: &User) -> anyhow::Result<()> {
        become_user(user)?;
        let (below, name) = act.file.rsplit_once('/').unwrap_or(("", &act.file));
        let mut directory = self.home.try_clone()?;
        for (part, path) in prefixes(below) {
            match mkdirat(&directory, part, Mode::S_IRWXU) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create directory {path}"));
                }
            }
            directory = self
                .open_below(act, path)
                .with_context(|| format!("cannot open directory {path}"))?;
        }
        let mut stage =
            StagedFile::new(&directory, name, PRIVATE).context("cannot create the file")?;
        stage.file().write_all(act.text.as_bytes())?;
        fchmod(&*stage.file(), Mode::S_IRUSR | Mode::S_IWUSR)?;
        stage.publish(true)
    }

    /// Opens a directory below the home. Links may lead elsewhere inside the root, where the user's own rights apply
    /// from the root on.
    fn open_below(&self, act: &SshKeys, path: &str) -> nix::Result<OwnedFd> {
        match open(&self.home, path, ResolveFlag::RESOLVE_BENEATH) {
            Err(Errno::EXDEV) => {
                let full_path = format!("{}/{path}", act.home);
                let full_path = full_path.trim_start_matches('/');
                open(&self.root, full_path, ResolveFlag::RESOLVE_IN_ROOT)
            }
            other => other,
        }
    }
}

fn open(directory: &OwnedFd, path: &str, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(DIRECTORY)
        .resolve(resolve | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    open_resolved(directory, path, how)
}

/// Parts of a relative path, each with the path up to it.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    ends.map(|end| &path[..end])
        .filter(|path| !path.is_empty())
        .map(|path| (path.rsplit('/').next().unwrap_or(path), path))
}

/// Assumes the user's identity for file access, group first. The calls do not report success, but repeating them does.
fn become_user(user: &User) -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setfsgid(gid);
    setfsuid(uid);
    let has_changed = setfsgid(gid) == gid && setfsuid(uid) == uid;
    ensure!(has_changed, "cannot act as uid {uid}, gid {gid}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_grow() {
        let found: Vec<_> = prefixes(".ssh/authorized_keys.d").collect();
        assert_eq!(
            found,
            [
                (".ssh", ".ssh"),
                ("authorized_keys.d", ".ssh/authorized_keys.d")
            ]
        );
        assert_eq!(prefixes("").count(), 0);
    }
}
