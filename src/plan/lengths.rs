//! Refuses paths that the kernel does not accept. Paths in the config itself are checked when it is validated; this is
//! about derived ones: names of files that are made from others, and paths that grow as links are followed.

use super::touched::{is_idle, paths_of};
use super::{Draft, ErrorCode, Failure};
use crate::config::{MAX_NAME_BYTES, MAX_PATH_BYTES};

/// Refuses every entry with an operation on such a path.
pub fn refuse(draft: &mut Draft<'_>) {
    let operations = draft.operations().iter().filter(|op| !is_idle(op));
    let refusals = operations.filter_map(|operation| {
        let cause = paths_of(operation).find_map(cause)?;
        let remedy = "choose a shorter name or path";
        Some(Failure::of_operation(
            ErrorCode::PATH,
            operation,
            cause,
            remedy,
        ))
    });
    let mut refusals: Vec<Failure> = refusals.collect();
    // Directories that one entry needs have the same problem.
    refusals.dedup_by(|second, first| second.origin == first.origin);
    for refusal in refusals {
        draft.refuse(refusal);
    }
}

fn cause(path: &str) -> Option<String> {
    let (what, bytes, max) = match path.split('/').find(|name| name.len() > MAX_NAME_BYTES) {
        Some(name) => ("a component of its path", name.len(), MAX_NAME_BYTES),
        None if path.len() > MAX_PATH_BYTES => ("its path", path.len(), MAX_PATH_BYTES),
        None => return None,
    };
    Some(format!(
        "with all links followed, {what} has {bytes} bytes, at most {max} are possible"
    ))
}
