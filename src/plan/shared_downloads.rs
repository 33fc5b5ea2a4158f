//! Files with the same download: it is fetched for the first and copied for the others.

use super::op::{Base, Content, FileAct, OpKind};
use super::{Claim, Draft};
use std::collections::HashMap;

/// Makes every file with the same download as an earlier one a copy of that.
pub fn plan(draft: &mut Draft<'_>) {
    let mut holders: HashMap<String, DownloadHolder> = HashMap::new();
    for (index, operation) in draft.operations.iter_mut().enumerate() {
        let OpKind::File(act) = &mut operation.kind else {
            continue;
        };
        for part in &mut act.parts {
            let holder = download_key(part).and_then(|key| holders.get_mut(&key));
            if let (Some(holder), Content::Fetched { fetch, .. }) = (holder, &*part) {
                operation.claims.push(Claim::use_path(&holder.path));
                holder.is_copied = true;
                *part = Content::Copied {
                    path: holder.path.clone(),
                    fetch: Box::new(fetch.clone()),
                };
            }
        }
        if let Some(key) = only_part(act).and_then(download_key) {
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
        mark_as_copied(&mut draft.operations[holder.index].kind);
    }
}

/// A file that others can be copied from.
struct DownloadHolder {
    path: String,
    /// Index of its operation.
    index: usize,
    is_copied: bool,
}

fn mark_as_copied(kind: &mut OpKind) {
    let OpKind::File(act) = kind else { return };
    for part in &mut act.parts {
        if let Content::Fetched { is_copied, .. } = part {
            *is_copied = true;
        }
    }
}

/// The only part of a new file, if it has just one.
fn only_part(act: &FileAct) -> Option<&Content> {
    match (act.base, act.parts.as_slice()) {
        (Base::Empty, [part]) => Some(part),
        _ => None,
    }
}

/// A key with all details of a download, for content from a server.
fn download_key(content: &Content) -> Option<String> {
    let Content::Fetched { fetch, .. } = content else {
        return None;
    };
    is_remote(fetch.url()).then(|| format!("{fetch:?}"))
}

fn is_remote(url: &str) -> bool {
    !url.is_empty() && !url.starts_with("data:")
}
