//! Refuses to write where the kernel would not allow it: on file systems that are mounted read-only, in directories
//! without write permission, and to immutable nodes.

use super::op::Mount;
use super::touched::{is_idle, paths_of};
use super::{Draft, Effect, ErrorCode, Failure, OpKind, Operation, mounts};
use crate::accounts::AccountFile;
use crate::facts::RootFacts;
use crate::facts::root::WriteBarrier;
use crate::paths::{self, ResolveError, ancestors, parent};
use std::collections::BTreeSet;

/// What prevents a write.
enum Obstacle<'a> {
    /// A file system that was mounted read-only before, by its mount point.
    ReadOnlyMount(&'a str),
    /// A file system that the config mounts read-only, by its mount point.
    ReadOnlyOption(&'a str),
    /// A node that would be replaced, on which something is mounted.
    MountPoint(&'a str),
    Node(&'a str, WriteBarrier),
}

/// Refuses the first operation that cannot write.
pub fn refuse(draft: &mut Draft<'_>) {
    let facts = &draft.observed.root;
    let mounts: Vec<_> = draft.operations().iter().filter_map(mounted_by).collect();
    let read_only = mounts.iter().filter(|mount| mount.is_read_only());
    let databases = AccountFile::ALL.into_iter().filter(|file| {
        let before = facts.accounts.databases.table(*file);
        before != draft.accounts.databases.table(*file)
    });
    let context = WriteContext {
        facts,
        databases: databases.map(AccountFile::path).collect(),
        read_only: read_only.map(|mount| mount.point.clone()).collect(),
        points: mounts.iter().map(|mount| mount.point.clone()).collect(),
    };
    let writers = draft.operations().iter().filter(|op| !is_idle(op));
    let first = writers
        .filter_map(|operation| Some((operation, context.obstacle(operation)?)))
        .next();
    if let Some((operation, obstacle)) = first {
        let refusal = refusal(operation, &obstacle);
        draft.refuse(refusal);
    }
}

fn mounted_by(operation: &Operation) -> Option<&Mount> {
    match &operation.kind {
        OpKind::Mount(act) => Some(act),
        _ => None,
    }
}

/// What was observed, and the mount points of file systems that this run mounts itself.
struct WriteContext<'a> {
    facts: &'a RootFacts,
    /// Account databases that change.
    databases: Vec<&'static str>,
    points: BTreeSet<String>,
    /// Those of them that the config mounts read-only.
    read_only: BTreeSet<String>,
}

impl<'a> WriteContext<'a> {
    fn obstacle(&'a self, operation: &Operation) -> Option<Obstacle<'a>> {
        // Changing a directory does not affect the entries of its parent.
        let keeps_entries =
            matches!(operation.kind, OpKind::Directory(_)) && operation.effect == Effect::Change;
        let obstacle = |path: &str| {
            let directory = parent(path).filter(|_| !keeps_entries);
            self.read_only_option(path)
                .or_else(|| self.read_only_mount(path))
                .or_else(|| {
                    self.foreign_mount_point(path)
                        .filter(|_| replaces(operation))
                })
                .or_else(|| directory.and_then(|directory| self.write_barrier(directory)))
                .or_else(|| self.immutable(path))
        };
        let linked = match &operation.kind {
            OpKind::HardLink(act) => self.immutable(&act.target),
            OpKind::User(_) | OpKind::Group(_) => self.blocked_database(),
            _ => None,
        };
        linked.or_else(|| paths_of(operation).find_map(obstacle))
    }

    /// An account database that cannot be replaced by a new one.
    fn blocked_database(&self) -> Option<Obstacle<'a>> {
        let mut databases = self.databases.iter().map(|name| {
            let path = paths::resolve(name, |at| Ok::<_, ResolveError>(self.facts.lookup(at)));
            path.unwrap_or_else(|_| (*name).into())
        });
        databases.find_map(|path| {
            self.foreign_mount_point(&path)
                .or_else(|| self.immutable(&path))
        })
    }

    fn read_only_option(&'a self, path: &str) -> Option<Obstacle<'a>> {
        let point = mounts::point_of(&self.points, path)?;
        self.read_only
            .get(point)
            .map(|point| Obstacle::ReadOnlyOption(point))
    }

    /// A mount point that is not of this run and cannot be replaced.
    fn foreign_mount_point(&self, path: &str) -> Option<Obstacle<'a>> {
        let (point, _) = self.facts.mounts.get_key_value(path)?;
        (point != "/" && !self.is_mounted_by_plan(path)).then_some(Obstacle::MountPoint(point))
    }

    /// The present mount point at or above a path, and whether it is read-only.
    fn mount_point(&self, path: &str) -> Option<(&'a str, bool)> {
        let mut above = std::iter::once(path).chain(ancestors(path)).chain(["/"]);
        let (point, mount) = above.find_map(|at| self.facts.mounts.get_key_value(at))?;
        Some((point, mount.read_only))
    }

    /// True if this run mounts a file system of the config over what is at a path now; what was observed there was seen
    /// through a read-only mount.
    fn is_mounted_by_plan(&self, path: &str) -> bool {
        let now = self.mount_point(path).map_or("/", |(point, _)| point);
        mounts::point_of(&self.points, path).is_some_and(|own| own.len() >= now.len())
    }

    fn read_only_mount(&self, path: &str) -> Option<Obstacle<'a>> {
        let (point, read_only) = self.mount_point(path)?;
        (read_only && !self.is_mounted_by_plan(path)).then_some(Obstacle::ReadOnlyMount(point))
    }

    fn write_barrier(&self, path: &str) -> Option<Obstacle<'a>> {
        let (path, barrier) = self.facts.unwritable.get_key_value(path)?;
        (!self.is_mounted_by_plan(path)).then_some(Obstacle::Node(path, *barrier))
    }

    /// A node that can be neither changed nor replaced, whatever its directory permits.
    fn immutable(&self, path: &str) -> Option<Obstacle<'a>> {
        use WriteBarrier::{AppendOnly, Immutable};
        self.write_barrier(path)
            .filter(|found| matches!(found, Obstacle::Node(_, Immutable | AppendOnly)))
    }
}

/// True for operations that replace a node or remove it.
fn replaces(operation: &Operation) -> bool {
    match &operation.kind {
        OpKind::File(act) => act.replace,
        OpKind::Symlink(act) => act.replace,
        OpKind::HardLink(act) => act.replace,
        OpKind::Remove(_) => true,
        _ => false,
    }
}

fn refusal(operation: &Operation, obstacle: &Obstacle<'_>) -> Failure {
    let remount = "mount it so that it can be written to, or choose another path".to_owned();
    let (cause, remedy) = match obstacle {
        Obstacle::ReadOnlyMount(point) => (
            format!("the file system mounted at {point} of the target is read-only"),
            remount,
        ),
        Obstacle::ReadOnlyOption(point) => (
            format!("its mountOptions mount the file system at {point} read-only"),
            "remove \"ro\" from mountOptions, or choose another path".to_owned(),
        ),
        Obstacle::MountPoint(point) => (
            format!("something is mounted at {point} of the target, which cannot be replaced"),
            "unmount it, or choose another path".to_owned(),
        ),
        Obstacle::Node(path, WriteBarrier::ReadOnly) => (
            format!("the file system of {path} in the target is read only"),
            remount,
        ),
        Obstacle::Node(path, WriteBarrier::Permissions) => (
            format!("this user has no permission to write to {path} of the target"),
            "run kindling as root, or give this user write permission".to_owned(),
        ),
        Obstacle::Node(path, WriteBarrier::Immutable) => (
            format!("{path} of the target is immutable"),
            "remove the attribute (chattr -i), or choose another path".to_owned(),
        ),
        Obstacle::Node(path, WriteBarrier::Kernel) => (
            format!(
                "{path} of the target is in a kernel file system such as procfs, where nothing can be created"
            ),
            "choose another path".to_owned(),
        ),
        Obstacle::Node(path, WriteBarrier::AppendOnly) => (
            format!("{path} of the target is append-only"),
            "remove the attribute (chattr -a), or choose another path".to_owned(),
        ),
    };
    Failure::of_operation(ErrorCode::READ_ONLY, operation, cause, &remedy)
}
