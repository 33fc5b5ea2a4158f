//! Home directories: whether they are created, moved, handed over or removed.

use super::users::home_refused;
use super::{AccountPlanner, non_empty};
use crate::accounts::{AccountRefusal, User, UserRecord};
use crate::config::model::PasswdUser;
use crate::facts::NodeKind;
use crate::paths::{ResolveError, ancestors, clean, is_at_or_below, parent};
use crate::plan::Claim;
use crate::plan::op::HomeAct;
use std::collections::BTreeSet;

impl AccountPlanner<'_, '_> {
    /// Resolves a directory, with a link at the last component followed as well.
    pub(super) fn resolve_directory(&self, path: &str) -> Result<String, ResolveError> {
        let below = self.planned.resolve(&format!("{path}/x"))?;
        Ok(parent(&below).unwrap_or("/").to_owned())
    }

    /// True if something other than a file, directory or link is there, such as `/dev/null`.
    fn is_special(&self, path: &str) -> bool {
        let place = self.planned.resolve(path).ok();
        let node = place.and_then(|place| self.planned.node(&place));
        node.is_some_and(|node| matches!(node.kind, NodeKind::Other))
    }

    pub(super) fn home_of_created(
        &self,
        desired: &PasswdUser,
        home: &str,
    ) -> Result<(HomeAct, Vec<Claim>), ResolveError> {
        let mut claims = vec![Claim::change_accounts()];
        if desired.no_create_home == Some(true) || self.is_special(home) {
            return Ok((HomeAct::Leave, claims));
        }
        let place = self.resolve_directory(home)?;
        if place == "/" {
            return Ok((HomeAct::Leave, claims));
        }
        claims.extend(self.home_claims(&place));
        let act = match self.planned.exists(&place) {
            true => HomeAct::Leave,
            false => HomeAct::Make { place },
        };
        Ok((act, claims))
    }

    pub(super) fn home_of_modified(
        &self,
        desired: &PasswdUser,
        before: &User,
        after: &UserRecord,
    ) -> Result<(HomeAct, Vec<Claim>), AccountRefusal> {
        let mut claims = vec![Claim::change_accounts()];
        if self.is_special(&after.home) {
            return Ok((HomeAct::Leave, claims));
        }
        let remedy = "remove or replace what is in the way, or give another homeDir";
        let place = match self.resolve_directory(&after.home) {
            Ok(place) => place,
            // A home that is not changed does not have to be resolved.
            Err(_) if after.home == before.home && desired.ssh_authorized_keys.is_empty() => {
                return Ok((HomeAct::Leave, claims));
            }
            Err(cause) => return Err(home_refused(cause.to_string(), remedy)),
        };
        let old = self
            .resolve_directory(&before.home)
            .ok()
            .filter(|old| *old != place);
        let act = match old {
            Some(from) if self.must_move(&from, &place)? => HomeAct::Move { from, place },
            _ if self.lacks_home(desired, after, &place) => HomeAct::Make { place },
            _ if self.follows_ids(before, after, &place) => HomeAct::HandOver { place },
            _ => HomeAct::Leave,
        };
        self.check_skeleton(&act)?;
        match &act {
            HomeAct::Move { from, place } => {
                claims.extend(self.home_claims(place));
                claims.push(Claim::make_path(from));
            }
            HomeAct::Make { place } => claims.extend(self.home_claims(place)),
            _ => {}
        }
        Ok((act, claims))
    }

    /// Refuses to create a home below the directory that its content is copied from.
    pub(super) fn check_skeleton(&self, act: &HomeAct) -> Result<(), AccountRefusal> {
        let HomeAct::Make { place } = act else {
            return Ok(());
        };
        let skeleton = clean(&self.draft.accounts.databases.policy.skeleton());
        let skeleton = self.resolve_directory(&skeleton).unwrap_or(skeleton);
        if !is_at_or_below(place, &skeleton) {
            return Ok(());
        }
        let cause =
            format!("{place} is below {skeleton}, the skeleton that new homes are copied from");
        let remedy = "set SKEL in /etc/default/useradd of the target to another directory, or give another homeDir";
        Err(home_refused(cause, remedy))
    }

    /// True if the former home of the user has to be renamed.
    fn must_move(&self, from: &str, to: &str) -> Result<bool, AccountRefusal> {
        let node = self.planned.node(from);
        let is_directory = node.is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. }));
        if !is_directory || from == "/" || self.planned.exists(to) {
            return Ok(false);
        }
        let remedy = format!("move it first, create {to} in storage.directories, or keep homeDir");
        if is_at_or_below(to, from) {
            let cause = format!("{from} cannot be moved to {to}, which is below it");
            return Err(home_refused(cause, &remedy));
        }
        if self.draft.observed.root.mounts.contains_key(from) {
            let cause = format!("{from} cannot be moved, since a file system is mounted there");
            return Err(home_refused(cause, &remedy));
        }
        let above = ancestors(to).find_map(|above| self.planned.node(above));
        let above = above.or_else(|| self.planned.node("/"));
        let parent_of_old = parent(from).and_then(|above| self.planned.node(above));
        let device = node.map(|node| node.inode.0);
        let same = |other: Option<&crate::facts::NodeFacts>| {
            other.is_none_or(|other| Some(other.inode.0) == device)
        };
        let same_mount = self.mount_of(from) == self.mount_of(to)
            && self.present_mount_of(from) == self.present_mount_of(to);
        if !same(above) || !same(parent_of_old) || !same_mount {
            let cause = format!("{from} cannot be moved to {to}, which is on another file system");
            return Err(home_refused(cause, &remedy));
        }
        Ok(true)
    }

    /// The innermost present mount point at or above a place.
    fn present_mount_of(&self, place: &str) -> Option<&str> {
        let points = self.draft.observed.root.mounts.keys().map(String::as_str);
        points
            .filter(|point| is_at_or_below(place, point))
            .max_by_key(|point| point.len())
    }

    /// The innermost mount point of the config at or above a place.
    fn mount_of(&self, place: &str) -> Option<String> {
        let filesystems = self.config.storage.filesystems.iter();
        let points = filesystems.filter_map(|filesystem| filesystem.path.as_deref());
        points
            .filter_map(|point| self.resolve_directory(point).ok())
            .filter(|point| is_at_or_below(place, point))
            .max_by_key(String::len)
    }

    /// True for a regular user whose home a killed run did not create, or a user whose keys need it. System accounts
    /// often name a home that is not meant to exist.
    fn lacks_home(&self, desired: &PasswdUser, user: &UserRecord, place: &str) -> bool {
        let first = self.draft.accounts.databases.policy.first_uid();
        let is_needed = user.uid >= first || !desired.ssh_authorized_keys.is_empty();
        desired.no_create_home != Some(true)
            && is_needed
            && !self.planned.exists(place)
            && !self.directories.contains_key(place)
    }

    /// True if the content of a home has to follow a change of the user's ids: only if the user owns the home.
    fn follows_ids(&self, before: &User, after: &UserRecord, place: &str) -> bool {
        let node = self.planned.node(place);
        (before.uid, before.gid) != (after.uid, after.gid)
            && place != "/"
            && node.is_some_and(|node| node.uid == before.uid)
    }

    /// The home of a deleted user is removed if the user owns it, nobody else lives in it, and no file system is
    /// mounted in it.
    pub(super) fn home_of_deleted(&self, user: &User) -> HomeAct {
        let Ok(place) = self.planned.resolve(&user.home) else {
            return HomeAct::Leave;
        };
        let node = self.planned.node(&place);
        let is_own = node.is_some_and(|node| {
            matches!(node.kind, NodeKind::Directory { .. }) && node.uid == user.uid
        });
        let databases = &self.draft.accounts.databases;
        let mut others = databases.other_homes(&user.name);
        let is_shared = others.any(|home| is_at_or_below(&clean(home), &place));
        let mut mounts = self.draft.observed.root.mounts.keys();
        let holds_mount = mounts.any(|point| *point != place && is_at_or_below(point, &place));
        match is_own && !is_shared && !holds_mount && place != "/" {
            true => HomeAct::Remove { place },
            false => HomeAct::Leave,
        }
    }

    /// Records the owner of a home that this run creates, moves or hands over.
    pub(super) fn record_home(&mut self, user: &str, act: &HomeAct) {
        if let HomeAct::Make { place } | HomeAct::Move { place, .. } | HomeAct::HandOver { place } =
            act
        {
            self.homes.insert(place.clone(), user.to_owned());
        }
    }

    /// Claims for creating a home: missing directories above it are created with it, unless the config requests them. A
    /// directory owned by a name comes after the accounts and so after the home.
    fn home_claims(&self, home: &str) -> Vec<Claim> {
        let mut claims = self.planned.claims(home);
        let above = self.planned.missing_above(home);
        let named = above
            .iter()
            .any(|path| self.directories.get(path) == Some(&true));
        let requested = above
            .iter()
            .rposition(|path| self.directories.contains_key(path));
        let made_elsewhere = if named {
            0
        } else {
            requested.map_or(0, |at| at + 1)
        };
        let (elsewhere, with_home) = above.split_at(made_elsewhere);
        claims.extend(elsewhere.last().map(|path| Claim::use_path(path)));
        claims.extend(with_home.iter().map(|path| Claim::make_path(path)));
        claims
    }

    /// Directories from the home down to mount points below it that do not exist yet: mounting creates them, owned by
    /// root.
    pub(super) fn mount_directories_in(&self, desired: &PasswdUser, home: &str) -> Vec<String> {
        let Ok(home) = self.resolve_directory(home) else {
            return Vec::new();
        };
        if desired.no_create_home == Some(true) || home == "/" {
            return Vec::new();
        }
        if let Some(first_boot) = &self.draft.options.first_boot {
            let created = first_boot.mount_directories.iter();
            let below = created.filter(|path| is_at_or_below(path, &home));
            return below.cloned().collect();
        }
        let mut adopts = BTreeSet::new();
        let filesystems = self.config.storage.filesystems.iter();
        let points = filesystems.filter_map(|filesystem| non_empty(&filesystem.path));
        for point in points.filter_map(|point| self.resolve_directory(&point).ok()) {
            for path in std::iter::once(point.as_str()).chain(ancestors(&point)) {
                if is_at_or_below(path, &home) && self.is_created_by_mount(path) {
                    adopts.insert(path.to_owned());
                }
            }
        }
        adopts.into_iter().collect()
    }

    /// True for a directory that does not exist, or the root of a file system that is not created yet.
    fn is_created_by_mount(&self, path: &str) -> bool {
        let node = self.draft.observed.root.nodes.get(path);
        node.is_none_or(|node| node.inode == (0, 0))
    }
}
