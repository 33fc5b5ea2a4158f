//! The target tree during planning: what was observed, minus what earlier operations remove, plus what they create.

use super::op::{AccountChange, DirectoryAct, HomeAct, Owner, Permissions};
use super::permissions;
use super::{Access, Claim, ClaimedResource, Draft, Effect, ErrorCode, Failure, OpKind, Phase};
use crate::accounts;
use crate::config::Origin;
use crate::facts::{NodeFacts, NodeKind, RootFacts};
use crate::paths::{self, Overlay, PathLookup, ResolveError};
use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Mode of a new directory if none is requested.
pub const DIRECTORY_MODE: u32 = 0o755;

/// What an operation of this plan creates at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedNode {
    /// A directory.
    Directory,
    /// A regular file, or another name of one.
    File,
    /// A symbolic link.
    Link,
}

/// A node that an operation creates.
#[derive(Debug, Clone, Copy)]
struct MadeNode {
    what: PlannedNode,
    /// Length of the path of the nearest directory above that its operation waits for. A path has less than 64 KiB.
    waits_for: Option<u16>,
}

/// The tree at a point during planning.
#[derive(Debug)]
pub struct PlannedTree<'a> {
    facts: &'a RootFacts,
    overlay: Overlay,
    made: HashMap<Arc<str>, MadeNode>,
    mounted: HashSet<String>,
    removed: HashSet<String>,
    /// Homes that have been deleted with their users.
    deleted: Vec<String>,
    /// Homes that have been moved, from where to where.
    moved: Vec<(String, String)>,
    /// Nodes that entries with `overwrite` remove with all their content at some point of the run.
    emptied: BTreeSet<String>,
    /// Owners of directories that are created as parents, by their resolved paths.
    new_parents: HashMap<String, (Owner, Owner)>,
}

impl<'a> PlannedTree<'a> {
    /// The tree after the operations drafted so far.
    pub fn of(draft: &Draft<'a>) -> Self {
        let facts = &draft.observed.root;
        let storage = &draft.document.config().storage;
        let mut planned = PlannedTree {
            facts,
            overlay: Overlay::new(storage.redirections(), |at| {
                Ok::<_, ResolveError>(facts.lookup(at))
            }),
            made: HashMap::new(),
            mounted: HashSet::new(),
            removed: HashSet::new(),
            deleted: Vec::new(),
            moved: Vec::new(),
            emptied: BTreeSet::new(),
            new_parents: HashMap::new(),
        };
        planned.emptied = storage
            .overwriting_paths()
            .filter_map(|path| planned.resolve(path).ok())
            .filter(|path| planned.is_emptied_by_entry(path))
            .collect();
        for parent in draft.document.new_parents() {
            if let Ok(path) = planned.resolve(&parent.path) {
                let owners = (
                    permissions::owner(&parent.user),
                    permissions::owner(&parent.group),
                );
                planned.new_parents.entry(path).or_insert(owners);
            }
        }
        for op in draft.operations() {
            planned.record(&op.kind, &op.claims);
        }
        planned.record_databases(draft);
        planned
    }

    /// Records the account databases that operations on accounts create.
    fn record_databases(&mut self, draft: &Draft<'_>) {
        let (before, after) = (&self.facts.accounts.databases, &draft.accounts.databases);
        for file in accounts::AccountFile::ALL {
            let is_written = before.table(file) != after.table(file);
            let Some(place) = is_written.then(|| self.resolve(file.path()).ok()).flatten() else {
                continue;
            };
            if !self.exists(&place) {
                let node = MadeNode {
                    what: PlannedNode::File,
                    waits_for: None,
                };
                self.made.insert(place.into(), node);
            }
        }
    }

    /// True if an entry with `overwrite` at this path removes a directory with its content, or another node that paths
    /// then no longer lead through as they do now.
    fn is_emptied_by_entry(&self, path: &str) -> bool {
        let node = self.facts.nodes.get(path).map(|node| &node.kind);
        match node {
            Some(NodeKind::Directory {
                empty,
                only_requested,
            }) => !empty && !only_requested,
            Some(NodeKind::Symlink { .. } | NodeKind::File { .. } | NodeKind::Other) => true,
            None => false,
        }
    }

    fn record(&mut self, kind: &OpKind, claims: &[Claim]) {
        if let OpKind::Remove(act) = kind {
            self.removed.insert(act.path.clone());
            self.made.remove(act.path.as_str());
            return;
        }
        if let OpKind::User(act) = kind {
            let vacated = act.home_act.vacated().map(str::to_owned);
            self.removed.extend(vacated);
            if let HomeAct::Remove { place } = &act.home_act {
                self.deleted.push(place.clone());
            }
            if let HomeAct::Move { from, place } = &act.home_act {
                self.removed.remove(place);
                self.moved.push((from.clone(), place.clone()));
            }
            if act.request.change == AccountChange::Delete {
                return;
            }
        }
        // Mounting creates the mount point and the directories above it; the order comes from the mount claim.
        if let OpKind::Mount(act) = kind {
            self.mounted.insert(act.point.clone());
            self.mounted
                .extend(paths::ancestors(&act.point).map(str::to_owned));
        }
        for claim in claims {
            if let (Access::Make, ClaimedResource::Path(path)) = (claim.access, &claim.resource) {
                let node = MadeNode {
                    what: made_by(kind, path),
                    waits_for: self.waits_for(path, claims),
                };
                self.made.insert(path.clone(), node);
            }
        }
    }

    /// Length of the nearest path above `path` that other operations create or empty, if these claims wait for them.
    fn waits_for(&self, path: &str, claims: &[Claim]) -> Option<u16> {
        let above = paths::ancestors(path).find(|above| self.comes_before(above))?;
        let is_above = |claim: &Claim| match &claim.resource {
            ClaimedResource::Path(path) => **path == *above,
            _ => false,
        };
        claims.iter().any(is_above).then(|| length(above))
    }

    /// Resolves a path of the config: all links on the way are followed, but not the last component.
    pub fn resolve(&self, path: &str) -> Result<String, ResolveError> {
        paths::resolve(path, |at| self.lookup(at))
    }

    /// Resolves a path, and refuses one that cannot be resolved.
    pub fn resolve_or_refuse(
        &self,
        draft: &mut Draft<'_>,
        path: &str,
        origin: &Option<Origin>,
    ) -> Option<String> {
        self.resolve(path)
            .map_err(|cause| refuse_path(draft, path, &cause, origin.clone()))
            .ok()
    }

    fn lookup(&self, at: &str) -> Result<PathLookup, ResolveError> {
        self.overlay.lookup(at, |at| match self.is_deleted(at) {
            true => Ok(PathLookup::Missing),
            false => Ok(self.facts.lookup(&paths::before_moves(at, &self.moved))),
        })
    }

    /// True if a path is in a home that an earlier operation deletes.
    fn is_deleted(&self, path: &str) -> bool {
        let mut homes = self.deleted.iter();
        homes.any(|home| paths::is_at_or_below(path, home))
    }

    /// What was observed at a resolved path, unless an earlier operation removes it, or an entry that empties
    /// a directory above it.
    pub fn node(&self, path: &str) -> Option<&'a NodeFacts> {
        let node = self
            .facts
            .nodes
            .get(&*paths::before_moves(path, &self.moved))?;
        let is_removed = |at: &str| self.removed.contains(at);
        let nothing_is_removed = self.removed.is_empty() && self.emptied.is_empty();
        let is_kept = nothing_is_removed
            || !(is_removed(path)
                || paths::ancestors(path)
                    .any(|above| is_removed(above) || self.emptied.contains(above)));
        is_kept.then_some(node)
    }

    /// What an earlier operation creates at a resolved path, if one does.
    pub fn made(&self, path: &str) -> Option<PlannedNode> {
        self.made.get(path).map(|node| node.what)
    }

    /// True if an earlier operation creates or replaces the node.
    pub fn is_made(&self, path: &str) -> bool {
        self.made.contains_key(path)
    }

    /// True if the node will exist when the operations drafted so far have run.
    pub fn exists(&self, path: &str) -> bool {
        self.is_made(path) || self.mounted.contains(path) || self.node(path).is_some()
    }

    /// The nearest existing node above a resolved path if it is not a directory, so that nothing can be created below
    /// it.
    pub fn obstacle<'p>(&self, path: &'p str) -> Option<&'p str> {
        let above = paths::ancestors(path).find(|above| self.exists(above))?;
        let is_directory = match self.made(above) {
            Some(made) => made == PlannedNode::Directory,
            None if self.mounted.contains(above) => true,
            None => self
                .node(above)
                .is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. })),
        };
        (!is_directory).then_some(above)
    }

    /// True if an entry with `overwrite` removes the directory at a resolved path with all that is in it.
    pub fn is_emptied(&self, path: &str) -> bool {
        self.emptied.contains(path)
    }

    /// Missing directories above a resolved path, outermost first.
    pub fn missing_above(&self, path: &str) -> Vec<String> {
        let mut missing: Vec<String> = paths::ancestors(path)
            .take_while(|above| !self.exists(above))
            .map(str::to_owned)
            .collect();
        missing.reverse();
        missing
    }

    /// The topmost component of a resolved path that does not exist yet; the path itself if its
    /// directory exists. `None` if everything exists.
    pub fn topmost_missing(&self, path: &str) -> Option<String> {
        let above = self.missing_above(path).into_iter().next();
        above.or_else(|| (!self.exists(path)).then(|| path.to_owned()))
    }

    /// Claims of an operation that creates `path`: the node, and the nearest directory above it that another operation
    /// creates or empties. Directories further above are claimed only if that operation does not wait for them itself:
    /// otherwise the claims of a deep path would grow with the square of its depth.
    pub fn claims(&self, path: &str) -> Vec<Claim> {
        self.claims_of(&path.into())
    }

    /// Like [`Self::claims`], with a path that others share.
    pub fn claims_of(&self, path: &Arc<str>) -> Vec<Claim> {
        // The node, the directory above, and what is added at the end: the record of new files, and the mount.
        let mut claims = Vec::with_capacity(4);
        claims.push(Claim::make_shared_path(path));
        let mut last: Option<&str> = None;
        for above in paths::ancestors(path).filter(|above| self.comes_before(above)) {
            let waits_for = last.and_then(|last| self.made.get(last)?.waits_for);
            if waits_for == Some(length(above)) {
                break;
            }
            claims.push(match self.made.get_key_value(above) {
                Some((shared, _)) => Claim::use_shared_path(shared),
                None => Claim::use_path(above),
            });
            last = Some(above);
        }
        claims
    }

    /// True if other operations create or empty the directory.
    fn comes_before(&self, path: &str) -> bool {
        self.is_made(path) || self.emptied.contains(path)
    }

    /// Drafts the missing directories above a resolved path, 0755 and root's unless the config states an owner, once
    /// each. Returns false if that is refused because something above is not a directory.
    pub fn make_parents(
        &mut self,
        draft: &mut Draft<'a>,
        phase: Phase,
        path: &str,
        origin: Option<&Origin>,
    ) -> bool {
        if let Some(at) = self.obstacle(path) {
            let cause = ResolveError::NotADirectory { at: at.into() };
            refuse_path(draft, path, &cause, origin.cloned());
            return false;
        }
        for directory in self.missing_above(path) {
            let mut claims = self.claims(&directory);
            let owners = self.new_parents.get(&directory).cloned();
            let (user, group) = owners.unwrap_or((Owner::Keep, Owner::Keep));
            let requested = Permissions {
                user,
                group,
                mode: Some(DIRECTORY_MODE),
            };
            claims.extend(permissions::claims(&requested));
            let act = DirectoryAct {
                path: directory,
                permissions: requested,
                implied: true,
                differs: Vec::new(),
            };
            let kind = OpKind::Directory(act);
            self.push(draft, phase, Effect::Create, kind, origin.cloned(), claims);
        }
        true
    }

    /// Drafts an operation and records what it creates.
    pub fn push(
        &mut self,
        draft: &mut Draft<'a>,
        phase: Phase,
        effect: Effect,
        kind: OpKind,
        origin: Option<Origin>,
        claims: Vec<Claim>,
    ) -> super::OpId {
        self.record(&kind, &claims);
        draft.push(phase, effect, kind, origin, claims)
    }
}

fn length(path: &str) -> u16 {
    u16::try_from(path.len()).unwrap_or(u16::MAX)
}

/// What an operation creates at a path that it claims to make.
fn made_by(kind: &OpKind, path: &str) -> PlannedNode {
    match kind {
        OpKind::File(_) | OpKind::HardLink(_) => PlannedNode::File,
        OpKind::Symlink(_) => PlannedNode::Link,
        OpKind::SshKeys(act) if path.ends_with(&act.file) => PlannedNode::File,
        _ => PlannedNode::Directory,
    }
}

/// Refuses an entry whose path cannot be resolved.
pub fn refuse_path(
    draft: &mut Draft<'_>,
    object: &str,
    cause: &ResolveError,
    origin: Option<Origin>,
) {
    draft.refuse(Failure {
        act: "place".into(),
        object: object.into(),
        cause: cause.to_string(),
        origin,
        remedy: "remove or replace what is in the way, or choose another path".into(),
        code: Some(ErrorCode::PATH),
    });
}
