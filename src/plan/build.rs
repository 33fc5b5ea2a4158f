//! Assembles a plan from its parts.

use super::op::{MountPoint, OpId, OpKind, Operation, Phase, Plan};
use super::paths::PlannedTree;
use super::touched::{is_idle, paths_of, read_paths, touched_paths};
use super::{
    Access, Claim, ClaimedResource, Draft, Effect, ErrorCode, Failure, Options, Scope, StagePart,
    TargetState, accounts, bodies, effects, enable, filesystems, first_boot, free_space, ids, keys,
    lengths, luks, mounts, order, partitions, privileges, raid, relabel, rotational, settle,
    shared_downloads, stack, tree, unfinished, units, writable,
};
use crate::config::Document;
use crate::facts::Observed;
use crate::paths::parent;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Plans a config for an observed machine.
///
/// # Errors
/// All refusals, in the order of the sections; nothing is planned if there are any.
pub fn build(
    document: &Document,
    observed: &Observed,
    options: &Options,
) -> Result<Plan, Vec<Failure>> {
    let mut draft = Draft::new(document, observed, options);
    bodies::refuse(&mut draft);
    let points = match options.scope {
        Scope::Everything | Scope::TreeOnly => plan_all(&mut draft),
        Scope::Stage(part) => plan_stage(&mut draft, part),
    };
    lengths::refuse(&mut draft);
    writable::refuse(&mut draft);
    privileges::refuse(&mut draft);
    free_space::refuse(&mut draft);
    finish(draft, &points)
}

/// Plans a run without stages. Returns the mount points.
fn plan_all(draft: &mut Draft) -> BTreeSet<String> {
    units::kernel_arguments(draft);
    if draft.options.scope == Scope::Everything {
        disks(draft);
    }
    let planned = tree(draft);
    if draft.options.scope == Scope::Everything {
        keys::plan_own(draft);
    }
    unfinished::plan(draft, &planned);
    let nothing_to_do = draft.operations().iter().all(is_idle);
    let mut points = match draft.options.scope {
        // Even mounting writes: file systems record when they were mounted.
        Scope::Everything if !nothing_to_do => {
            let touched = touched_paths(draft.operations());
            mounts::plan(draft, &touched)
        }
        _ => BTreeSet::new(),
    };
    match draft.options.target {
        TargetState::Assembled => refuse_paths_without_mount(draft, &points),
        TargetState::Present if nothing_to_do => {}
        TargetState::Present => sync_root(draft, &mut points),
    }
    points
}

/// Plans what one stage of a first boot does. Returns the mount points.
fn plan_stage(draft: &mut Draft, part: StagePart) -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    match part {
        StagePart::KernelArguments => units::kernel_arguments(draft),
        StagePart::Disks => disks(draft),
        StagePart::Mounts => points = mounts::plan_lasting(draft),
        StagePart::Files => {
            let planned = tree(draft);
            first_boot::plan(draft);
            relabel::plan(draft);
            unfinished::plan(draft, &planned);
            sync_root(draft, &mut points);
            first_boot::complete(draft);
        }
        StagePart::Unmounts => mounts::plan_unmounts(draft),
    }
    points
}

/// Plans what is on disks, from the partition table up.
pub(super) fn storage(draft: &mut Draft) {
    partitions::plan(draft);
    raid::plan(draft);
    luks::plan(draft);
    filesystems::plan(draft);
}

fn disks(draft: &mut Draft) {
    storage(draft);
    stack::check(draft);
    settle::plan(draft);
    rotational::claim(draft);
}

/// Plans accounts, nodes and units. Returns the resulting tree.
fn tree<'a>(draft: &mut Draft<'a>) -> PlannedTree<'a> {
    ids::refuse(draft);
    accounts::plan(draft);
    let planned = tree::plan(draft);
    let mut planned = units::plan(draft, planned);
    enable::plan(draft, &mut planned);
    effects::warn(draft, &planned);
    shared_downloads::plan(draft);
    planned
}

/// A root that existed before is not unmounted at the end, so it is synced: what was written to it has to be as durable
/// as on file systems that are unmounted.
fn sync_root(draft: &mut Draft, points: &mut BTreeSet<String>) {
    if points.insert("/".into()) {
        let kind = OpKind::Sync(MountPoint { point: "/".into() });
        let claims = vec![Claim::new(
            Access::Release,
            ClaimedResource::Mount("/".into()),
        )];
        draft.push(Phase::Finish, Effect::Step, kind, None, claims);
    }
}

/// With a root that is assembled from file systems of the config, anything on none of them would be lost.
fn refuse_paths_without_mount(draft: &mut Draft, points: &BTreeSet<String>) {
    let has_no_mount = |operation: &&Operation| {
        !is_idle(operation)
            && paths_of(operation).any(|path| mounts::point_of(points, path).is_none())
    };
    let Some(operation) = draft.operations().iter().find(has_no_mount) else {
        return;
    };
    let refusal = Failure {
        act: String::new(),
        object: operation.kind.describe(),
        cause: "no file system of the config is mounted there, so it would be lost".into(),
        origin: operation.origin.clone(),
        remedy: "add a file system with \"path\": \"/\" to storage.filesystems, or apply to a tree with --root"
            .into(),
code: Some(ErrorCode::NO_TARGET_FILE_SYSTEM),
};
    draft.refuse(refusal);
}

/// Adds what depends on all operations: claims on mounts, ids, order.
fn finish(mut draft: Draft, points: &BTreeSet<String>) -> Result<Plan, Vec<Failure>> {
    if !draft.refusals().is_empty() {
        return Err(draft.refusals().to_vec());
    }
    let mut operations = std::mem::take(&mut draft.operations);
    let mut names = SharedNames::default();
    for operation in &mut operations {
        claim_mounts(operation, points, &mut names);
    }
    sort_by_phase(&mut operations);
    order::derive(&mut operations).map_err(|ids| vec![cycle(&operations, &ids)])?;
    Ok(Plan {
        operations,
        warnings: std::mem::take(&mut draft.warnings),
    })
}

/// An operation in the tree needs the file system of its path. An operation on a mount point itself works on the
/// mounted root, so it comes after mounting and before everything else on it.
fn claim_mounts(operation: &mut Operation, points: &BTreeSet<String>, names: &mut SharedNames) {
    if is_idle(operation) || matches!(operation.kind, OpKind::Mount(_)) {
        return;
    }
    let implied = matches!(&operation.kind, OpKind::Directory(act) if act.implied);
    let mut wanted: Vec<Claim> = Vec::new();
    let mut replaced: Vec<ClaimedResource> = Vec::new();
    for path in paths_of(operation) {
        let is_mount_point = points.contains(path) && path != "/";
        let found = if is_mount_point && implied {
            mounts::point_of(points, parent(path).unwrap_or("/"))
        } else {
            mounts::point_of(points, path)
        };
        let Some(point) = found else { continue };
        let access = if is_mount_point && !implied {
            replaced.push(ClaimedResource::Path(path.into()));
            Access::Change
        } else {
            Access::Use
        };
        let claim = Claim::new(access, ClaimedResource::Mount(names.shared(point)));
        if !wanted.contains(&claim) {
            wanted.push(claim);
        }
    }
    for path in read_paths(operation) {
        let point = mounts::point_of(points, &path);
        wanted.extend(point.map(Claim::use_mount));
    }
    let claims = &mut operation.claims;
    claims.retain(|claim| !replaced.contains(&claim.resource));
    claims.reserve_exact(wanted.len());
    claims.extend(wanted);
}

/// Interns names that nearly all operations of a large plan have in common.
#[derive(Default)]
struct SharedNames(BTreeSet<Arc<str>>);

impl SharedNames {
    fn shared(&mut self, name: &str) -> Arc<str> {
        match self.0.get(name) {
            Some(shared) => Arc::clone(shared),
            None => {
                let shared: Arc<str> = name.into();
                self.0.insert(Arc::clone(&shared));
                shared
            }
        }
    }
}

/// Sorts by phase, keeping the order within a phase, and renumbers. In place: a stable sort needs a second list of all
/// operations at the moment when a run uses the most memory.
fn sort_by_phase(operations: &mut [Operation]) {
    operations.sort_unstable_by_key(|operation| (operation.phase, operation.id));
    for (index, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(u32::try_from(index).unwrap_or(u32::MAX));
    }
}

fn cycle(operations: &[Operation], ids: &[OpId]) -> Failure {
    let stuck: Vec<&Operation> = ids
        .iter()
        .filter_map(|id| operations.get(id.0 as usize))
        .collect();
    let names: Vec<String> = stuck
        .iter()
        .map(|operation| operation.kind.describe())
        .collect();
    Failure {
        act: "order".into(),
        object: names.join(", "),
        cause: "each of them has to wait for another".into(),
        origin: stuck.first().and_then(|operation| operation.origin.clone()),
        remedy: "this is a defect of kindling; please report it with the config".into(),
        code: Some(ErrorCode::ORDER),
    }
}
