//! Files that want the same bytes of a server: they are fetched for the first and copied for the others.

use super::op::{Base, Content, FileAct, OpKind};
use super::{Claim, Draft};
use std::collections::HashMap;

/// Lets every file that wants what another one consists of copy that.
pub fn plan(draft: &mut Draft<'_>) {
    let mut holders: HashMap<String, DownloadHolder> = HashMap::new();
    for (index, operation) in draft.operations.iter_mut().enumerate() {
        let OpKind::File(act) = &mut operation.kind else {
            continue;
        };
        for part in &mut act.parts {
            let holder = fetched(part).and_then(|key| holders.get_mut(&key));
            if let (Some(holder), Content::Fetched { fetch, .. }) = (holder, &*part) {
                operation.claims.push(Claim::use_path(&holder.path));
                holder.is_copied = true;
                *part = Content::Copied {
                    path: holder.path.clone(),
                    fetch: Box::new(fetch.clone()),
                };
            }
        }
        if let Some(key) = sole(act).and_then(fetched) {
            let path = act.path.to_string();
            let holder = DownloadHolder {
                path,
                index,
                is_copied: false,
            };
            holders.insert(key, holder);
        }
    }
    for holder in holders.values().filter(|holder| holder.is_copied) {
        mark(&mut draft.operations[holder.index].kind);
    }
}

/// A file that others can be copied from.
struct DownloadHolder {
    path: String,
    /// Of its operation.
    index: usize,
    is_copied: bool,
}

fn mark(kind: &mut OpKind) {
    let OpKind::File(act) = kind else { return };
    for part in &mut act.parts {
        if let Content::Fetched { is_copied, .. } = part {
            *is_copied = true;
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
    let Content::Fetched { fetch, .. } = content else {
        return None;
    };
    is_remote(fetch.url()).then(|| format!("{fetch:?}"))
}

fn is_remote(url: &str) -> bool {
    !url.is_empty() && !url.starts_with("data:")
}
