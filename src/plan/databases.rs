//! Account databases that `storage` writes as well as `passwd`.
//!
//! Accounts are created before files are written, so an entry that replaces a database would discard the accounts of
//! the same config.

use super::paths::PlannedTree;
use super::{Claim, ClaimedResource, Draft, ErrorCode, Failure, Operation, Phase};
use crate::config::model::{Config, File, NodeOwner};
use crate::facts::NodeKind;
use crate::facts::root::ContentFacts;
use crate::layout::{ACCOUNTS_DIRECTORY, NSSWITCH};
use crate::paths::{self, PathLookup, ResolveError, child, is_at_or_below, parent};
use std::collections::BTreeSet;

/// Files that account operations write.
const DATABASES: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// Why a database must stay, and what to do instead.
type Reason = (&'static str, &'static str);

/// Refuses entries that replace a database in which accounts of the config are kept or names of owners are looked up,
/// and hard links to one: it gets a new inode whenever it is written.
pub fn check(draft: &mut Draft<'_>) {
    let config = draft.document.config();
    let keeps_accounts = !(config.passwd.users.is_empty() && config.passwd.groups.is_empty());
    let (cause, remedy) = if keeps_accounts {
        (
            "users and groups of this config are kept in it",
            "ask for its accounts in passwd.users and passwd.groups, or append to the file",
        )
    } else if names_owners(config) {
        (
            "owners that this config gives by name are looked up in it",
            "give `id` instead of `name` for users and groups of files, directories and links, or append to the file",
        )
    } else {
        return;
    };
    let planned = PlannedTree::of(draft);
    let databases = DatabasePlaces::find(draft, &planned, DATABASES.into_iter());
    let layers = draft.accounts.databases.layer_paths();
    let layers = DatabasePlaces::find(draft, &planned, layers);
    for (place, path, removes_directory) in replaced(config, &planned) {
        let is_unchanged = !keeps_accounts && has_requested_content(path, &planned);
        if databases.are_lost_with(path, removes_directory, &planned) && !is_unchanged {
            refuse(draft, &place, path, (cause, remedy));
        } else if layers.are_lost_with(path, removes_directory, &planned)
            && !has_requested_content(path, &planned)
        {
            refuse(draft, &place, path, LAYER);
        }
    }
    if draft.observed.root.accounts.layers_change {
        refuse_other_layers(draft, config);
    }
    for (index, link) in config.storage.links.iter().enumerate() {
        let target = link.target.as_deref().unwrap_or_default();
        if link.hard == Some(true) && databases.contain(target, &planned) {
            let origin = draft.origin(&format!("$.storage.links.{index}"));
            draft.refuse(Failure {
                act: "create hard link".into(),
                object: link.path.clone(),
                cause: format!("{target} becomes another file when accounts are written to it"),
                origin,
                remedy: "make it a symbolic link (leave out `hard`)".into(),
                code: Some(ErrorCode::EXISTS),
            });
        }
    }
}

/// Why a file of the image that holds accounts must stay.
const LAYER: Reason = (
    "accounts of the target are looked up in it while this config is applied",
    "write this file when the image is built, or give its accounts in passwd.users and passwd.groups",
);

fn refuse(draft: &mut Draft<'_>, place: &str, path: &str, (cause, remedy): Reason) {
    let origin = draft.origin(place);
    draft.refuse(Failure {
        act: "replace".into(),
        object: path.into(),
        cause: cause.into(),
        origin,
        remedy: remedy.into(),
        code: Some(ErrorCode::ACCOUNT_DATABASE),
    });
}

/// Refuses the entry for `nsswitch.conf`: with it, accounts are looked up in other files than while this config is
/// applied.
fn refuse_other_layers(draft: &mut Draft<'_>, config: &Config) {
    let entries = config.storage.files.iter().map(|file| &file.path);
    let files = entries
        .enumerate()
        .map(|(n, path)| (format!("$.storage.files.{n}"), path));
    let entries = config.storage.links.iter().map(|link| &link.path);
    let links = entries
        .enumerate()
        .map(|(n, path)| (format!("$.storage.links.{n}"), path));
    let entry = files
        .chain(links)
        .find(|(_, path)| paths::clean(path) == NSSWITCH);
    if let Some((place, path)) = entry {
        refuse(draft, &place, path, ORDER);
    }
}

/// Why the order of the files with accounts must stay.
const ORDER: Reason = (
    "accounts of the target would then be looked up in other files than while this config is applied",
    "keep \"files\", \"altfiles\" and \"usrfiles\" of its lines passwd and group, in their order",
);

/// What is read while accounts are changed, by place: nodes of the config are written there after the accounts.
pub(super) struct Sources {
    places: BTreeSet<String>,
    /// Directories whose files count as well.
    directories: Vec<String>,
}

impl Sources {
    /// The sources; empty if the config changes no accounts.
    pub(super) fn find(draft: &Draft<'_>, planned: &PlannedTree<'_>) -> Self {
        if !draft.operations().iter().any(changes) {
            return Self {
                places: BTreeSet::new(),
                directories: Vec::new(),
            };
        }
        let databases = &draft.accounts.databases;
        let places = databases
            .sources()
            .filter_map(|path| planned.resolve(path).ok());
        let places: BTreeSet<String> = places.collect();
        let skeleton = planned.resolve(&databases.policy.skeleton()).ok();
        let is_directory = |path: &&String| path.ends_with(".d");
        let directories = places.iter().filter(is_directory).cloned();
        let directories = directories.chain(skeleton).collect();
        Self {
            places,
            directories,
        }
    }

    /// The claim of an entry that changes what is at a resolved path, if it has to wait for the accounts.
    pub(super) fn claim(&self, path: &str) -> Option<Claim> {
        let is_below = |directory: &String| is_at_or_below(path, directory);
        let waits = self.places.contains(path) || self.directories.iter().any(is_below);
        waits.then(Claim::change_accounts)
    }

    /// Like [`Self::claim`] for an entry that removes a directory with its content, unless accounts wait for the new
    /// one.
    pub(super) fn claim_for_removal(&self, path: &str, draft: &Draft<'_>) -> Option<Claim> {
        let holds_some = self.places.iter().any(|place| is_at_or_below(place, path));
        let is_below = |claim: &Claim| match &claim.resource {
            ClaimedResource::Path(at) => is_at_or_below(at, path),
            _ => false,
        };
        let operations = draft.operations().iter();
        let mut accounts = operations.filter(|op| op.phase == Phase::Accounts && changes(op));
        let waits = holds_some && !accounts.any(|op| op.claims.iter().any(is_below));
        waits.then(Claim::change_accounts)
    }
}

/// True if an operation changes accounts.
fn changes(operation: &Operation) -> bool {
    let mut claims = operation.claims.iter();
    claims.any(|claim| *claim == Claim::change_accounts())
}

/// True if a file already has the content that the config gives it.
fn has_requested_content(path: &str, planned: &PlannedTree<'_>) -> bool {
    let place = planned.resolve(path).ok();
    let node = place.and_then(|place| planned.node(&place));
    node.is_some_and(|node| {
        matches!(
            &node.kind,
            NodeKind::File {
                content: ContentFacts::AsRequested,
                ..
            }
        )
    })
}

/// Where the databases are in the observed tree: the nodes at their paths, and the targets of those that are links.
struct DatabasePlaces {
    places: BTreeSet<String>,
    /// An entry of the config redirects their directory.
    are_redirected: bool,
}

impl DatabasePlaces {
    fn find(
        draft: &Draft<'_>,
        planned: &PlannedTree<'_>,
        files: impl Iterator<Item = &'static str>,
    ) -> Self {
        let facts = &draft.observed.root;
        let look = |at: &str| Ok::<_, ResolveError>(facts.lookup(at));
        let mut places = BTreeSet::new();
        let mut are_redirected = false;
        for path in files {
            let Ok(place) = paths::resolve(path, look) else {
                continue;
            };
            are_redirected |= planned.resolve(path).is_ok_and(|planned| planned != place);
            if let PathLookup::Link(target) = facts.lookup(&place) {
                let from = match target.starts_with('/') {
                    true => "/",
                    false => parent(&place).unwrap_or("/"),
                };
                places.extend(paths::resolve(&child(from, &target), look));
            }
            places.insert(place);
        }
        DatabasePlaces {
            places,
            are_redirected,
        }
    }

    fn contain(&self, path: &str, planned: &PlannedTree<'_>) -> bool {
        planned
            .resolve(path)
            .is_ok_and(|place| self.places.contains(&place))
    }

    /// True if databases are lost when an entry replaces what is at its path; `removes_directory` if no directory is
    /// there afterwards.
    fn are_lost_with(
        &self,
        path: &str,
        removes_directory: bool,
        planned: &PlannedTree<'_>,
    ) -> bool {
        let Ok(place) = planned.resolve(path) else {
            return false;
        };
        let mut below = self.places.iter().filter(|at| is_at_or_below(at, &place));
        self.places.contains(&place)
            || ((removes_directory || planned.is_emptied(&place)) && below.next().is_some())
            || (self.are_redirected && place == ACCOUNTS_DIRECTORY)
    }
}

/// True if nodes of the config belong to users or groups by name. `root` has its id without any database.
fn names_owners(config: &Config) -> bool {
    let storage = &config.storage;
    let directories = storage.directories.iter().map(|d| [&d.user, &d.group]);
    let files = storage.files.iter().map(|f| [&f.user, &f.group]);
    let links = storage.links.iter().map(|l| [&l.user, &l.group]);
    let owners = directories.chain(files).chain(links).flatten();
    let by_name = |owner: &NodeOwner| {
        let name = owner.name.as_deref().unwrap_or_default();
        owner.id.is_none() && !matches!(name, "" | "root")
    };
    owners.into_iter().any(by_name)
}

/// Entries of `storage` that replace what is at their path: their places in the config, their paths, and whether no
/// directory is there afterwards.
fn replaced<'c>(config: &'c Config, planned: &PlannedTree<'_>) -> Vec<(String, &'c str, bool)> {
    let storage = &config.storage;
    let files = storage.files.iter().enumerate();
    let files = files.filter(|(_, file)| !appends(file, planned));
    let files = files.map(|(n, file)| (format!("$.storage.files.{n}"), &*file.path, true));
    let links = storage.links.iter().enumerate();
    let links = links.map(|(n, link)| {
        let is_hard = link.hard == Some(true);
        (format!("$.storage.links.{n}"), &*link.path, is_hard)
    });
    let directories = storage.directories.iter().enumerate();
    let directories =
        directories.map(|(n, node)| (format!("$.storage.directories.{n}"), &*node.path, false));
    files.chain(links).chain(directories).collect()
}

/// True if the content of an existing file is kept, because the config gives no contents.
fn appends(file: &File, planned: &PlannedTree<'_>) -> bool {
    let has_contents = file.contents.source.is_some() || file.overwrite == Some(true);
    let exists = planned
        .resolve(&file.path)
        .is_ok_and(|path| planned.node(&path).is_some());
    exists && !has_contents
}
