//! Plans the records of files that a run creates, one for each file system.

use super::op::{AlreadyRight, Base, NoteFiles, OpId, OpKind, Operation, Phase, Subject};
use super::paths::PlannedTree;
use super::touched::paths_of;
use super::{
    Access, Claim, ClaimedResource, Draft, Effect, ErrorCode, Failure, Scope, TargetState, mounts,
};
use crate::facts::{NodeKind, unfinished};
use crate::paths::{ancestors, is_at_or_below, parent};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Drafts a record for each file system on which files are created, and the end of every record. Called once all files
/// are drafted; `planned` is the resulting tree.
pub fn plan(draft: &mut Draft<'_>, planned: &PlannedTree<'_>) {
    let places = RecordPlaces::of(draft, planned);
    if refuse_reserved(draft, &places) {
        return;
    }
    let mut new: BTreeMap<String, BTreeSet<Arc<str>>> = BTreeMap::new();
    for path in draft.operations().iter().filter_map(created) {
        if let Some(record) = places.record(path) {
            let files = new.entry(record.to_owned()).or_default();
            files.insert(Arc::clone(path));
        }
    }
    let old = &draft.observed.root.unfinished;
    let records: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    for record in records {
        let before = old.get(&record).cloned().unwrap_or_default();
        let files = new.remove(&record).unwrap_or_default();
        let users = users(draft, |path| places.record(path) == Some(&record));
        if !files.is_empty() && draft.observed.root.foreign_records.contains(&record) {
            draft.refuse(occupied(&record));
            continue;
        }
        push(draft, &record, before, files, &users);
    }
}

/// Refuses entries of the config at or below the path of a record: the run would write to them and remove them at the
/// end. Returns true if there are any.
fn refuse_reserved(draft: &mut Draft<'_>, places: &RecordPlaces) -> bool {
    let points = places
        .points
        .iter()
        .map(|point| unfinished::record_path(point));
    let reserved: Vec<String> = points.chain([unfinished::IN_ETC.to_owned()]).collect();
    let is_reserved = |path: &str| reserved.iter().any(|record| is_at_or_below(path, record));
    let clashes = draft.operations().iter().filter(|operation| {
        // Operations that keep a node claim nothing.
        let is_kept = match &operation.kind {
            OpKind::AlreadyRight(AlreadyRight {
                subject: Subject::Path(path),
                ..
            }) => is_reserved(path),
            _ => false,
        };
        is_kept || paths_of(operation).any(is_reserved)
    });
    let refusals = clashes.map(|operation| {
        let name = unfinished::NAME;
        let cause = format!(
            "{name} is reserved there: kindling keeps a file of its own of this name while it runs"
        );
        Failure::of_operation(ErrorCode::PATH, operation, cause, "choose another path")
    });
    let mut refusals: Vec<Failure> = refusals.collect();
    // Directories that one entry needs have the same problem.
    refusals.dedup_by(|second, first| second.origin == first.origin);
    let is_refused = !refusals.is_empty();
    for refusal in refusals {
        draft.refuse(refusal);
    }
    is_refused
}

/// Refuses to write to something that no run created, such as a device or another name of a file elsewhere.
fn occupied(record: &str) -> Failure {
    Failure {
        act: "write".into(),
        object: record.into(),
        cause: "kindling keeps the names of unfinished files there while it runs, and something that it did not make has \
                this name"
            .into(),
        origin: None,
        remedy: "remove it from the target".into(),
        code: Some(ErrorCode::EXISTS),
    }
}

/// Paths of records.
struct RecordPlaces {
    points: BTreeSet<String>,
    /// The record of each mount point on which one can be written.
    records: BTreeMap<String, String>,
}

impl RecordPlaces {
    fn of(draft: &Draft<'_>, planned: &PlannedTree<'_>) -> Self {
        let points = points(draft);
        let has_etc = is_etc_on_root(planned, &points);
        let records = points.iter().filter_map(|point| {
            let record = match has_etc && point == "/" {
                true => unfinished::IN_ETC.to_owned(),
                false => unfinished::record_path(point),
            };
            is_writable(draft, point, &record).then(|| (point.clone(), record))
        });
        Self {
            records: records.collect(),
            points,
        }
    }

    /// The record for a file: on its own file system, where that can be written.
    fn record(&self, path: &str) -> Option<&String> {
        self.records.get(mounts::point_of(&self.points, path)?)
    }
}

/// False if a record of the file system at `point` would be on one that was mounted read-only before.
fn is_writable(draft: &Draft<'_>, point: &str, record: &str) -> bool {
    let mounted = &draft.observed.root.mounts;
    let holder = ancestors(record)
        .chain(["/"])
        .find_map(|at| mounted.get(at));
    let is_hidden = draft.options.scope == Scope::Everything && point != "/";
    is_hidden || !holder.is_some_and(|mount| mount.read_only)
}

/// The mount points of the config that this plan or an earlier stage mounts, and an existing root.
fn points(draft: &Draft<'_>) -> BTreeSet<String> {
    let mut points = match draft.options.scope {
        Scope::TreeOnly => BTreeSet::new(),
        _ => mounts::resolved_points(draft.observed, draft.document.config()),
    };
    if draft.options.target == TargetState::Present {
        points.insert("/".into());
    }
    points
}

/// The file that an operation creates or finishes under a new name.
fn created(operation: &Operation) -> Option<&Arc<str>> {
    let OpKind::File(act) = &operation.kind else {
        return None;
    };
    let is_new = act.base == Base::Empty && (operation.effect == Effect::Create || act.finishes);
    if !is_new || operation.phase != Phase::Files {
        return None;
    }
    Some(&act.path)
}

/// True if `/etc` is on the file system of the root, and is kept.
fn is_etc_on_root(planned: &PlannedTree<'_>, points: &BTreeSet<String>) -> bool {
    let node = planned.node("/etc");
    mounts::point_of(points, unfinished::IN_ETC) == Some("/")
        && node.is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. }))
}

/// Operations that wait for a record: everything that is written to its file system, so that nodes appear in the order
/// of the plan. Operations that end the use of a file system come after the end of the record.
fn users(draft: &Draft<'_>, is_on: impl Fn(&str) -> bool) -> Vec<OpId> {
    let is_user = |operation: &&Operation| {
        let path = match &operation.kind {
            OpKind::File(act) => &*act.path,
            OpKind::Symlink(act) => &act.path,
            OpKind::HardLink(act) => &act.path,
            _ => return false,
        };
        let ends = |claim: &Claim| claim.access == Access::Release;
        !operation.claims.iter().any(ends) && is_on(path)
    };
    let users = draft.operations().iter().filter(is_user);
    users.map(|operation| operation.id).collect()
}

fn push(
    draft: &mut Draft<'_>,
    record: &str,
    before: BTreeSet<Arc<str>>,
    new: BTreeSet<Arc<str>>,
    users: &[OpId],
) {
    let is_known = new.is_subset(&before);
    let is_nothing_new = new.is_empty();
    let mut files = new;
    files.extend(before);
    let directories: BTreeSet<&str> = files.iter().filter_map(|path| parent(path)).collect();
    let directories = directories.into_iter().map(str::to_owned).collect();
    let act = NoteFiles {
        path: record.to_owned(),
        count: files.len(),
        files: Arc::new(files),
        directories,
    };
    let resource = ClaimedResource::Record(record.into());
    let claim = |access| Claim::new(access, resource.clone());
    for id in users {
        if let Some(operation) = draft.operations.get_mut(id.0 as usize) {
            operation.claims.push(claim(Access::Use));
        }
    }
    if !is_known {
        let claims = vec![Claim::make_path(record), claim(Access::Make)];
        let kind = OpKind::NoteFiles(act.clone());
        draft.push(Phase::Files, Effect::Step, kind, None, claims);
    }
    // If there is nothing else to do, removing the record is a change of its own.
    let effect = match is_nothing_new {
        true => Effect::Change,
        false => Effect::Step,
    };
    let change = Claim::new(Access::Change, ClaimedResource::Path(record.into()));
    let claims = vec![change, claim(Access::Release)];
    draft.push(
        Phase::Finish,
        effect,
        OpKind::ForgetFiles(act),
        None,
        claims,
    );
}

impl NoteFiles {
    /// The line to add to the record.
    ///
    /// # Errors
    /// If the names cannot be serialized, which does not happen for paths.
    pub fn line(&self) -> serde_json::Result<String> {
        unfinished::line(&self.files)
    }
}
