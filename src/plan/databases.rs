//! Account databases that `storage` writes as well as `passwd`.
//!
//! Accounts are made before files are written, so an entry that replaces a database would take the accounts of the
//! same config away again.

use super::paths::Ground;
use super::{Draft, Refusal};
use crate::config::model::{Config, File};

/// What account operations write.
const DATABASES: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// Refuses entries that replace a database in which accounts of the config are kept.
pub fn check(draft: &mut Draft<'_>) {
    let config = draft.document.config();
    if config.passwd.users.is_empty() && config.passwd.groups.is_empty() {
        return;
    }
    let ground = Ground::of(draft);
    for (place, path) in replaced(config, &ground) {
        let Ok(resolved) = ground.resolve(path) else {
            continue;
        };
        if DATABASES.contains(&resolved.as_str()) {
            let origin = draft.origin(&place);
            draft.refuse(Refusal {
                act: "cannot replace".into(),
                object: path.into(),
                cause: "users and groups of this config are kept in it".into(),
                origin,
                remedy:
                    "ask for its accounts in passwd.users and passwd.groups, or append to the file"
                        .into(),
            });
        }
    }
}

/// Entries of `storage` after which a path holds nothing of what it held before, with their places in the config.
fn replaced<'c>(config: &'c Config, ground: &Ground<'_>) -> Vec<(String, &'c str)> {
    let storage = &config.storage;
    let files = storage.files.iter().enumerate();
    let files = files.filter(|(_, file)| !appends(file, ground));
    let files = files.map(|(n, file)| (format!("$.storage.files.{n}"), file.path.as_str()));
    let links = storage.links.iter().enumerate();
    let links = links.map(|(n, link)| (format!("$.storage.links.{n}"), link.path.as_str()));
    let directories = storage.directories.iter().enumerate();
    let directories =
        directories.map(|(n, node)| (format!("$.storage.directories.{n}"), node.path.as_str()));
    files.chain(links).chain(directories).collect()
}

/// True if what a file holds is kept: the config gives no contents, and there is one.
fn appends(file: &File, ground: &Ground<'_>) -> bool {
    let has_contents = file.contents.source.is_some() || file.overwrite == Some(true);
    let exists = ground
        .resolve(&file.path)
        .is_ok_and(|path| ground.exists(&path));
    exists && !has_contents
}
