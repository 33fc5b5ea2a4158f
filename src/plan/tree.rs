//! Directories, files and links of `storage`.
//!
//! Beyond the reference implementation, a wish that is fulfilled already is not an error, so that
//! planning again after a run finds nothing to do. A directory with `overwrite` is emptied again
//! only if it holds something the config does not ask for.

use super::op::*;
use super::paths::{DIRECTORY_MODE, PlannedNode, PlannedTree, refuse_path};
use super::permissions::{self, FILE_MODE, OwnerNames};
use super::{
    Claim, Draft, Effect, ErrorCode, Failure, OpKind, Phase, Scope, databases, mounts, units,
};
use crate::config::Origin;
use crate::config::model;
use crate::facts::root::ContentFacts;
use crate::facts::{NodeFacts, NodeKind};
use crate::paths::{ancestors, clean_target, depth, is_at_or_below, parent};
use foldhash::{HashMap, HashMapExt as _};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Drafts all operations on nodes. Returns the tree as it is then.
pub fn plan<'a>(draft: &mut Draft<'a>) -> PlannedTree<'a> {
    refuse_unsupported(draft);
    databases::check(draft);
    let planned = PlannedTree::of(draft);
    let sources = databases::Sources::find(draft, &planned);
    let entries = entries(draft, &planned);
    let units = units::files_written(draft.document.config(), &planned);
    let names = OwnerNames::of(draft);
    let points = mounts::resolved_points(draft.observed, draft.document.config());
    let mut planner = TreePlanner {
        draft,
        planned,
        sources,
        names,
        units,
        points,
    };
    for entry in entries {
        planner.entry(&entry);
    }
    planner.planned
}

/// Refuses sections that cannot be applied to a bare tree.
fn refuse_unsupported(draft: &mut Draft<'_>) {
    if draft.options.scope != Scope::TreeOnly || draft.options.ignore_unsupported {
        return;
    }
    let config = draft.document.config();
    let kernel = &config.kernel_arguments;
    let sections = [
        ("$.storage.disks", config.storage.disks.is_empty()),
        ("$.storage.raid", config.storage.raid.is_empty()),
        ("$.storage.luks", config.storage.luks.is_empty()),
        (
            "$.storage.filesystems",
            config.storage.filesystems.is_empty(),
        ),
        (
            "$.kernelArguments",
            kernel.should_exist.is_empty() && kernel.should_not_exist.is_empty(),
        ),
    ];
    for (path, empty) in sections {
        if !empty {
            let origin = draft.origin(path);
            draft.refuse(Failure {
                act: "apply".into(),
                object: path.trim_start_matches("$.").into(),
                cause: "a directory tree has no disks and no kernel".into(),
                origin,
                remedy: "remove the section, or skip such sections with --ignore-unsupported"
                    .into(),
                code: Some(ErrorCode::NOT_FOR_A_TREE),
            });
        }
    }
}

#[derive(Clone, Copy)]
enum EntrySpec<'a> {
    Directory(&'a model::Directory),
    File(&'a model::File),
    Symlink(&'a model::Link),
    HardLink(&'a model::Link),
}

/// One entry of `storage` with its place in the target.
struct TreeEntry<'a> {
    wish: EntrySpec<'a>,
    /// In its list.
    index: usize,
    /// Shared by what comes of it: its operation, and the claims of others.
    path: Arc<str>,
}

impl EntrySpec<'_> {
    fn path(&self) -> &str {
        match self {
            EntrySpec::Directory(directory) => &directory.path,
            EntrySpec::File(file) => &file.path,
            EntrySpec::Symlink(link) | EntrySpec::HardLink(link) => &link.path,
        }
    }
    /// The list of `storage` that it is in.
    fn list(&self) -> &'static str {
        match self {
            EntrySpec::Directory(_) => "directories",
            EntrySpec::File(_) => "files",
            EntrySpec::Symlink(_) | EntrySpec::HardLink(_) => "links",
        }
    }
    fn word(&self) -> &'static str {
        match self {
            EntrySpec::Directory(_) => "directory",
            EntrySpec::File(_) => "file",
            EntrySpec::Symlink(_) => "link",
            EntrySpec::HardLink(_) => "hard link",
        }
    }
    fn written(&self) -> String {
        format!("{} {}", self.word(), self.path())
    }
    fn overwrite(&self) -> bool {
        let overwrite = match self {
            EntrySpec::Directory(directory) => directory.overwrite,
            EntrySpec::File(file) => file.overwrite,
            EntrySpec::Symlink(link) | EntrySpec::HardLink(link) => link.overwrite,
        };
        overwrite == Some(true)
    }
    fn permissions(&self) -> Permissions {
        let (user, group, mode) = match self {
            EntrySpec::Directory(directory) => (&directory.user, &directory.group, directory.mode),
            EntrySpec::File(file) => (&file.user, &file.group, file.mode),
            EntrySpec::Symlink(link) | EntrySpec::HardLink(link) => (&link.user, &link.group, None),
        };
        Permissions {
            user: permissions::owner(user),
            group: permissions::owner(group),
            mode: permissions::mode(mode),
        }
    }
}

impl TreeEntry<'_> {
    fn object(&self) -> String {
        format!("{} {}", self.wish.word(), self.path)
    }

    fn origin(&self, draft: &Draft<'_>) -> Option<Origin> {
        entry_origin(draft, self.wish, self.index)
    }
}

fn entry_origin(draft: &Draft<'_>, wish: EntrySpec<'_>, index: usize) -> Option<Origin> {
    draft.origin(&format!("$.storage.{}.{index}", wish.list()))
}

/// All entries in the order they are made: directories, files and symbolic links outermost first,
/// then hard links, which may point to anything made before.
fn entries<'a>(draft: &mut Draft<'a>, planned: &PlannedTree<'_>) -> Vec<TreeEntry<'a>> {
    let storage = &draft.document.config().storage;
    let is_hard = |link: &&model::Link| link.hard == Some(true);
    let directories = storage.directories.iter().map(EntrySpec::Directory);
    let files = storage.files.iter().map(EntrySpec::File);
    let links = storage.links.iter().map(|link| match is_hard(&link) {
        true => EntrySpec::HardLink(link),
        false => EntrySpec::Symlink(link),
    });
    let wishes = directories.enumerate().chain(files.enumerate());
    let mut entries = Vec::new();
    for (index, wish) in wishes.chain(links.enumerate()) {
        match planned.resolve(wish.path()) {
            Ok(path) => entries.push(TreeEntry {
                wish,
                index,
                path: path.into(),
            }),
            Err(cause) => {
                let origin = entry_origin(draft, wish, index);
                refuse_path(draft, wish.path(), &cause, origin);
            }
        }
    }
    let mut entries = unique(draft, entries);
    entries.sort_by_cached_key(|entry| match entry.wish {
        EntrySpec::HardLink(_) => (1, 0),
        _ => (0, depth(&entry.path)),
    });
    entries
}

/// Refuses entries that land on the same path.
fn unique<'a>(draft: &mut Draft<'_>, mut entries: Vec<TreeEntry<'a>>) -> Vec<TreeEntry<'a>> {
    let mut first: HashMap<&str, EntrySpec<'_>> = HashMap::with_capacity(entries.len());
    let mut repeated: Vec<(usize, EntrySpec<'_>)> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        match first.entry(&entry.path) {
            Entry::Occupied(other) => repeated.push((number, *other.get())),
            Entry::Vacant(free) => _ = free.insert(entry.wish),
        }
    }
    for (number, other) in &repeated {
        let entry = &entries[*number];
        draft.refuse(Failure {
            act: "place".into(),
            object: entry.wish.written(),
            cause: format!("{} is at the same place, {}", other.written(), entry.path),
            origin: entry.origin(draft),
            remedy: "remove one of the two".into(),
            code: Some(ErrorCode::EXISTS),
        });
    }
    let mut repeated = repeated.iter().map(|(number, _)| *number).peekable();
    let mut number = 0;
    entries.retain(|_| {
        let is_first = repeated.next_if_eq(&number).is_none();
        number += 1;
        is_first
    });
    entries
}

struct TreePlanner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    planned: PlannedTree<'a>,
    sources: databases::Sources,
    names: OwnerNames,
    /// Files that units write, with the unit: they come later and win.
    units: BTreeMap<String, String>,
    /// Where file systems of the config are mounted.
    points: BTreeSet<String>,
}

impl TreePlanner<'_, '_> {
    fn entry(&mut self, entry: &TreeEntry<'_>) {
        let wish = entry.wish.permissions();
        let (object, origin) = (|| entry.object(), |draft: &Draft<'_>| entry.origin(draft));
        permissions::refuse_unknown(self.draft, &self.names, object, &wish, origin);
        if let Some(cause) = self.contradiction(entry) {
            let remedy = "choose another path";
            return self.refuse(entry, &cause, remedy);
        }
        match entry.wish {
            EntrySpec::Directory(_) => self.directory(entry),
            EntrySpec::File(file) => self.file(entry, file),
            EntrySpec::Symlink(link) => self.symlink(entry, link),
            EntrySpec::HardLink(link) => self.hard_link(entry, link),
        }
    }

    /// Why no node of this kind can be at the path, whatever is there now.
    fn contradiction(&self, entry: &TreeEntry<'_>) -> Option<String> {
        if matches!(entry.wish, EntrySpec::Directory(_)) {
            return None;
        }
        if *entry.path == *"/" {
            return Some("it is the root of the target".into());
        }
        let point = self
            .points
            .iter()
            .find(|p| is_at_or_below(p, &entry.path))?;
        Some(format!(
            "it must be a directory, since a file system is mounted at {point}"
        ))
    }

    // ---- directories

    fn directory(&mut self, entry: &TreeEntry<'_>) {
        let overwrite = entry.wish.overwrite();
        match self.planned.node(&entry.path) {
            node if self.planned.made(&entry.path) == Some(PlannedNode::Directory) => {
                if let Some(node) = node.filter(|_| self.planned.is_emptied(&entry.path)) {
                    self.remove(entry, node);
                }
                self.push_directory(entry, Effect::Change, vec![]);
            }
            _ if self.planned.is_made(&entry.path) => {
                self.in_the_way(entry, "the config writes something else there");
            }
            None => self.push_directory(entry, Effect::Create, vec![]),
            Some(node) => match &node.kind {
                NodeKind::Directory { empty, only_wanted }
                    if !overwrite || *empty || *only_wanted =>
                {
                    self.present_directory(entry, node);
                }
                NodeKind::Directory { .. } => {
                    self.remove(entry, node);
                    self.push_directory(entry, Effect::Create, vec![]);
                }
                _ if overwrite => {
                    self.remove(entry, node);
                    self.push_directory(entry, Effect::Create, vec![]);
                }
                other => self.in_the_way(entry, &there(other)),
            },
        }
    }

    fn present_directory(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts) {
        let mut wish = entry.wish.permissions();
        if entry.wish.overwrite() {
            wish = self.as_new(entry, wish, DIRECTORY_MODE);
        }
        let differs = permissions::differences(&self.names, &wish, node);
        if differs.is_empty() {
            self.right(entry, because(&wish, "it is there", "same owner and mode"));
        } else {
            self.push_directory(entry, Effect::Change, differs);
        }
    }

    fn push_directory(&mut self, entry: &TreeEntry<'_>, effect: Effect, differs: Vec<String>) {
        let mut permissions = entry.wish.permissions();
        if effect == Effect::Create || entry.wish.overwrite() {
            permissions.mode = permissions.mode.or(Some(DIRECTORY_MODE));
        }
        let kind = OpKind::Directory(DirectoryAct {
            path: entry.path.to_string(),
            permissions,
            implied: false,
            differs,
        });
        self.push(entry, effect, kind);
    }

    // ---- files

    fn file(&mut self, entry: &TreeEntry<'_>, file: &model::File) {
        if let Some(unit) = self.units.get(&*entry.path) {
            let because = format!("unit {unit} writes this file");
            return self.right(entry, because);
        }
        let overwrite = entry.wish.overwrite();
        match self.planned.node(&entry.path) {
            _ if self.planned.is_made(&entry.path) => {
                self.in_the_way(entry, "the config writes something else there");
            }
            None => self.write(entry, file, Effect::Create, false),
            Some(node) => match &node.kind {
                NodeKind::File { content, .. } => self.present_file(entry, file, node, content),
                NodeKind::Directory { .. } if overwrite => {
                    self.remove(entry, node);
                    self.write(entry, file, Effect::Create, false);
                }
                _ if overwrite => self.write(entry, file, Effect::Change, true),
                other => self.in_the_way(entry, &there(other)),
            },
        }
    }

    fn present_file(
        &mut self,
        entry: &TreeEntry<'_>,
        file: &model::File,
        node: &NodeFacts,
        content: &ContentFacts,
    ) {
        let overwrite = entry.wish.overwrite();
        let exact = overwrite || file.contents.source.is_some();
        match content {
            ContentFacts::AsWanted => self.permissions_only(entry, node, "same content"),
            ContentFacts::EndsAsWanted if !exact => {
                self.permissions_only(entry, node, "it ends with the text to append");
            }
            ContentFacts::NotCompared if !exact => {
                self.permissions_only(entry, node, "it is there")
            }
            ContentFacts::Incomplete if self.may_be_completed(entry) => {
                self.complete(entry, file, node)
            }
            _ if !exact => self.append(entry, file, node),
            _ if overwrite => self.write(entry, file, Effect::Change, true),
            _ => self.in_the_way(entry, "a file with different content already exists"),
        }
    }

    /// True for what an earlier run was creating, and what the config wants to be replaced in any case.
    fn may_be_completed(&self, entry: &TreeEntry<'_>) -> bool {
        let facts = &self.draft.observed.root;
        entry.wish.overwrite() || facts.is_unfinished(&entry.path)
    }

    /// Finishes a file that was cut short. What is there is part of what is wanted, so nothing is lost. Owner
    /// and mode that the config leaves open stay as they are, unless it asks for overwriting.
    fn complete(&mut self, entry: &TreeEntry<'_>, file: &model::File, node: &NodeFacts) {
        let mut permissions = entry.wish.permissions();
        if !entry.wish.overwrite() {
            permissions = permissions::kept(permissions, node);
        }
        let kind = OpKind::File(FileAct {
            permissions,
            differs: vec!["it is incomplete".into()],
            finishes: true,
            ..new_content(entry, file, true)
        });
        self.push(entry, Effect::Change, kind);
    }

    fn permissions_only(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts, same: &str) {
        let mut wish = entry.wish.permissions();
        if entry.wish.overwrite() {
            wish = self.as_new(entry, wish, FILE_MODE);
        }
        let differs = permissions::differences(&self.names, &wish, node);
        if differs.is_empty() {
            return self.right(
                entry,
                because(&wish, same, &format!("{same}, owner and mode")),
            );
        }
        let kind = OpKind::File(FileAct {
            path: entry.path.clone(),
            base: Base::Present,
            parts: Vec::new(),
            permissions: wish,
            replace: true,
            differs,
            unit: None,
            finishes: false,
        });
        self.push(entry, Effect::Change, kind);
    }

    fn append(&mut self, entry: &TreeEntry<'_>, file: &model::File, node: &NodeFacts) {
        let wish = entry.wish.permissions();
        let mut differs = vec!["text to append is missing".to_owned()];
        differs.extend(permissions::differences(&self.names, &wish, node));
        let kind = OpKind::File(FileAct {
            path: entry.path.clone(),
            base: Base::Present,
            parts: file.append.iter().map(Content::fetched).collect(),
            permissions: wish,
            replace: true,
            differs,
            unit: None,
            finishes: false,
        });
        self.push(entry, Effect::Change, kind);
    }

    fn write(&mut self, entry: &TreeEntry<'_>, file: &model::File, effect: Effect, replace: bool) {
        let kind = OpKind::File(new_content(entry, file, replace));
        self.replacing(entry, effect, kind, replace);
    }

    // ---- links

    fn symlink(&mut self, entry: &TreeEntry<'_>, link: &model::Link) {
        let overwrite = entry.wish.overwrite();
        let target = link.target.as_deref().unwrap_or_default();
        match self.planned.node(&entry.path) {
            _ if self.planned.is_made(&entry.path) => {
                self.in_the_way(entry, "the config writes something else there");
            }
            None => self.push_symlink(entry, target, Effect::Create, false, vec![]),
            Some(node) => match &node.kind {
                NodeKind::Symlink { target: present }
                    if clean_target(present) == clean_target(target) =>
                {
                    self.present_symlink(entry, node, present);
                }
                NodeKind::Directory { .. } if overwrite => {
                    self.remove(entry, node);
                    self.push_symlink(entry, target, Effect::Create, false, vec![]);
                }
                other if overwrite => {
                    let differs = vec![format!("{} -> link to {target}", kind_word(other))];
                    self.push_symlink(entry, target, Effect::Change, true, differs);
                }
                NodeKind::Symlink { target: present } => {
                    self.in_the_way(entry, &format!("a link to {present} is there"));
                }
                other => self.in_the_way(entry, &there(other)),
            },
        }
    }

    fn present_symlink(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts, present: &str) {
        let wish = entry.wish.permissions();
        let differs = permissions::differences(&self.names, &wish, node);
        if differs.is_empty() {
            self.right(
                entry,
                because(&wish, "same target", "same target and owner"),
            );
        } else {
            self.push_symlink(entry, present, Effect::Change, false, differs);
        }
    }

    fn push_symlink(
        &mut self,
        entry: &TreeEntry<'_>,
        target: &str,
        effect: Effect,
        replace: bool,
        differs: Vec<String>,
    ) {
        let kind = OpKind::Symlink(SymlinkAct {
            path: entry.path.to_string(),
            target: target.to_owned(),
            permissions: entry.wish.permissions(),
            replace,
            differs,
            unit: None,
        });
        self.replacing(entry, effect, kind, replace);
    }

    fn hard_link(&mut self, entry: &TreeEntry<'_>, link: &model::Link) {
        let written = link.target.as_deref().unwrap_or_default();
        let target = match self.planned.resolve(written) {
            Ok(target) => target,
            Err(cause) => {
                let origin = entry.origin(self.draft);
                return refuse_path(self.draft, written, &cause, origin);
            }
        };
        if let Err((cause, remedy)) = self.check_link_target(&entry.path, &target) {
            return self.refuse(entry, &cause, remedy);
        }
        if self.planned.is_made(&entry.path) {
            return self.in_the_way(entry, "the config writes something else there");
        }
        let present = self.planned.node(&entry.path);
        let inode = self.planned.node(&target).map(|node| node.inode);
        let same = present.is_some_and(|node| Some(node.inode) == inode);
        let overwrite = entry.wish.overwrite();
        match present.map(|node| (node, &node.kind)) {
            None => self.push_hard_link(entry, target, Effect::Create, false),
            Some(_) if same && !self.planned.is_made(&target) => {
                self.right(entry, format!("same file as {target}"));
            }
            Some((node, NodeKind::Directory { .. })) if overwrite => {
                self.remove(entry, node);
                self.push_hard_link(entry, target, Effect::Create, false);
            }
            // The target gets a new inode when it is rewritten; its second name has to follow.
            Some(_) if same => self.push_hard_link(entry, target, Effect::Change, true),
            Some(_) if overwrite => self.push_hard_link(entry, target, Effect::Change, true),
            Some((_, other)) => self.in_the_way(entry, &there(other)),
        }
    }

    /// A hard link needs a target that is not a directory, on the file system that the link will be on. Otherwise:
    /// the cause and a remedy.
    fn check_link_target(&self, path: &str, target: &str) -> Result<(), (String, &'static str)> {
        let node = self.planned.node(target).map(|node| &node.kind);
        let is_directory = match self.planned.made(target) {
            Some(made) => made == PlannedNode::Directory,
            None => {
                matches!(node, Some(NodeKind::Directory { .. })) || self.points.contains(target)
            }
        };
        if is_directory {
            return Err((
                format!("its target {target} is a directory, which cannot be hard-linked"),
                "make it a symbolic link (leave out `hard`), or link to a file",
            ));
        }
        if !self.planned.exists(target) {
            return Err((
                format!("its target {target} does not exist"),
                "add the target to storage.files, correct the path, or make it a symbolic link (leave out `hard`)",
            ));
        }
        if self.file_system(path) != self.file_system(target) {
            return Err((
                format!("its target {target} is on another file system"),
                "make it a symbolic link (leave out `hard`), or put both on one file system",
            ));
        }
        Ok(())
    }

    /// What tells the file system that a path is on from others: the mount points of the config and of the
    /// target it lies below, and the device of what exists of it. For an existing node that is a mount point
    /// itself it is the one mounted there.
    fn file_system(&self, path: &str) -> (Option<&str>, Option<&str>, Option<u64>) {
        let facts = &self.draft.observed.root;
        let mount = std::iter::once(path)
            .chain(ancestors(path))
            .find_map(|at| facts.mounts.get_key_value(at))
            .map(|(point, _)| point.as_str());
        let mut existing = std::iter::once(path).chain(ancestors(path)).chain(["/"]);
        let device = existing.find_map(|at| self.planned.node(at).map(|node| node.inode.0));
        (mounts::point_of(&self.points, path), mount, device)
    }

    fn push_hard_link(
        &mut self,
        entry: &TreeEntry<'_>,
        target: String,
        effect: Effect,
        replace: bool,
    ) {
        let kind = OpKind::HardLink(HardLinkAct {
            path: entry.path.to_string(),
            target,
            replace,
        });
        self.replacing(entry, effect, kind, replace);
    }

    // ---- common

    /// The permissions a node would get if it were made now.
    fn as_new(&self, entry: &TreeEntry<'_>, wish: Permissions, mode: u32) -> Permissions {
        let above = parent(&entry.path).and_then(|above| self.planned.node(above));
        permissions::as_new(&self.names, wish, mode, above)
    }

    fn remove(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts) {
        if *entry.path == *"/" {
            let cause = "it is the root of the target, which cannot be replaced";
            return self.refuse(entry, cause, "remove `overwrite`");
        }
        if let Some(point) = self.mounted_below(&entry.path) {
            let cause =
                format!("a file system is mounted at {point}, and its content must not be removed");
            return self.refuse(entry, &cause, "unmount it first, or remove `overwrite`");
        }
        let kind = OpKind::Remove(Remove {
            path: entry.path.to_string(),
        });
        let mut claims = self.planned.claims_of(&entry.path);
        claims.extend(self.sources.claim_for_removal(&entry.path, self.draft));
        let origin = entry.origin(self.draft);
        let id = self.planned.push(
            self.draft,
            Phase::Files,
            Effect::Destroy,
            kind,
            origin,
            claims,
        );
        if let Some(loss) = loss(&entry.path, node) {
            self.draft.destroys(id, loss);
        }
    }

    /// A mount point below a directory, of the target or of the config.
    fn mounted_below(&self, path: &str) -> Option<&str> {
        let mounts = self.draft.observed.root.mounts.keys().chain(&self.points);
        let mut below = mounts.filter(|point| *point != path && is_at_or_below(point, path));
        below.next().map(String::as_str)
    }

    /// Pushes an operation that may take the place of something other than a directory.
    fn replacing(&mut self, entry: &TreeEntry<'_>, effect: Effect, kind: OpKind, replace: bool) {
        let node = self.planned.node(&entry.path).filter(|_| replace);
        let Some(id) = self.push(entry, effect, kind) else {
            return;
        };
        if let Some(loss) = node.and_then(|node| loss(&entry.path, node)) {
            self.draft.destroys(id, loss);
        }
    }

    /// Pushes an operation behind those that make its directories; `None` if it is refused.
    fn push(&mut self, entry: &TreeEntry<'_>, effect: Effect, kind: OpKind) -> Option<OpId> {
        let origin = entry.origin(self.draft);
        if !self
            .planned
            .make_parents(self.draft, Phase::Files, &entry.path, origin.as_ref())
        {
            return None;
        }
        let mut claims = self.planned.claims_of(&entry.path);
        // After the accounts, which read what is there, or put a new file in its place.
        let waits = self.sources.claim(&entry.path);
        claims.extend(waits.or_else(|| permissions::claims(&entry.wish.permissions())));
        if let OpKind::HardLink(act) = &kind {
            claims.push(Claim::use_path(&act.target));
        }
        let id = self
            .planned
            .push(self.draft, Phase::Files, effect, kind, origin, claims);
        Some(id)
    }

    fn right(&mut self, entry: &TreeEntry<'_>, because: String) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Path(entry.path.to_string()),
            because,
        });
        let origin = entry.origin(self.draft);
        self.draft
            .push(Phase::Files, Effect::Keep, kind, origin, Vec::new());
    }

    fn in_the_way(&mut self, entry: &TreeEntry<'_>, cause: &str) {
        let remedy = match self.planned.is_made(&entry.path) {
            true => "remove one of the two",
            false => "set `overwrite: true` to replace it, or choose another path",
        };
        self.refuse(entry, cause, remedy);
    }

    fn refuse(&mut self, entry: &TreeEntry<'_>, cause: &str, remedy: &str) {
        let origin = entry.origin(self.draft);
        self.draft.refuse(Failure {
            act: "create".into(),
            object: entry.object(),
            cause: cause.into(),
            origin,
            remedy: remedy.into(),
            code: Some(ErrorCode::EXISTS),
        });
    }
}

/// A file with all its content again.
fn new_content(entry: &TreeEntry<'_>, file: &model::File, replace: bool) -> FileAct {
    let contents = file.contents.source.as_ref().map(|_| &file.contents);
    let parts = contents.into_iter().chain(&file.append);
    FileAct {
        path: entry.path.clone(),
        base: Base::Empty,
        parts: parts.map(Content::fetched).collect(),
        permissions: entry.wish.permissions(),
        replace,
        differs: match replace {
            true => vec!["content".into()],
            false => vec![],
        },
        finishes: false,
        unit: None,
    }
}

/// Why a node is right; `plain` when the config says nothing about owner and mode.
fn because(wish: &Permissions, plain: &str, with_permissions: &str) -> String {
    let silent = wish.mode.is_none() && wish.user == Owner::Keep && wish.group == Owner::Keep;
    if silent { plain } else { with_permissions }.to_owned()
}

fn there(kind: &NodeKind) -> String {
    format!("{} is in the way", kind_word(kind))
}

fn kind_word(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Directory { .. } => "a directory",
        NodeKind::File { .. } => "a file",
        NodeKind::Symlink { .. } => "a symbolic link",
        NodeKind::Other => "a device, socket or pipe",
    }
}

/// The data lost when a node is replaced, in words.
fn loss(path: &str, node: &NodeFacts) -> Option<String> {
    match &node.kind {
        NodeKind::Directory { empty: true, .. } => None,
        NodeKind::Directory { .. } => Some(format!("directory {path} and everything in it")),
        NodeKind::File { bytes: 0, .. } => None,
        NodeKind::File { bytes, .. } => Some(format!("file {path} ({bytes} bytes)")),
        NodeKind::Symlink { target } => Some(format!("link {path} -> {target}")),
        NodeKind::Other => Some(format!("special file {path}")),
    }
}
