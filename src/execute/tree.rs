//! Creates and removes nodes of the target tree.
//!
//! Everything is done relative to a handle of the parent directory, which the kernel resolved inside the target, and
//! never follows a link at the last component. A node gets its final name only when it is complete: content, owner and
//! mode are set before.

use super::atomic::{PRIVATE, StagedFile};
use super::attributes;
use super::copies::{self, DigestWriter};
use super::node_kind::{kind, lstat};
use super::removal::remove_tree;
use super::{Context, Done, luks, ranges, walk};
use crate::accounts::AccountKind;
use crate::host::accounts::Lookup;
use crate::host::regular::open_regular;
use crate::plan::op::{
    Base, Content, DirectoryAct, FileAct, HardLinkAct, Owner, Permissions, Remove, SymlinkAct,
};
use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchown, fchownat, linkat, symlinkat};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

const NEW_FILE_MODE: u32 = 0o644;
const NEW_DIRECTORY_MODE: u32 = 0o755;
const NOT_A_FILE: &str = "it is not a regular file";

/// Writes a file, appends to one, or corrects its owner and mode.
pub fn file(act: &FileAct, context: &Context) -> anyhow::Result<Done> {
    let (directory, name) = parent(context, &act.path)?;
    let permissions = ResolvedAttributes::of(&act.permissions, context)?;
    if act.base == Base::Present && act.parts.is_empty() {
        correct_file(&directory, name, permissions, context)
            .with_context(|| format!("cannot change owner or mode of {}", act.path))?;
        return Ok(Done::default());
    }
    let mode = permissions.staging_mode(act.base);
    let mut stage = StagedFile::new(&directory, name, mode)
        .with_context(|| format!("cannot create a file in the directory of {}", act.path))?;
    let base = match act.base {
        Base::Empty => None,
        Base::Present => copy_present(&directory, name, stage.file(), context)
            .with_context(|| format!("cannot read {} to append to it", act.path))?,
    };
    let bytes = write_parts(act, stage.file(), context)
        .with_context(|| format!("cannot write {}", act.path))?;
    permissions
        .apply_to_new(stage.file(), base.as_ref().map(|base| (&base.0, &base.1)))
        .with_context(|| format!("cannot set owner and mode of {}", act.path))?;
    let published = match base {
        Some(_) => stage.replace_durably(),
        None => stage.publish(act.replace),
    };
    published.with_context(|| format!("cannot put {} in place", act.path))?;
    Ok(Done {
        bytes: Some(bytes),
        ..Done::default()
    })
}

fn write_parts(act: &FileAct, file: &mut File, context: &Context) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for part in &act.parts {
        bytes += match part {
            Content::Text { text, .. } => {
                file.write_all(text.as_bytes())?;
                text.len() as u64
            }
            Content::Fetched {
                fetch,
                is_copied: true,
            } => {
                let mut sink = DigestWriter::new(file);
                let bytes = context
                    .fetcher
                    .copy(&fetch.resource(), &mut sink, context.events)?;
                context.copies.record(&act.path, sink.digest());
                bytes
            }
            Content::Fetched { fetch, .. } => {
                context
                    .fetcher
                    .copy(&fetch.resource(), file, context.events)?
            }
            Content::Copied { path, fetch } => match copies::copy(path, file, context)
                .with_context(|| format!("cannot copy {path}, which has the same content"))?
            {
                Some(bytes) => bytes,
                // That file has been changed since.
                None => context
                    .fetcher
                    .copy(&fetch.resource(), file, context.events)?,
            },
            Content::VolumeKey { volume } => {
                let key = context.keys.get(volume);
                let key = key.with_context(|| format!("no key available for volume {volume}"))?;
                file.write_all(&key)?;
                key.len() as u64
            }
            Content::VolumeUuid { device } => {
                let uuid = luks::uuid(device, context)?;
                file.write_all(uuid.as_bytes())?;
                uuid.len() as u64
            }
        };
    }
    Ok(bytes)
}

/// Copies the existing file, so that appending is as atomic as replacing: otherwise, after a run that was killed
/// halfway, the next one would append the same bytes again.
fn copy_present(
    directory: &OwnedFd,
    name: &str,
    to: &mut File,
    context: &Context,
) -> anyhow::Result<Option<(File, FileStat)>> {
    let opened = match open_present(directory, name) {
        Err(Errno::ENOENT) => return Ok(None),
        other => other?,
    };
    let (present, stat) = opened.context(NOT_A_FILE)?;
    ranges::copy(&present, to, context.events)?;
    Ok(Some((present, stat)))
}

fn open_present(directory: &OwnedFd, name: &str) -> nix::Result<Option<(File, FileStat)>> {
    let access = OFlag::O_RDONLY | OFlag::O_NOFOLLOW;
    open_regular(access, |flags| {
        openat(directory, name, flags, Mode::empty())
    })
}

/// Corrects owner and mode of a file. One with several names is replaced by a copy: the config does not apply to the
/// other names, and whoever can create hard links in the directory could otherwise get any file changed.
fn correct_file(
    directory: &OwnedFd,
    name: &str,
    permissions: ResolvedAttributes,
    context: &Context,
) -> anyhow::Result<()> {
    let (file, stat) = open_present(directory, name)?.context(NOT_A_FILE)?;
    if stat.st_nlink <= 1 {
        return Ok(permissions.apply(&file)?);
    }
    let mut stage = StagedFile::new(directory, name, PRIVATE)?;
    ranges::copy(&file, stage.file(), context.events)?;
    permissions.apply_to_new(stage.file(), Some((&file, &stat)))?;
    stage.replace_durably()
}

/// Creates a directory, or corrects its owner and mode.
pub fn directory(act: &DirectoryAct, context: &Context) -> anyhow::Result<Done> {
    let (parent_directory, name) = parent(context, &act.path)?;
    let is_new = create_directory(&parent_directory, name)
        .with_context(|| format!("cannot create directory {}", act.path))?;
    if act.implied && !is_new {
        return Ok(Done::default());
    }
    let mut permissions = ResolvedAttributes::of(&act.permissions, context)?;
    if is_new {
        permissions.mode = permissions.mode.or(Some(NEW_DIRECTORY_MODE));
    }
    set_directory_attributes(&parent_directory, name, permissions, is_new)
        .with_context(|| format!("cannot set owner and mode of directory {}", act.path))?;
    Ok(Done {
        made: is_new,
        ..Done::default()
    })
}

/// Sets owner and mode of a directory. Only the directory that was created may be given away.
fn set_directory_attributes(
    parent_directory: &OwnedFd,
    name: &str,
    permissions: ResolvedAttributes,
    is_new: bool,
) -> anyhow::Result<()> {
    let directory = walk::open_directory(parent_directory, name)?;
    if is_new && (permissions.uid.is_some() || permissions.gid.is_some()) {
        let stat = fstat(&directory)?;
        let is_own = stat.st_uid == uzers::get_effective_uid() && stat.st_nlink <= 2;
        ensure!(is_own, "something else appeared there");
    }
    Ok(permissions.apply(&directory)?)
}

/// Creates a directory; false if it already exists.
fn create_directory(parent_directory: &OwnedFd, name: &str) -> anyhow::Result<bool> {
    if name == "." {
        return Ok(false);
    }
    match mkdirat(
        parent_directory,
        name,
        Mode::from_bits_truncate(NEW_DIRECTORY_MODE),
    ) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => {
            let stat = lstat(parent_directory, name)?
                .context("another process keeps creating and removing it")?;
            ensure!(kind(&stat) == SFlag::S_IFDIR, "something else is there");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates a symbolic link, or corrects its owner.
pub fn symlink(act: &SymlinkAct, context: &Context) -> anyhow::Result<Done> {
    let (directory, name) = parent(context, &act.path)?;
    let permissions = ResolvedAttributes::of(&act.permissions, context)?;
    place_symlink(act, &directory, name, permissions)
        .with_context(|| format!("cannot link {} -> {}", act.path, act.target))?;
    Ok(Done::default())
}

fn place_symlink(
    act: &SymlinkAct,
    directory: &OwnedFd,
    name: &str,
    permissions: ResolvedAttributes,
) -> anyhow::Result<()> {
    let is_same = readlinkat(directory, name).is_ok_and(|there| there == *act.target);
    if is_same {
        return Ok(permissions.apply_to_link(directory, name)?);
    }
    super::atomic::publish_node(directory, name, act.replace, |temporary| {
        symlinkat(act.target.as_str(), directory, temporary)?;
        permissions.apply_to_link(directory, temporary)
    })
}

/// Creates a hard link.
pub fn hard_link(act: &HardLinkAct, context: &Context) -> anyhow::Result<Done> {
    let (directory, name) = parent(context, &act.path)?;
    let (target_directory, target) = parent(context, &act.target)?;
    super::atomic::publish_node(&directory, name, act.replace, |temporary| {
        linkat(
            &target_directory,
            target,
            &directory,
            temporary,
            AtFlags::empty(),
        )
    })
    .with_context(|| format!("cannot hard-link {} to {}", act.path, act.target))?;
    Ok(Done::default())
}

/// Removes a node and everything below it, without following links.
///
/// # Errors
/// If it is the root of the target, or a file system is mounted below it.
pub fn remove(act: &Remove, context: &Context) -> anyhow::Result<Done> {
    let (directory, name) = parent(context, &act.path)?;
    ensure!(name != ".", "cannot remove the root of the target");
    remove_tree(&directory, name).with_context(|| format!("cannot remove {}", act.path))?;
    Ok(Done::default())
}

fn parent<'p>(context: &Context, path: &'p str) -> anyhow::Result<(Arc<OwnedFd>, &'p str)> {
    context
        .directories
        .parent(context.root, path)
        .with_context(|| {
            format!(
                "cannot open the directory of {path} inside {}",
                context.root.path().display()
            )
        })
}

/// Owner and mode, with names resolved to ids.
#[derive(Debug, Clone, Copy)]
struct ResolvedAttributes {
    uid: Option<Uid>,
    gid: Option<Gid>,
    mode: Option<u32>,
}

impl ResolvedAttributes {
    fn of(desired: &Permissions, context: &Context) -> anyhow::Result<Self> {
        let id = |kind, owner: &Owner| match owner {
            Owner::Keep => Ok(None),
            Owner::Id(id) => Ok(Some(*id)),
            Owner::Name(name) => match Lookup::new(context.root).id(kind, name)? {
                Some(id) => Ok(Some(id)),
                None => bail!("the target has no {kind} named {name:?}"),
            },
        };
        Ok(Self {
            uid: id(AccountKind::User, &desired.user)?.map(Uid::from_raw),
            gid: id(AccountKind::Group, &desired.group)?.map(Gid::from_raw),
            mode: desired.mode,
        })
    }

    /// Sets the owner first, since changing it clears setuid and setgid.
    fn apply(&self, node: &impl AsFd) -> nix::Result<()> {
        let keeps_owner = self.uid.is_none() && self.gid.is_none();
        if !keeps_owner {
            fchown(node, self.uid, self.gid)?;
        }
        match self.mode {
            // New nodes mostly have it already, and checking takes a fraction of the time of changing.
            Some(mode) if keeps_owner && fstat(node)?.st_mode & 0o7777 == mode => Ok(()),
            Some(mode) => fchmod(node, Mode::from_bits_truncate(mode)),
            None => Ok(()),
        }
    }

    /// The mode of an incomplete file: nobody may read it who may not read the final one.
    fn staging_mode(&self, base: Base) -> Mode {
        match (base, self.uid, self.gid) {
            (Base::Empty, None, None) => {
                Mode::from_bits_truncate(self.mode.unwrap_or(NEW_FILE_MODE) & 0o777)
            }
            _ => PRIVATE,
        }
    }

    /// A new file gets what is requested, else the attributes of the file it continues, else the defaults.
    fn apply_to_new(&self, file: &File, base: Option<(&File, &FileStat)>) -> nix::Result<()> {
        let owner = |stat: &FileStat| (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let (uid, gid) = base.map(|(_, stat)| owner(stat)).unzip();
        let mode = base.map_or(NEW_FILE_MODE, |(_, stat)| stat.st_mode & 0o7777);
        ResolvedAttributes {
            uid: self.uid.or(uid),
            gid: self.gid.or(gid),
            mode: self.mode.or(Some(mode)),
        }
        .apply(file)?;
        if let Some((present, _)) = base {
            attributes::keep(present, file, self.mode.is_none());
        }
        Ok(())
    }

    fn apply_to_link(&self, directory: &OwnedFd, name: &str) -> nix::Result<()> {
        if self.uid.is_none() && self.gid.is_none() {
            return Ok(());
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let link = openat(directory, name, flags, Mode::empty())?;
        // Not a hard link to some file that was put there meanwhile.
        if kind(&fstat(&link)?) != SFlag::S_IFLNK {
            return Err(Errno::EEXIST);
        }
        fchownat(&link, "", self.uid, self.gid, AtFlags::AT_EMPTY_PATH)
    }
}
