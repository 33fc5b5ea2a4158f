//! Local directories that are copied into the file system (`storage.trees`).

use super::context::{ButaneContext, list};
use super::nodes::{ButaneNodeKind, Nodes};
use crate::config::simplify;
use crate::language::node::Node;
use crate::language::surroundings::{LocalDirectory, LocalKind, LocalNode};

/// How deep directories may be nested; no path on the target has more components.
const MAX_DEPTH: usize = 256;

const EXECUTABLE_MODE: i64 = 0o755;
const PLAIN_MODE: i64 = 0o644;
const EXECUTE_BITS: u32 = 0o111;

/// Checks that each tree names a local directory.
pub(super) fn check(storage: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    for tree in list(storage, "trees") {
        if tree.text_at("local").is_empty() {
            context.remarks.error(tree.at, "a tree needs `local`");
        }
    }
}

/// Adds everything in the trees to `nodes`.
pub(super) fn add<'t>(
    storage: &Node<'t>,
    nodes: &mut Nodes<'t>,
    context: &mut ButaneContext<'_, '_>,
) {
    for tree in list(storage, "trees") {
        // As in the original, everything that is generated from the tree is reported at the tree.
        let at = tree.at;
        let Some(files) = context.surroundings.files else {
            context.report_no_files(at);
            continue;
        };
        let local = tree.text_at("local").trim_end_matches('/');
        match files.inspect(local) {
            Err(error) => context.remarks.error(at, error.to_string()),
            Ok(LocalNode {
                kind: LocalKind::Directory,
                ..
            }) => {
                let path = tree.text_at("path");
                let walk = Walk {
                    tree,
                    at,
                    files,
                    nodes,
                    context,
                };
                walk.run(local, if path.is_empty() { "/" } else { path });
            }
            Ok(_) => context
                .remarks
                .error(at, format!("{local} is not a directory")),
        }
    }
}

/// A walk through one tree.
struct Walk<'w, 't, 's, 'r> {
    tree: &'w Node<'t>,
    at: u32,
    files: &'s dyn LocalDirectory,
    nodes: &'w mut Nodes<'t>,
    context: &'w mut ButaneContext<'s, 'r>,
}

impl<'t> Walk<'_, 't, '_, '_> {
    /// Walks depth first, names in byte order, a directory before its contents.
    fn run(mut self, local: &str, destination: &str) {
        if !destination.starts_with('/') {
            let at = self.tree.get("path").map_or(self.at, |path| path.at);
            self.context
                .remarks
                .error(at, "the path of a tree must be absolute");
            return;
        }
        let destination = simplify(destination);
        if destination == "/" && self.makes_directories() {
            self.context.remarks.warn(
                self.tree.at,
                "the tree also sets owner and mode of the root directory; give it a path",
            );
        }
        // Entries to visit, the next one last.
        let mut rest = vec![(local.to_owned(), destination, 0)];
        while let Some((local, destination, depth)) = rest.pop() {
            let inspected = self.files.inspect(&local);
            match inspected {
                Err(error) => self.context.remarks.error(self.at, error.to_string()),
                Ok(LocalNode {
                    kind: LocalKind::Directory,
                    ..
                }) => {
                    self.add_directory(&destination);
                    let below = self.entries(&local, &destination, depth);
                    rest.extend(below);
                }
                Ok(LocalNode {
                    kind: LocalKind::File,
                    mode,
                }) => self.add_file(&local, destination, mode),
                Ok(LocalNode {
                    kind: LocalKind::Link(target),
                    ..
                }) => self.add_link(destination, target),
                Ok(LocalNode {
                    kind: LocalKind::Other,
                    ..
                }) => self.context.remarks.error(
                    self.at,
                    format!("{local} is neither a file nor a directory nor a link"),
                ),
            }
        }
    }

    /// The entries of a directory, the first one last.
    fn entries(
        &mut self,
        local: &str,
        destination: &str,
        depth: usize,
    ) -> Vec<(String, String, usize)> {
        if depth >= MAX_DEPTH {
            let message = format!("{local} is deeper than {MAX_DEPTH} directories");
            self.context.remarks.error(self.at, message);
            return Vec::new();
        }
        match self.files.list(local) {
            Ok(names) => {
                let join = |above: &str, name: &str| match above {
                    "/" => format!("/{name}"),
                    above => format!("{above}/{name}"),
                };
                let below = names.iter().rev();
                below
                    .map(|name| (join(local, name), join(destination, name), depth + 1))
                    .collect()
            }
            Err(error) => {
                self.context.remarks.error(self.at, error.to_string());
                Vec::new()
            }
        }
    }

    fn makes_directories(&self) -> bool {
        ["dir_mode", "user", "group"]
            .iter()
            .any(|key| self.tree.get(key).is_some())
    }

    fn add_directory(&mut self, destination: &str) {
        if !self.makes_directories() {
            return;
        }
        if self.nodes.get_mut(destination).is_some() {
            self.report_existing(destination);
            return;
        }
        let mut node = self.node(destination);
        let mode = self.tree.get("dir_mode").cloned();
        node.set(
            "mode",
            mode.unwrap_or_else(|| Node::int(self.at, EXECUTABLE_MODE)),
        );
        self.nodes
            .push(ButaneNodeKind::Directory, destination.to_owned(), node);
    }

    fn add_file(&mut self, local: &str, destination: String, mode: u32) {
        let stated = self.tree.get("file_mode").cloned();
        let mode = stated.unwrap_or_else(|| {
            let is_executable = mode & EXECUTE_BITS != 0;
            Node::int(
                self.at,
                if is_executable {
                    EXECUTABLE_MODE
                } else {
                    PLAIN_MODE
                },
            )
        });
        match self.nodes.get_mut(&destination) {
            Some((ButaneNodeKind::File, node)) if !has_source(node) => {
                if node.get("mode").is_none() {
                    node.set("mode", mode);
                }
            }
            Some(_) => return self.report_existing(&destination),
            None => {
                let node = self.node(&destination).with("mode", mode);
                self.nodes
                    .push(ButaneNodeKind::File, destination.clone(), node);
            }
        }
        let bytes = match self.files.read(local) {
            Ok(bytes) => bytes,
            Err(error) => return self.context.remarks.error(self.at, error.to_string()),
        };
        if let Some((_, node)) = self.nodes.get_mut(&destination) {
            let mut contents = node
                .remove("contents")
                .unwrap_or_else(|| Node::mapping(self.at));
            let stated = contents.remove("compression");
            contents.remove("source");
            for (name, value) in self.context.encoded(self.at, bytes.into(), stated.as_ref()) {
                contents.set(name, value);
            }
            node.set("contents", contents);
        }
    }

    fn add_link(&mut self, destination: String, target: String) {
        let target = Node::text(self.at, target);
        match self.nodes.get_mut(&destination) {
            Some((ButaneNodeKind::Link, node)) if node.text_at("target").is_empty() => {
                node.remove("target");
                node.set("target", target);
            }
            Some(_) => self.report_existing(&destination),
            None => {
                let node = self.node(&destination).with("target", target);
                self.nodes.push(ButaneNodeKind::Link, destination, node);
            }
        }
    }

    /// An entry with the owners of the tree.
    fn node(&self, destination: &str) -> Node<'t> {
        let mut node =
            Node::mapping(self.at).with("path", Node::text(self.at, destination.to_owned()));
        for key in ["user", "group"] {
            if let Some(owner) = self.tree.get(key) {
                node.set(key, owner.clone());
            }
        }
        node
    }

    fn report_existing(&mut self, destination: &str) {
        let message = format!("the tree has {destination}, which the config has already");
        self.context.remarks.error(self.at, message);
    }
}

/// Whether the file has a source. An empty one counts as none, like an empty target.
fn has_source(file: &Node<'_>) -> bool {
    file.get("contents")
        .is_some_and(|contents| !contents.text_at("source").is_empty())
}
