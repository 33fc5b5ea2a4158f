//! Refuses to write where the kernel would not let this process write: on file systems that are mounted read-only, in
//! directories it has no right to, and to immutable nodes.

use super::build::{is_idle, paths_of};
use super::{Draft, Effect, OpKind, Operation, Refusal, mounts};
use crate::facts::RootFacts;
use crate::facts::paths::{ancestors, parent};
use crate::facts::root::WriteBarrier;
use std::collections::BTreeSet;

/// What is in the way.
enum Obstacle<'a> {
    /// A file system that was mounted read-only before, by its mount point.
    Mount(&'a str),
    /// A node.
    Node(&'a str, WriteBarrier),
}

/// Refuses the first operation that cannot write.
pub fn refuse(draft: &mut Draft<'_>) {
    let facts = &draft.observed.root;
    if facts.unwritable.is_empty() && !facts.mounts.values().any(|mount| mount.read_only) {
        return;
    }
    let scene = Scene {
        facts,
        points: draft.operations().iter().filter_map(mounted_by).collect(),
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

fn mounted_by(operation: &Operation) -> Option<String> {
    match &operation.kind {
        OpKind::Mount(act) => Some(act.point.clone()),
        _ => None,
    }
}

/// What was observed, and the mount points of file systems that this run mounts itself.
struct Scene<'a> {
    facts: &'a RootFacts,
    points: BTreeSet<String>,
}

impl<'a> Scene<'a> {
    fn obstacle(&self, operation: &Operation) -> Option<Obstacle<'a>> {
        // To change a directory its entries are not touched.
        let stays =
            matches!(operation.kind, OpKind::Directory(_)) && operation.effect == Effect::Change;
        let obstacle = |path: &String| {
            let directory = parent(path).filter(|_| !stays);
            self.mount(path)
                .or_else(|| directory.and_then(|directory| self.node(directory)))
                .or_else(|| self.immutable(path))
        };
        paths_of(operation).iter().find_map(obstacle)
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
        self.node(path)
            .filter(|found| matches!(found, Obstacle::Node(_, WriteBarrier::Immutable)))
    }
}

fn refusal(operation: &Operation, obstacle: &Obstacle<'_>) -> Refusal {
    let remount = "mount it so that it can be written to, or choose another path".to_owned();
    let (cause, remedy) = match obstacle {
        Obstacle::Mount(point) => (
            format!("the file system mounted at {point} of the target is read only"),
            remount,
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
    };
    Refusal {
        act: "cannot".into(),
        object: operation.kind.describe(),
        cause,
        origin: operation.origin.clone(),
        remedy,
    }
}
