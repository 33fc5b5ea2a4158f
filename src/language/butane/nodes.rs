//! Files, directories and links of a config by their paths, while trees and quadlets add to them.

use crate::language::node::{Node, NodeContent};
use std::collections::HashMap;

/// The type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ButaneNodeKind {
    File,
    Directory,
    Link,
}

impl ButaneNodeKind {
    const ALL: [ButaneNodeKind; 3] = [
        ButaneNodeKind::File,
        ButaneNodeKind::Directory,
        ButaneNodeKind::Link,
    ];

    /// The list of such entries.
    const fn list(self) -> &'static str {
        match self {
            ButaneNodeKind::File => "files",
            ButaneNodeKind::Directory => "directories",
            ButaneNodeKind::Link => "links",
        }
    }
}

/// The entries of a config.
pub(super) struct Nodes<'t> {
    at: u32,
    lists: HashMap<ButaneNodeKind, (u32, Vec<Node<'t>>)>,
    /// Built by the first lookup: most configs have neither trees nor quadlets.
    by_path: Option<HashMap<String, (ButaneNodeKind, usize)>>,
}

impl<'t> Nodes<'t> {
    /// Takes the entries out of the storage of `config`.
    pub(super) fn take(config: &mut Node<'t>) -> Self {
        let at = config.get("storage").map_or(config.at, |node| node.at);
        let mut nodes = Nodes {
            at,
            lists: HashMap::new(),
            by_path: None,
        };
        let Some(storage) = storage_of(config) else {
            return nodes;
        };
        for kind in ButaneNodeKind::ALL {
            let Some(list) = storage.remove(kind.list()) else {
                continue;
            };
            let at = list.at;
            if let NodeContent::List(elements) = list.value {
                nodes.lists.insert(kind, (at, elements));
            }
        }
        nodes
    }

    fn by_path(&mut self) -> &mut HashMap<String, (ButaneNodeKind, usize)> {
        let lists = &self.lists;
        self.by_path.get_or_insert_with(|| {
            let mut by_path = HashMap::new();
            for kind in ButaneNodeKind::ALL {
                let elements = lists.get(&kind).map(|(_, elements)| elements.iter());
                for (index, node) in elements.into_iter().flatten().enumerate() {
                    let path = node.text_at("path").to_owned();
                    by_path.entry(path).or_insert((kind, index));
                }
            }
            by_path
        })
    }

    /// The entry at `path`.
    pub(super) fn get_mut(&mut self, path: &str) -> Option<(ButaneNodeKind, &mut Node<'t>)> {
        let (kind, index) = *self.by_path().get(path)?;
        let (_, list) = self.lists.get_mut(&kind)?;
        Some((kind, list.get_mut(index)?))
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, kind: ButaneNodeKind, path: String, node: Node<'t>) {
        let at = node.at;
        let index = self.lists.get(&kind).map_or(0, |(_, list)| list.len());
        self.by_path().insert(path, (kind, index));
        let (_, list) = self.lists.entry(kind).or_insert((at, Vec::new()));
        list.push(node);
    }

    /// Puts the entries back into the storage of `config`.
    pub(super) fn put_back(mut self, config: &mut Node<'t>) {
        if self.lists.is_empty() {
            return;
        }
        if config.get("storage").is_none() {
            config.set("storage", Node::mapping(self.at));
        }
        let Some(storage) = storage_of(config) else {
            return;
        };
        for kind in ButaneNodeKind::ALL {
            if let Some((at, list)) = self.lists.remove(&kind) {
                storage.set(kind.list(), Node::list(at, list));
            }
        }
    }
}

fn storage_of<'n, 't>(config: &'n mut Node<'t>) -> Option<&'n mut Node<'t>> {
    let NodeContent::Mapping(entries) = &mut config.value else {
        return None;
    };
    entries
        .iter_mut()
        .find(|entry| entry.key == "storage")
        .map(|entry| &mut entry.value)
}
