//! Refuses to write where the kernel would not let this process write: on file systems that are mounted read-only, in
//! directories it has no right to, and to immutable nodes.

use super::op::Mount;
use super::touched::{is_idle, paths_of};
use super::{Draft, Effect, ErrorCode, Failure, OpKind, Operation, mounts};
use crate::accounts::AccountFile;
use crate::facts::RootFacts;
use crate::facts::root::WriteBarrier;
use crate::paths::{self, ResolveError, ancestors, parent};
use std::collections::BTreeSet;

/// What is in the way.
enum Obstacle<'a> {
    /// A file system that was mounted read-only before, by its mount point.
    Mount(&'a str),
    /// A file system that the config has mounted read-only, by its mount point.
    Option(&'a str),
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
    let scene = WriteContext {
        facts,
        databases: databases.map(AccountFile::path).collect(),
        read_only: read_only.map(|mount| mount.point.clone()).collect(),
        points: mounts.iter().map(|mount| mount.point.clone()).collect(),
    };
    let writers = draft.operations().iter().filter(|op| !is_idle(op));
    let first = writers
        .filter_map(|operation| Some((operation, scene.obstacle(operation)?)))
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
    /// Those of them that the config has mounted read-only.
    read_only: BTreeSet<String>,
}

impl<'a> WriteContext<'a> {
    fn obstacle(&'a self, operation: &Operation) -> Option<Obstacle<'a>> {
        // To change a directory its entries are not touched.
        let stays =
            matches!(operation.kind, OpKind::Directory(_)) && operation.effect == Effect::Change;
        let obstacle = |path: &str| {
            let directory = parent(path).filter(|_| !stays);
            self.option(path)
                .or_else(|| self.mount(path))
                .or_else(|| self.busy(path).filter(|_| replaces(operation)))
                .or_else(|| directory.and_then(|directory| self.node(directory)))
                .or_else(|| self.immutable(path))
        };
        let linked = match &operation.kind {
            OpKind::HardLink(act) => self.immutable(&act.target),
            OpKind::User(_) | OpKind::Group(_) => self.database(),
            _ => None,
        };
        linked.or_else(|| paths_of(operation).find_map(obstacle))
    }

    /// An account database that cannot be replaced by a new one.
    fn database(&self) -> Option<Obstacle<'a>> {
        let mut databases = self.databases.iter().map(|name| {
            let path = paths::resolve(name, |at| Ok::<_, ResolveError>(self.facts.look(at)));
            path.unwrap_or_else(|_| (*name).into())
        });
        databases.find_map(|path| self.busy(&path).or_else(|| self.immutable(&path)))
    }

    fn option(&'a self, path: &str) -> Option<Obstacle<'a>> {
        let point = mounts::point_of(&self.points, path)?;
        self.read_only
            .get(point)
            .map(|point| Obstacle::Option(point))
    }

    /// A mount point of others; nothing can take its place.
    fn busy(&self, path: &str) -> Option<Obstacle<'a>> {
        let (point, _) = self.facts.mounts.get_key_value(path)?;
        (point != "/" && !self.is_mounted_by_plan(path)).then_some(Obstacle::MountPoint(point))
    }

    /// The mount point that a path is below now.
    fn mount_point(&self, path: &str) -> Option<(&'a str, bool)> {
        let mut above = std::iter::once(path).chain(ancestors(path)).chain(["/"]);
        let (point, mount) = above.find_map(|at| self.facts.mounts.get_key_value(at))?;
        Some((point, mount.read_only))
    }

    /// True if this run mounts a file system of the config in front of what is at a path now; what was seen there
    /// was seen through a read-only mount.
    fn is_mounted_by_plan(&self, path: &str) -> bool {
        let now = self.mount_point(path).map_or("/", |(point, _)| point);
        mounts::point_of(&self.points, path).is_some_and(|own| own.len() >= now.len())
    }

    fn mount(&self, path: &str) -> Option<Obstacle<'a>> {
        let (point, read_only) = self.mount_point(path)?;
        (read_only && !self.is_mounted_by_plan(path)).then_some(Obstacle::Mount(point))
    }

    fn node(&self, path: &str) -> Option<Obstacle<'a>> {
        let (path, barrier) = self.facts.unwritable.get_key_value(path)?;
        (!self.is_mounted_by_plan(path)).then_some(Obstacle::Node(path, *barrier))
    }

    /// A node that neither changes nor is replaced, whatever its directory permits.
    fn immutable(&self, path: &str) -> Option<Obstacle<'a>> {
        use WriteBarrier::{AppendOnly, Immutable};
        self.node(path)
            .filter(|found| matches!(found, Obstacle::Node(_, Immutable | AppendOnly)))
    }
}

/// True for operations that put a new node where another was, or nothing.
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
        Obstacle::Mount(point) => (
            format!("the file system mounted at {point} of the target is read-only"),
            remount,
        ),
        Obstacle::Option(point) => (
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
