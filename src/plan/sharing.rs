//! Files that want the same bytes of a server: they are fetched for the first and copied for the others.

use super::op::{Base, Content, FileAct, OpKind};
use super::{Claim, Draft};
use crate::config::model::Resource;
use std::collections::HashMap;

/// Lets every file that wants what another one consists of copy that.
pub fn plan(draft: &mut Draft<'_>) {
    let mut holders: HashMap<String, String> = HashMap::new();
    for operation in &mut draft.operations {
        let OpKind::File(act) = &mut operation.kind else {
            continue;
        };
        for part in &mut act.parts {
            if let Some(holder) = fetched(part).and_then(|key| holders.get(&key)) {
                operation.claims.push(Claim::use_path(holder));
                *part = Content::Copied {
                    path: holder.clone(),
                };
            }
        }
        if let Some(key) = sole(act).and_then(fetched) {
            holders.insert(key, act.path.clone());
        }
    }
}

/// What the whole of a new file is.
fn sole(act: &FileAct) -> Option<&Content> {
    match (act.base, act.parts.as_slice()) {
        (Base::Empty, [part]) => Some(part),
        _ => None,
    }
}

/// All that tells one fetch from another, for what comes from a server.
fn fetched(content: &Content) -> Option<String> {
    let Content::Fetched { resource, .. } = content else {
        return None;
    };
    is_remote(resource).then(|| format!("{resource:?}"))
}

fn is_remote(resource: &Resource) -> bool {
    let source = resource.source.as_deref().unwrap_or_default();
    !source.is_empty() && !source.starts_with("data:")
}
