//! Files, directories and links: checked one by one, and resolved to their paths in the final system.

use super::fields::Fields;
use super::names::FilesystemNames;
use super::resources;
use super::step::OldTranslation;
use super::units::Claims;
use super::version::OldVersion;
use crate::config::each_below;
use crate::language::node::Node;
use std::collections::HashMap;

/// The highest mode.
const MAX_MODE: i64 = 0o7777;

/// A node and its path in the final system.
pub(super) struct PlacedNode<'n, 't> {
    pub(super) node: &'n Node<'t>,
    pub(super) path: String,
}

/// All nodes of a config, without those that a unit of it overwrites.
pub(super) struct OldNodes<'n, 't> {
    pub(super) files: Vec<PlacedNode<'n, 't>>,
    pub(super) directories: Vec<PlacedNode<'n, 't>>,
    pub(super) links: Vec<PlacedNode<'n, 't>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OldNodeKind {
    File,
    Directory,
    Link,
}

impl OldNodeKind {
    fn name(self) -> &'static str {
        match self {
            OldNodeKind::File => "a file",
            OldNodeKind::Directory => "a directory",
            OldNodeKind::Link => "a link",
        }
    }
}

impl<'n, 't> OldNodes<'n, 't> {
    /// Checks the nodes of `storage` and resolves their paths.
    pub(super) fn of(
        step: &mut OldTranslation<'_>,
        storage: &'n Node<'t>,
        names: &FilesystemNames<'_, 't>,
        claims: &Claims,
    ) -> Self {
        let mut list = |key, kind| -> Vec<PlacedNode<'n, 't>> {
            let mut placed = Vec::new();
            for node in storage.items(key) {
                check(step, node, kind);
                let is_usable = step.check_absolute(node, "path", "a path");
                let path = names.resolve(step, node).filter(|_| is_usable);
                if let Some(path) = path
                    && !is_claimed(step, node, kind, &path, claims)
                {
                    placed.push(PlacedNode { node, path });
                }
            }
            placed
        };
        let nodes = OldNodes {
            files: list("files", OldNodeKind::File),
            directories: list("directories", OldNodeKind::Directory),
            links: list("links", OldNodeKind::Link),
        };
        nodes.check_conflicts(step);
        nodes.check_links_above(step);
        nodes
    }

    /// Reports paths with nodes of different kinds.
    fn check_conflicts(&self, step: &mut OldTranslation<'_>) {
        let mut seen: HashMap<&str, (OldNodeKind, u32)> = HashMap::new();
        let all = [
            (OldNodeKind::File, &self.files),
            (OldNodeKind::Directory, &self.directories),
            (OldNodeKind::Link, &self.links),
        ];
        for (kind, list) in all {
            for placed in list {
                let at = placed.node.at;
                let (first, other) = *seen.entry(&placed.path).or_insert((kind, at));
                if first != kind {
                    let message = format!(
                        "{} is {} here and {} elsewhere",
                        placed.path,
                        kind.name(),
                        first.name()
                    );
                    step.report_conflict(at, other, message, "remove one of them");
                }
            }
        }
    }

    /// Reports nodes below a link of the config.
    fn check_links_above(&self, step: &mut OldTranslation<'_>) {
        let links: Vec<&str> = self.links.iter().map(|l| l.path.as_str()).collect();
        let lists = [&self.files, &self.directories, &self.links];
        let nodes: Vec<&PlacedNode<'_, '_>> = lists.into_iter().flatten().collect();
        let paths: Vec<&str> = nodes.iter().map(|node| node.path.as_str()).collect();
        each_below(&links, &paths, |node, above| {
            // The innermost one is enough.
            let link = above.last().and_then(|link| self.links.get(*link));
            if let (Some(placed), Some(link)) = (nodes.get(node), link) {
                let message = format!(
                    "the path leads through the link {} of this config",
                    link.path
                );
                let help = "give the path that the link leads to";
                step.report_conflict(placed.node.at_of("path"), link.node.at, message, help);
            }
        });
    }
}

/// Reports whether a unit is written to `path`. Units are written last: a file there has no effect, anything else is in
/// the way.
fn is_claimed(
    step: &mut OldTranslation<'_>,
    node: &Node<'_>,
    kind: OldNodeKind,
    path: &str,
    claims: &Claims,
) -> bool {
    let Some(unit) = claims.unit_at(path) else {
        return false;
    };
    match kind {
        OldNodeKind::File => {
            let message = format!("a unit of this config is written to {path} after this file");
            step.warn_of_merge(node.at, unit, message, "remove the file");
        }
        _ => {
            let message = format!("a unit of this config is written to {path}");
            step.report_conflict(node.at, unit, message, "");
        }
    }
    true
}

fn check(step: &mut OldTranslation<'_>, node: &Node<'_>, kind: OldNodeKind) {
    if node.text_of("filesystem").is_empty() {
        let help = "write \"filesystem\": \"root\"";
        step.error_with_help(node.at_of("filesystem"), "a file system is required", help);
    }
    if kind != OldNodeKind::Link {
        check_mode(step, node);
    }
    if kind == OldNodeKind::File {
        resources::check(step, node.inner("contents"));
        if node.is_true("append") && node.is_true("overwrite") {
            let at = node.at_of("append");
            step.error(at, "`append` and `overwrite` exclude each other");
        }
    }
    if kind == OldNodeKind::Link && node.text_of("target").is_empty() {
        step.error(node.at_of("target"), "the target of a link is required");
    }
    for key in ["user", "group"] {
        let owner = node.inner(key);
        if owner.get("id").is_some() && !owner.text_of("name").is_empty() {
            step.error(owner.at, "id and name exclude each other");
        }
    }
}

fn check_mode(step: &mut OldTranslation<'_>, node: &Node<'_>) {
    let at = node.at_of("mode");
    match node.int_of("mode") {
        Some(mode) if !(0..=MAX_MODE).contains(&mode) => {
            let help = format!("modes are decimal numbers from 0 to {MAX_MODE} (octal 07777)");
            step.error_with_help(at, "illegal file mode", help);
        }
        Some(_) => {}
        // What it is appended to has a mode.
        None if node.is_true("append") => {}
        None if step.is_since(node, OldVersion::V2_2) => {
            let message =
                "no mode; Ignition 2 made it 0000, version 3 makes files 0644 and directories 0755";
            step.warn(at, message, "give a mode, e.g. 420 for 0644");
        }
        None => {
            let message = "no mode, which is 0000 in this version: only root can use it";
            step.warn(at, message, "give a mode, e.g. 420 for 0644");
        }
    }
}

/// The mode that a node gets; before 2.2 every node has one.
pub(super) fn mode<'t>(step: &OldTranslation<'_>, node: &Node<'t>) -> Option<Node<'t>> {
    match node.get("mode") {
        Some(mode) => Some(mode.clone()),
        None if step.is_since(node, OldVersion::V2_2) => None,
        None => Some(Node::int(node.at, 0)),
    }
}

/// Owner `key` of a node; before 2.1 every node has one.
pub(super) fn owner<'t>(step: &OldTranslation<'_>, node: &Node<'t>, key: &str) -> Option<Node<'t>> {
    let owner = node.inner(key);
    let mut out = Node::mapping(node.at_of(key));
    match owner.get("id") {
        Some(id) => out.set("id", id.clone()),
        None if step.is_since(node, OldVersion::V2_1) => {}
        None => out.set("id", Node::int(node.at_of(key), 0)),
    }
    out.copy_text(owner, "name");
    (!out.entries().is_empty()).then_some(out)
}

/// A translated node with its path and owners.
pub(super) fn base_node<'t>(step: &OldTranslation<'_>, placed: &PlacedNode<'_, 't>) -> Node<'t> {
    let node = placed.node;
    let path = Node::text(node.at_of("path"), placed.path.clone());
    let mut out = Node::mapping(node.at).with("path", path);
    for key in ["user", "group"] {
        if let Some(owner) = owner(step, node, key) {
            out.set(key, owner);
        }
    }
    out
}

/// Nodes by path, in the order of the first node of each.
pub(super) fn by_path<'p, 'n, 't>(
    list: &'p [PlacedNode<'n, 't>],
) -> Vec<Vec<&'p PlacedNode<'n, 't>>> {
    let mut groups: Vec<Vec<&PlacedNode<'n, 't>>> = Vec::new();
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for placed in list {
        let index = *index_of.entry(&placed.path).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.push(placed),
            None => groups.push(vec![placed]),
        }
    }
    groups
}
