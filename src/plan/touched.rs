//! Which paths an operation reads and changes.

use super::op::{Content, OpKind, Operation};
use super::{Access, ClaimedResource, Effect};
use crate::layout::{UNIT_DIRECTORY, USERS_FILE};
use std::collections::BTreeSet;

/// Paths that operations change; they decide which file systems have to be mounted.
pub(super) fn touched_paths(operations: &[Operation]) -> BTreeSet<String> {
    operations
        .iter()
        .filter(|o| !is_idle(o))
        .flat_map(paths_of)
        .map(str::to_owned)
        .collect()
}

/// True if the operation does nothing.
pub(super) fn is_idle(operation: &Operation) -> bool {
    matches!(operation.effect, Effect::Keep | Effect::Skip)
}

/// Paths that an operation changes.
pub(super) fn paths_of(operation: &Operation) -> impl Iterator<Item = &str> {
    // It changes links in the unit directory; systemctl decides which ones.
    let disables = matches!(operation.kind, OpKind::DisableUnit(_));
    let claims = match disables {
        true => &[][..],
        false => &operation.claims[..],
    };
    let paths = claims
        .iter()
        .filter_map(|claim| match (&claim.resource, claim.access) {
            (ClaimedResource::Path(path), Access::Make | Access::Change) => Some(&**path),
            (ClaimedResource::Accounts, Access::Change) => Some(USERS_FILE),
            _ => None,
        });
    disables.then_some(UNIT_DIRECTORY).into_iter().chain(paths)
}

/// Paths that this operation reads and other operations write.
pub(super) fn read_paths(operation: &Operation) -> Vec<String> {
    let OpKind::File(act) = &operation.kind else {
        return Vec::new();
    };
    let copied = act.parts.iter().filter_map(|part| match part {
        Content::Copied { path, .. } => Some(path.clone()),
        _ => None,
    });
    copied.collect()
}
