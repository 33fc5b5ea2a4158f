//! Puts a plan together from its parts.

use super::op::{Content, MountPoint, OpId, OpKind, Operation, Phase, Plan};
use super::paths::PlannedTree;
use super::{
    Access, Claim, Draft, Effect, Options, Part, Refusal, Resource, Scope, Target, accounts,
    bodies, effects, enable, filesystems, first_boot, keys, lengths, luks, mounts, order,
    partitions, privileges, raid, relabel, room, rotational, settle, shared_downloads, stack, tree,
    unfinished, units, writable,
};
use crate::config::Document;
use crate::facts::Observed;
use crate::paths::parent;
use std::collections::BTreeSet;

/// The file that stands for the account databases when their mount is looked for.
const ACCOUNTS_PATH: &str = "/etc/passwd";

/// Plans a config for an observed machine.
///
/// # Errors
/// Every refusal, in the order of the sections; nothing is planned when there is one.
pub fn build(
    document: &Document,
    observed: &Observed,
    options: &Options,
) -> Result<Plan, Vec<Refusal>> {
    let mut draft = Draft::new(document, observed, options);
    bodies::refuse(&mut draft);
    let points = match options.scope {
        Scope::Everything | Scope::TreeOnly => plan_whole(&mut draft),
        Scope::Stage(part) => plan_part(&mut draft, part),
    };
    lengths::refuse(&mut draft);
    writable::refuse(&mut draft);
    privileges::refuse(&mut draft);
    room::refuse(&mut draft);
    finish(draft, &points)
}

/// Plans what is done in one go. Returns the mount points.
fn plan_whole(draft: &mut Draft) -> BTreeSet<String> {
    units::kernel_arguments(draft);
    if draft.options.scope == Scope::Everything {
        disks(draft);
    }
    let planned = tree(draft);
    if draft.options.scope == Scope::Everything {
        keys::plan_own(draft);
    }
    unfinished::plan(draft, &planned);
    let touched = touched_paths(draft.operations());
    let nothing_to_do = draft.operations().iter().all(is_idle);
    let mut points = match draft.options.scope {
        // Even mounting writes: file systems note when they were mounted.
        Scope::Everything if !nothing_to_do => mounts::plan(draft, &touched),
        _ => BTreeSet::new(),
    };
    match draft.options.target {
        Target::Assembled => refuse_homeless(draft, &points),
        Target::Present if nothing_to_do => {}
        Target::Present => sync_root(draft, &mut points),
    }
    points
}

/// Plans what one stage of a first boot does. Returns the mount points.
fn plan_part(draft: &mut Draft, part: Part) -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    match part {
        Part::KernelArguments => units::kernel_arguments(draft),
        Part::Disks => disks(draft),
        Part::Mounts => points = mounts::plan_lasting(draft),
        Part::Files => {
            let planned = tree(draft);
            first_boot::plan(draft);
            relabel::plan(draft);
            unfinished::plan(draft, &planned);
            sync_root(draft, &mut points);
            first_boot::complete(draft);
        }
        Part::Unmounts => mounts::plan_unmounts(draft),
    }
    points
}

fn disks(draft: &mut Draft) {
    partitions::plan(draft);
    raid::plan(draft);
    luks::plan(draft);
    filesystems::plan(draft);
    stack::check(draft);
    settle::plan(draft);
    rotational::claim(draft);
}

/// Plans accounts, nodes and units. Returns the tree as it is then.
fn tree<'a>(draft: &mut Draft<'a>) -> PlannedTree<'a> {
    accounts::plan(draft);
    let planned = tree::plan(draft);
    let mut planned = units::plan(draft, planned);
    enable::plan(draft, &mut planned);
    effects::warn(draft, &planned);
    shared_downloads::plan(draft);
    planned
}

/// Paths that something is done to; decides which file systems have to be mounted.
fn touched_paths(operations: &[Operation]) -> BTreeSet<String> {
    operations
        .iter()
        .filter(|o| !is_idle(o))
        .flat_map(paths_of)
        .collect()
}

/// True if nothing is done for it.
pub(super) fn is_idle(operation: &Operation) -> bool {
    matches!(operation.effect, Effect::Keep | Effect::Skip)
}

/// Paths that an operation changes.
pub(super) fn paths_of(operation: &Operation) -> Vec<String> {
    // It changes links of the unit directory, which ones is up to systemctl.
    if let OpKind::DisableUnit(_) = operation.kind {
        return vec![units::UNIT_DIRECTORY.to_owned()];
    }
    let path = |claim: &Claim| match (&claim.resource, claim.access) {
        (Resource::Path(path), Access::Make | Access::Change) => Some(path.clone()),
        (Resource::Accounts, Access::Change) => Some(ACCOUNTS_PATH.to_string()),
        _ => None,
    };
    operation.claims.iter().filter_map(path).collect()
}

/// Paths that an operation reads what others wrote from.
fn read_paths(operation: &Operation) -> Vec<String> {
    let OpKind::File(act) = &operation.kind else {
        return Vec::new();
    };
    let copied = act.parts.iter().filter_map(|part| match part {
        Content::Copied { path, .. } => Some(path.clone()),
        _ => None,
    });
    copied.collect()
}

/// A root that was there before is not unmounted in the end, but what was written to it is to be as
/// durable as on file systems that are.
fn sync_root(draft: &mut Draft, points: &mut BTreeSet<String>) {
    if points.insert("/".into()) {
        let kind = OpKind::Sync(MountPoint { point: "/".into() });
        let claims = vec![Claim::new(Access::Release, Resource::Mount("/".into()))];
        draft.push(Phase::Finish, Effect::Step, kind, None, claims);
    }
}

/// With a root put together from the config's file systems, what lies on none of them would be lost.
fn refuse_homeless(draft: &mut Draft, points: &BTreeSet<String>) {
    let homeless = |operation: &&Operation| {
        !is_idle(operation)
            && paths_of(operation)
                .iter()
                .any(|path| mounts::point_of(points, path).is_none())
    };
    let Some(operation) = draft.operations().iter().find(homeless) else {
        return;
    };
    let refusal = Refusal {
        act: "cannot".into(),
        object: operation.kind.describe(),
        cause: "no file system of the config is mounted there, so it would be lost".into(),
        origin: operation.origin.clone(),
        remedy: "add a file system with \"path\": \"/\" to storage.filesystems, or apply to a tree with --root"
            .into(),
    };
    draft.refuse(refusal);
}

/// Adds what follows from all operations together: claims on mounts, numbers, order.
fn finish(mut draft: Draft, points: &BTreeSet<String>) -> Result<Plan, Vec<Refusal>> {
    if !draft.refusals().is_empty() {
        return Err(draft.refusals().to_vec());
    }
    let mut operations = std::mem::take(&mut draft.operations);
    for operation in &mut operations {
        claim_mounts(operation, points);
    }
    by_phase(&mut operations);
    order::derive(&mut operations).map_err(|ids| vec![cycle(&operations, &ids)])?;
    Ok(Plan {
        operations,
        warnings: std::mem::take(&mut draft.warnings),
    })
}

/// An operation in the tree needs the file system its path lies on. An act on a mount point itself
/// works on the mounted root, so it comes after mounting and before everything else on it.
fn claim_mounts(operation: &mut Operation, points: &BTreeSet<String>) {
    if is_idle(operation) || matches!(operation.kind, OpKind::Mount(_)) {
        return;
    }
    let implied = matches!(&operation.kind, OpKind::Directory(act) if act.implied);
    let mut wanted: Vec<Claim> = Vec::new();
    for path in paths_of(operation) {
        let at_point = points.contains(&path) && path != "/";
        let found = if at_point && implied {
            mounts::point_of(points, parent(&path).unwrap_or("/"))
        } else {
            mounts::point_of(points, &path)
        };
        let Some(point) = found else { continue };
        let access = if at_point && !implied {
            Access::Change
        } else {
            Access::Use
        };
        if at_point && !implied {
            operation
                .claims
                .retain(|claim| claim.resource != Resource::Path(path.clone()));
        }
        let claim = Claim::new(access, Resource::Mount(point.into()));
        if !wanted.contains(&claim) {
            wanted.push(claim);
        }
    }
    for path in read_paths(operation) {
        let point = mounts::point_of(points, &path);
        wanted.extend(point.map(Claim::use_mount));
    }
    operation.claims.extend(wanted);
}

/// Sorts by phase, keeping the order within a phase, and numbers again.
fn by_phase(operations: &mut [Operation]) {
    operations.sort_by_key(|operation| operation.phase);
    for (index, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(u32::try_from(index).unwrap_or(u32::MAX));
    }
}

fn cycle(operations: &[Operation], ids: &[OpId]) -> Refusal {
    let stuck: Vec<&Operation> = ids
        .iter()
        .filter_map(|id| operations.get(id.0 as usize))
        .collect();
    let names: Vec<String> = stuck
        .iter()
        .map(|operation| operation.kind.describe())
        .collect();
    Refusal {
        act: "cannot order".into(),
        object: names.join(", "),
        cause: "each of them has to wait for another".into(),
        origin: stuck.first().and_then(|operation| operation.origin.clone()),
        remedy: "this is a defect of kindling; please report it with the config".into(),
    }
}
