//! Users and groups as the target sees them.
//!
//! A static program has no name service switch, so the databases are read directly, in the order of
//! the target's `nsswitch.conf`.

use super::TargetRoot;
use crate::accounts::{AccountKind, DatabaseLookup, DatabaseSource, Databases, User};
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::sync::Arc;

impl DatabaseSource for TargetRoot {
    type Error = anyhow::Error;

    fn file(&self, path: &str) -> anyhow::Result<DatabaseLookup> {
        read_database(self, path)
            .with_context(|| format!("cannot read {path} inside {}", self.path().display()))
    }

    fn names(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let directory = match self.open_at(path, flags, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(Vec::new()),
            other => other.with_context(|| format!("cannot list {path}"))?,
        };
        let mut names = Vec::new();
        for entry in nix::dir::Dir::from_fd(directory)?.iter() {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }
}

fn read_database(root: &TargetRoot, path: &str) -> anyhow::Result<DatabaseLookup> {
    let opened = match root.open_file(path, OFlag::O_RDONLY) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(DatabaseLookup::Missing),
        Err(Errno::ELOOP) => None,
        other => other?,
    };
    match opened {
        Some((file, _)) => Ok(DatabaseLookup::File(super::root::read_bounded(file)?)),
        None => Ok(DatabaseLookup::Other),
    }
}

/// Looks up names in the databases of a target.
#[derive(Debug)]
pub struct Lookup<'r> {
    root: &'r TargetRoot,
}

impl<'r> Lookup<'r> {
    /// A lookup in this target.
    pub fn new(root: &'r TargetRoot) -> Self {
        Self { root }
    }

    fn databases(&self) -> anyhow::Result<Arc<Databases>> {
        self.root
            .cached_databases()
            .databases(|| Databases::read(self.root))
    }

    /// The id of a user or group; `None` if there is none of that name. `root` always exists: its id is 0 without any
    /// database.
    pub fn id(&self, kind: AccountKind, name: &str) -> anyhow::Result<Option<u32>> {
        let id = self.databases()?.id(kind, name);
        Ok(id.or_else(|| (name == "root").then_some(0)))
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> anyhow::Result<Option<User>> {
        Ok(self.databases()?.user(name))
    }
}
