//! Directories, files and links of `storage`.
//!
//! Other than in the reference implementation, nodes that already are as requested are not an error, so that planning
//! again after a run finds nothing to do. A directory with `overwrite` is emptied again only if it holds something that
//! the config does not request.

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

/// Drafts all operations on nodes. Returns the resulting tree.
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
        planner.plan_entry(&entry);
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
    spec: EntrySpec<'a>,
    /// Index in its list.
    index: usize,
    /// Shared by its operation and the claims of others.
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
    fn type_name(&self) -> &'static str {
        match self {
            EntrySpec::Directory(_) => "directory",
            EntrySpec::File(_) => "file",
            EntrySpec::Symlink(_) => "link",
            EntrySpec::HardLink(_) => "hard link",
        }
    }
    fn description(&self) -> String {
        format!("{} {}", self.type_name(), self.path())
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
        format!("{} {}", self.spec.type_name(), self.path)
    }

    fn origin(&self, draft: &Draft<'_>) -> Option<Origin> {
        entry_origin(draft, self.spec, self.index)
    }
}

fn entry_origin(draft: &Draft<'_>, spec: EntrySpec<'_>, index: usize) -> Option<Origin> {
    draft.origin(&format!("$.storage.{}.{index}", spec.list()))
}

/// All entries in the order in which they are created: directories, files and symbolic links outermost first, then hard
/// links, which may point to any of these.
fn entries<'a>(draft: &mut Draft<'a>, planned: &PlannedTree<'_>) -> Vec<TreeEntry<'a>> {
    let storage = &draft.document.config().storage;
    let is_hard = |link: &&model::Link| link.hard == Some(true);
    let directories = storage.directories.iter().map(EntrySpec::Directory);
    let files = storage.files.iter().map(EntrySpec::File);
    let links = storage.links.iter().map(|link| match is_hard(&link) {
        true => EntrySpec::HardLink(link),
        false => EntrySpec::Symlink(link),
    });
    let specs = directories.enumerate().chain(files.enumerate());
    let mut entries = Vec::new();
    for (index, spec) in specs.chain(links.enumerate()) {
        match planned.resolve(spec.path()) {
            Ok(path) => entries.push(TreeEntry {
                spec,
                index,
                path: path.into(),
            }),
            Err(cause) => {
                let origin = entry_origin(draft, spec, index);
                refuse_path(draft, spec.path(), &cause, origin);
            }
        }
    }
    let mut entries = unique(draft, entries);
    entries.sort_by_cached_key(|entry| match entry.spec {
        EntrySpec::HardLink(_) => (1, 0),
        _ => (0, depth(&entry.path)),
    });
    entries
}

/// Refuses entries that resolve to the same path.
fn unique<'a>(draft: &mut Draft<'_>, mut entries: Vec<TreeEntry<'a>>) -> Vec<TreeEntry<'a>> {
    let mut first: HashMap<&str, EntrySpec<'_>> = HashMap::with_capacity(entries.len());
    let mut repeated: Vec<(usize, EntrySpec<'_>)> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        match first.entry(&entry.path) {
            Entry::Occupied(other) => repeated.push((number, *other.get())),
            Entry::Vacant(free) => _ = free.insert(entry.spec),
        }
    }
    for (number, other) in &repeated {
        let entry = &entries[*number];
        draft.refuse(Failure {
            act: "place".into(),
            object: entry.spec.description(),
            cause: format!(
                "{} is at the same place, {}",
                other.description(),
                entry.path
            ),
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
    /// Files that units write, with the unit: they are written later and take precedence.
    units: BTreeMap<String, String>,
    /// Where file systems of the config are mounted.
    points: BTreeSet<String>,
}

impl TreePlanner<'_, '_> {
    fn plan_entry(&mut self, entry: &TreeEntry<'_>) {
        let desired = entry.spec.permissions();
        let (object, origin) = (|| entry.object(), |draft: &Draft<'_>| entry.origin(draft));
        permissions::refuse_unknown(self.draft, &self.names, object, &desired, origin);
        if let Some(cause) = self.contradiction(entry) {
            let remedy = "choose another path";
            return self.refuse(entry, &cause, remedy);
        }
        match entry.spec {
            EntrySpec::Directory(_) => self.plan_directory(entry),
            EntrySpec::File(file) => self.plan_file(entry, file),
            EntrySpec::Symlink(link) => self.plan_symlink(entry, link),
            EntrySpec::HardLink(link) => self.plan_hard_link(entry, link),
        }
    }

    /// Why no node of this kind can be at the path, whatever exists now.
    fn contradiction(&self, entry: &TreeEntry<'_>) -> Option<String> {
        if matches!(entry.spec, EntrySpec::Directory(_)) {
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

    fn plan_directory(&mut self, entry: &TreeEntry<'_>) {
        let overwrite = entry.spec.overwrite();
        match self.planned.node(&entry.path) {
            node if self.planned.made(&entry.path) == Some(PlannedNode::Directory) => {
                if let Some(node) = node.filter(|_| self.planned.is_emptied(&entry.path)) {
                    self.remove(entry, node);
                }
                self.push_directory(entry, Effect::Change, vec![]);
            }
            _ if self.planned.is_made(&entry.path) => {
                self.refuse_occupied(entry, "the config writes something else there");
            }
            None => self.push_directory(entry, Effect::Create, vec![]),
            Some(node) => match &node.kind {
                NodeKind::Directory {
                    empty,
                    only_requested,
                } if !overwrite || *empty || *only_requested => {
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
                other => self.refuse_occupied(entry, &obstruction(other)),
            },
        }
    }

    fn present_directory(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts) {
        let mut desired = entry.spec.permissions();
        if entry.spec.overwrite() {
            desired = self.permissions_of_new(entry, desired, DIRECTORY_MODE);
        }
        let differs = permissions::differences(&self.names, &desired, node);
        if differs.is_empty() {
            self.already_right(
                entry,
                because(&desired, "it is there", "same owner and mode"),
            );
        } else {
            self.push_directory(entry, Effect::Change, differs);
        }
    }

    fn push_directory(&mut self, entry: &TreeEntry<'_>, effect: Effect, differs: Vec<String>) {
        let mut permissions = entry.spec.permissions();
        if effect == Effect::Create || entry.spec.overwrite() {
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

    fn plan_file(&mut self, entry: &TreeEntry<'_>, file: &model::File) {
        if let Some(unit) = self.units.get(&*entry.path) {
            let because = format!("unit {unit} writes this file");
            return self.already_right(entry, because);
        }
        let overwrite = entry.spec.overwrite();
        match self.planned.node(&entry.path) {
            _ if self.planned.is_made(&entry.path) => {
                self.refuse_occupied(entry, "the config writes something else there");
            }
            None => self.write(entry, file, Effect::Create, false),
            Some(node) => match &node.kind {
                NodeKind::File { content, .. } => self.present_file(entry, file, node, content),
                NodeKind::Directory { .. } if overwrite => {
                    self.remove(entry, node);
                    self.write(entry, file, Effect::Create, false);
                }
                _ if overwrite => self.write(entry, file, Effect::Change, true),
                other => self.refuse_occupied(entry, &obstruction(other)),
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
        let overwrite = entry.spec.overwrite();
        let exact = overwrite || file.contents.source.is_some();
        match content {
            ContentFacts::AsRequested => self.fix_permissions(entry, node, "same content"),
            ContentFacts::EndsAsRequested if !exact => {
                self.fix_permissions(entry, node, "it ends with the text to append");
            }
            ContentFacts::NotCompared if !exact => self.fix_permissions(entry, node, "it is there"),
            ContentFacts::Incomplete if self.may_be_completed(entry) => {
                self.complete(entry, file, node)
            }
            _ if !exact => self.append(entry, file, node),
            _ if overwrite => self.write(entry, file, Effect::Change, true),
            _ => self.refuse_occupied(entry, "a file with different content already exists"),
        }
    }

    /// True for files that an earlier run was creating, and files that the config replaces in any case.
    fn may_be_completed(&self, entry: &TreeEntry<'_>) -> bool {
        let facts = &self.draft.observed.root;
        entry.spec.overwrite() || facts.is_unfinished(&entry.path)
    }

    /// Finishes an incomplete file. Its content is part of what is requested, so nothing is lost. Owner and mode that
    /// the config leaves open are kept, unless it overwrites the file.
    fn complete(&mut self, entry: &TreeEntry<'_>, file: &model::File, node: &NodeFacts) {
        let mut permissions = entry.spec.permissions();
        if !entry.spec.overwrite() {
            permissions = permissions::of_replacement(permissions, node);
        }
        let kind = OpKind::File(FileAct {
            permissions,
            differs: vec!["it is incomplete".into()],
            finishes: true,
            ..new_content(entry, file, true)
        });
        self.push(entry, Effect::Change, kind);
    }

    fn fix_permissions(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts, same: &str) {
        let mut desired = entry.spec.permissions();
        if entry.spec.overwrite() {
            desired = self.permissions_of_new(entry, desired, FILE_MODE);
        }
        let differs = permissions::differences(&self.names, &desired, node);
        if differs.is_empty() {
            return self.already_right(
                entry,
                because(&desired, same, &format!("{same}, owner and mode")),
            );
        }
        let kind = OpKind::File(FileAct {
            path: entry.path.clone(),
            base: Base::Present,
            parts: Vec::new(),
            permissions: desired,
            replace: true,
            differs,
            unit: None,
            finishes: false,
        });
        self.push(entry, Effect::Change, kind);
    }

    fn append(&mut self, entry: &TreeEntry<'_>, file: &model::File, node: &NodeFacts) {
        let desired = entry.spec.permissions();
        let mut differs = vec!["text to append is missing".to_owned()];
        differs.extend(permissions::differences(&self.names, &desired, node));
        let kind = OpKind::File(FileAct {
            path: entry.path.clone(),
            base: Base::Present,
            parts: file.append.iter().map(Content::fetched).collect(),
            permissions: desired,
            replace: true,
            differs,
            unit: None,
            finishes: false,
        });
        self.push(entry, Effect::Change, kind);
    }

    fn write(&mut self, entry: &TreeEntry<'_>, file: &model::File, effect: Effect, replace: bool) {
        let kind = OpKind::File(new_content(entry, file, replace));
        self.push_replacing(entry, effect, kind, replace);
    }

    // ---- links

    fn plan_symlink(&mut self, entry: &TreeEntry<'_>, link: &model::Link) {
        let overwrite = entry.spec.overwrite();
        let target = link.target.as_deref().unwrap_or_default();
        match self.planned.node(&entry.path) {
            _ if self.planned.is_made(&entry.path) => {
                self.refuse_occupied(entry, "the config writes something else there");
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
                    let differs = vec![format!("{} -> link to {target}", kind_name(other))];
                    self.push_symlink(entry, target, Effect::Change, true, differs);
                }
                NodeKind::Symlink { target: present } => {
                    self.refuse_occupied(entry, &format!("a link to {present} is there"));
                }
                other => self.refuse_occupied(entry, &obstruction(other)),
            },
        }
    }

    fn present_symlink(&mut self, entry: &TreeEntry<'_>, node: &NodeFacts, present: &str) {
        let desired = entry.spec.permissions();
        let differs = permissions::differences(&self.names, &desired, node);
        if differs.is_empty() {
            self.already_right(
                entry,
                because(&desired, "same target", "same target and owner"),
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
            permissions: entry.spec.permissions(),
            replace,
            differs,
            unit: None,
        });
        self.push_replacing(entry, effect, kind, replace);
    }

    fn plan_hard_link(&mut self, entry: &TreeEntry<'_>, link: &model::Link) {
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
            return self.refuse_occupied(entry, "the config writes something else there");
        }
        let present = self.planned.node(&entry.path);
        let inode = self.planned.node(&target).map(|node| node.inode);
        let same = present.is_some_and(|node| Some(node.inode) == inode);
        let overwrite = entry.spec.overwrite();
        match present.map(|node| (node, &node.kind)) {
            None => self.push_hard_link(entry, target, Effect::Create, false),
            Some(_) if same && !self.planned.is_made(&target) => {
                self.already_right(entry, format!("same file as {target}"));
            }
            Some((node, NodeKind::Directory { .. })) if overwrite => {
                self.remove(entry, node);
                self.push_hard_link(entry, target, Effect::Create, false);
            }
            // The target gets a new inode when it is rewritten, so its other name has to follow.
            Some(_) if same => self.push_hard_link(entry, target, Effect::Change, true),
            Some(_) if overwrite => self.push_hard_link(entry, target, Effect::Change, true),
            Some((_, other)) => self.refuse_occupied(entry, &obstruction(other)),
        }
    }

    /// Checks that the target of a hard link is not a directory, and is on the file system of the link. Otherwise
    /// returns the cause and a remedy.
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

    /// Identifies the file system of a path: by the mount points of the config and of the target at or above it, and by
    /// the device of its nearest existing node. For an existing node that is a mount point itself, that is the file
    /// system mounted there.
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
        self.push_replacing(entry, effect, kind, replace);
    }

    // ---- common

    /// The permissions that a node would get if it were created now.
    fn permissions_of_new(
        &self,
        entry: &TreeEntry<'_>,
        desired: Permissions,
        mode: u32,
    ) -> Permissions {
        let above = parent(&entry.path).and_then(|above| self.planned.node(above));
        permissions::of_new_node(&self.names, desired, mode, above)
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
            self.draft.record_loss(id, loss);
        }
    }

    /// A mount point below a directory, of the target or of the config.
    fn mounted_below(&self, path: &str) -> Option<&str> {
        let mounts = self.draft.observed.root.mounts.keys().chain(&self.points);
        let mut below = mounts.filter(|point| *point != path && is_at_or_below(point, path));
        below.next().map(String::as_str)
    }

    /// Drafts an operation that may replace something other than a directory.
    fn push_replacing(
        &mut self,
        entry: &TreeEntry<'_>,
        effect: Effect,
        kind: OpKind,
        replace: bool,
    ) {
        let node = self.planned.node(&entry.path).filter(|_| replace);
        let Some(id) = self.push(entry, effect, kind) else {
            return;
        };
        if let Some(loss) = node.and_then(|node| loss(&entry.path, node)) {
            self.draft.record_loss(id, loss);
        }
    }

    /// Drafts an operation after those that create its directories; `None` if it is refused.
    fn push(&mut self, entry: &TreeEntry<'_>, effect: Effect, kind: OpKind) -> Option<OpId> {
        let origin = entry.origin(self.draft);
        if !self
            .planned
            .make_parents(self.draft, Phase::Files, &entry.path, origin.as_ref())
        {
            return None;
        }
        let mut claims = self.planned.claims_of(&entry.path);
        // After the accounts, which read what is there or replace it.
        let waits = self.sources.claim(&entry.path);
        claims.extend(waits.or_else(|| permissions::claims(&entry.spec.permissions())));
        if let OpKind::HardLink(act) = &kind {
            claims.push(Claim::use_path(&act.target));
        }
        let id = self
            .planned
            .push(self.draft, Phase::Files, effect, kind, origin, claims);
        Some(id)
    }

    fn already_right(&mut self, entry: &TreeEntry<'_>, because: String) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Path(entry.path.to_string()),
            because,
        });
        let origin = entry.origin(self.draft);
        self.draft
            .push(Phase::Files, Effect::Keep, kind, origin, Vec::new());
    }

    fn refuse_occupied(&mut self, entry: &TreeEntry<'_>, cause: &str) {
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

/// An operation that writes a file with all its content.
fn new_content(entry: &TreeEntry<'_>, file: &model::File, replace: bool) -> FileAct {
    let contents = file.contents.source.as_ref().map(|_| &file.contents);
    let parts = contents.into_iter().chain(&file.append);
    FileAct {
        path: entry.path.clone(),
        base: Base::Empty,
        parts: parts.map(Content::fetched).collect(),
        permissions: entry.spec.permissions(),
        replace,
        differs: match replace {
            true => vec!["content".into()],
            false => vec![],
        },
        finishes: false,
        unit: None,
    }
}

/// Why a node is right; `plain` if the config requests no owner and mode.
fn because(desired: &Permissions, plain: &str, with_permissions: &str) -> String {
    let is_unspecified =
        desired.mode.is_none() && desired.user == Owner::Keep && desired.group == Owner::Keep;
    if is_unspecified {
        plain
    } else {
        with_permissions
    }
    .to_owned()
}

fn obstruction(kind: &NodeKind) -> String {
    format!("{} is in the way", kind_name(kind))
}

fn kind_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Directory { .. } => "a directory",
        NodeKind::File { .. } => "a file",
        NodeKind::Symlink { .. } => "a symbolic link",
        NodeKind::Other => "a device, socket or pipe",
    }
}

/// Describes the data that is lost when a node is replaced.
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
