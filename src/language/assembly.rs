//! A config assembled part by part, for languages that describe a machine in their own terms.
//!
//! Such a language has no list of files but many keys, each of which implies a file, a unit or an account. The parts
//! are collected here by kind; a later file replaces an earlier one with the same path.

use super::keyed::KeyedList;
use super::node::Node;
use super::shaped;
use crate::config::model::{NewParent, NodeOwner};
use crate::config::tree::Tree;
use crate::config::{Version, data_url, simplify};
use std::borrow::Cow;
use std::collections::HashSet;

/// The set-user-ID, set-group-ID and sticky bits, which are ignored before version 3.6.0.
const SPECIAL_BITS: u32 = 0o7000;

/// The parts of a config so far.
#[derive(Debug, Default)]
pub(crate) struct Assembly<'t> {
    /// Offset of the value that the whole config is made from.
    pub(crate) at: u32,
    users: KeyedList<AssembledUser<'t>>,
    groups: KeyedList<Node<'t>>,
    files: KeyedList<AssembledFile<'t>>,
    directories: KeyedList<Node<'t>>,
    links: KeyedList<Node<'t>>,
    units: KeyedList<Node<'t>>,
    included: Vec<Node<'t>>,
    new_parents: Vec<NewParent>,
    pub(crate) disks: Vec<Node<'t>>,
    pub(crate) filesystems: Vec<Node<'t>>,
}

/// An account.
#[derive(Debug)]
pub(crate) struct AssembledUser<'t> {
    /// All members but the groups and the keys.
    node: Node<'t>,
    groups: Vec<(u32, String)>,
    keys: Vec<(u32, String)>,
}

#[derive(Debug)]
pub(crate) struct AssembledFile<'t> {
    pub(crate) at: u32,
    pub(crate) path: String,
    /// The contents, if an existing file is to be replaced.
    pub(crate) body: Option<FileBody>,
    /// What is appended to it.
    pub(crate) append: Vec<FileBody>,
    pub(crate) mode: Option<(u32, u32)>,
    pub(crate) user: Option<Node<'t>>,
    pub(crate) group: Option<Node<'t>>,
}

/// Bytes of a file, with the offset of their origin.
#[derive(Debug)]
pub(crate) struct FileBody {
    pub(crate) at: u32,
    pub(crate) source: FileSource,
}

/// Where bytes come from.
#[derive(Debug)]
pub(crate) enum FileSource {
    Bytes(Vec<u8>),
    Url {
        url: String,
        headers: Vec<(String, String)>,
    },
}

impl<'t> AssembledUser<'t> {
    /// Sets `member` unless the account already has it.
    pub(crate) fn set(&mut self, member: &'static str, value: Node<'t>) {
        if self.node.get(member).is_none() {
            self.node.set(member, value);
        }
    }

    /// Sets `member`, replacing any earlier value.
    pub(crate) fn replace(&mut self, member: &'static str, value: Node<'t>) {
        self.node.remove(member);
        self.node.set(member, value);
    }

    /// The text of `member`.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        let scalar = self.node.get(member)?.as_scalar()?;
        Some(&scalar.text)
    }

    /// Adds an SSH key. Blanks around it are dropped, and so are duplicates.
    pub(crate) fn add_key(&mut self, at: u32, key: &str) {
        let key = key.trim();
        if !key.is_empty() {
            self.keys.push((at, key.to_owned()));
        }
    }

    /// Makes the account a member of `group`. Duplicates are dropped.
    pub(crate) fn join(&mut self, at: u32, group: &str) {
        self.groups.push((at, group.to_owned()));
    }

    fn into_node(mut self) -> Node<'t> {
        for (member, texts) in [("groups", self.groups), ("sshAuthorizedKeys", self.keys)] {
            let Some((at, _)) = texts.first() else {
                continue;
            };
            let (at, mut seen) = (*at, HashSet::new());
            let texts = texts.into_iter();
            let unique = texts.filter(|(_, text)| seen.insert(text.clone()));
            let unique = unique.map(|(at, text)| Node::text(at, text)).collect();
            self.node.set(member, Node::list(at, unique));
        }
        self.node
    }
}

impl<'t> AssembledFile<'t> {
    /// A file that holds `bytes` and replaces whatever is at `path`.
    pub(crate) fn new(
        at: u32,
        path: impl Into<String>,
        mode: u32,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        AssembledFile {
            at,
            path: path.into(),
            body: Some(FileBody::bytes(at, bytes)),
            append: Vec::new(),
            mode: Some((at, mode)),
            user: None,
            group: None,
        }
    }

    /// A file to which `bytes` are appended.
    pub(crate) fn appended(
        at: u32,
        path: impl Into<String>,
        mode: u32,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        AssembledFile {
            body: None,
            append: vec![FileBody::bytes(at, bytes)],
            ..AssembledFile::new(at, path, mode, Vec::new())
        }
    }

    fn into_node(self) -> Node<'t> {
        let mut node = Node::mapping(self.at).with("path", Node::text(self.at, self.path));
        if let Some(body) = self.body {
            node.set("overwrite", Node::flag(body.at, true));
            node.set("contents", body.into_node());
        }
        if let Some(first) = self.append.first() {
            let at = first.at;
            let append = self.append.into_iter().map(FileBody::into_node).collect();
            node.set("append", Node::list(at, append));
        }
        if let Some((at, mode)) = self.mode {
            node.set("mode", Node::int(at, i64::from(mode)));
        }
        if let Some(user) = self.user {
            node.set("user", user);
        }
        if let Some(group) = self.group {
            node.set("group", group);
        }
        node
    }
}

impl FileBody {
    /// A body of literal bytes.
    pub(crate) fn bytes(at: u32, bytes: impl Into<Vec<u8>>) -> Self {
        let source = FileSource::Bytes(bytes.into());
        FileBody { at, source }
    }

    /// A body to be fetched from `url`.
    pub(crate) fn url(at: u32, url: impl Into<String>) -> Self {
        let source = FileSource::Url {
            url: url.into(),
            headers: Vec::new(),
        };
        FileBody { at, source }
    }

    fn into_node<'t>(self) -> Node<'t> {
        let at = self.at;
        match self.source {
            FileSource::Bytes(bytes) => {
                let url = match bytes.is_empty() {
                    true => "data:,".to_owned(),
                    false => data_url::encode(&bytes),
                };
                Node::mapping(at).with("source", Node::text(at, url))
            }
            FileSource::Url { url, headers } => {
                let headers = headers.into_iter().map(|(name, value)| {
                    Node::mapping(at)
                        .with("name", Node::text(at, name))
                        .with("value", Node::text(at, value))
                });
                let headers = Node::list(at, headers.collect());
                Node::mapping(at)
                    .with("httpHeaders", headers)
                    .with("source", Node::text(at, url))
            }
        }
    }
}

impl<'t> Assembly<'t> {
    /// An empty config, made from the value at offset `at`.
    pub(crate) fn new(at: u32) -> Self {
        Assembly {
            at,
            ..Assembly::default()
        }
    }

    /// The account called `name`, created if it does not exist.
    pub(crate) fn user(&mut self, at: u32, name: &str) -> &mut AssembledUser<'t> {
        self.users.or_insert_with(name, || AssembledUser {
            node: Node::mapping(at).with("name", Node::text(at, name.to_owned())),
            groups: Vec::new(),
            keys: Vec::new(),
        })
    }

    /// The account called `name`, if the config has it.
    pub(crate) fn user_named(&self, name: &str) -> Option<&AssembledUser<'t>> {
        self.users.get(name)
    }

    /// True if the config has the group `name`.
    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.groups.contains(name)
    }

    /// Adds the group `name` unless it exists.
    pub(crate) fn add_group(&mut self, at: u32, name: &str) {
        self.groups.or_insert_with(name, || {
            Node::mapping(at).with("name", Node::text(at, name.to_owned()))
        });
    }

    /// Adds a file. One that only appends is joined to an earlier file with the same path; any other replaces it.
    /// True if an earlier file was replaced.
    pub(crate) fn add_file(&mut self, mut file: AssembledFile<'t>) -> bool {
        self.links.remove(&file.path);
        let earlier = self.files.get_mut(&file.path);
        if let Some(earlier) = earlier.filter(|_| file.body.is_none()) {
            earlier.append.append(&mut file.append);
            earlier.mode = file.mode.or(earlier.mode);
            earlier.user = file.user.or(earlier.user.take());
            earlier.group = file.group.or(earlier.group.take());
            return false;
        }
        let path = file.path.clone();
        self.files.insert(&path, file).is_some()
    }

    /// Adds a directory unless it exists. Without a mode, an existing directory on the target keeps its own.
    pub(crate) fn add_directory(
        &mut self,
        at: u32,
        path: &str,
        mode: Option<u32>,
        owner: Option<&str>,
    ) {
        let name = |name: &str| Node::mapping(at).with("name", Node::text(at, name.to_owned()));
        self.owned_directory(at, path, mode, (owner.map(name), None));
    }

    /// Like [`Assembly::add_directory`], with a user and a group. Attributes that are already set are kept.
    pub(crate) fn owned_directory(
        &mut self,
        at: u32,
        path: &str,
        mode: Option<u32>,
        (user, group): (Option<Node<'t>>, Option<Node<'t>>),
    ) {
        let directory = self.directories.or_insert_with(path, || {
            Node::mapping(at).with("path", Node::text(at, path.to_owned()))
        });
        let mode = mode.map(|mode| Node::int(at, i64::from(mode)));
        for (member, value) in [("mode", mode), ("user", user), ("group", group)] {
            if let Some(value) = value.filter(|_| directory.get(member).is_none()) {
                directory.set(member, value);
            }
        }
    }

    /// States the owner of a directory, should it be created as a parent of something else.
    pub(crate) fn add_new_parent(
        &mut self,
        path: &str,
        user: Option<&Node<'t>>,
        group: Option<&Node<'t>>,
    ) {
        self.new_parents.push(NewParent {
            path: path.to_owned(),
            user: user.map(node_owner).unwrap_or_default(),
            group: group.map(node_owner).unwrap_or_default(),
        });
    }

    /// Takes the owners that were added with [`Assembly::add_new_parent`].
    pub(crate) fn take_new_parents(&mut self) -> Vec<NewParent> {
        std::mem::take(&mut self.new_parents)
    }

    /// Home directories that are set for accounts.
    pub(crate) fn homes(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter_map(|user| user.text("homeDir"))
    }

    /// Adds a symbolic link that replaces whatever is at `path`.
    pub(crate) fn add_link(&mut self, at: u32, path: &str, target: impl Into<Cow<'t, str>>) {
        self.files.remove(path);
        let node = Node::mapping(at)
            .with("path", Node::text(at, path.to_owned()))
            .with("overwrite", Node::flag(at, true))
            .with("target", Node::text(at, target));
        self.links.insert(path, node);
    }

    /// Adds a unit file and enables it.
    pub(crate) fn add_unit(&mut self, at: u32, name: &str, contents: impl Into<Cow<'t, str>>) {
        let node = Node::mapping(at)
            .with("name", Node::text(at, name.to_owned()))
            .with("enabled", Node::flag(at, true))
            .with("contents", Node::text(at, contents));
        self.units.insert(name, node);
    }

    /// Adds a unit as described by `node`.
    pub(crate) fn add_unit_node(&mut self, name: &str, node: Node<'t>) {
        self.units.insert(name, node);
    }

    /// True if there is a file at `path`.
    pub(crate) fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// The offset in the config that the file at `path` originates from, if there is such a file.
    pub(crate) fn file_at(&self, path: &str) -> Option<u32> {
        self.files.get(path).map(|file| file.at)
    }

    /// Drops the file at `path`. True if there was one.
    pub(crate) fn remove_file(&mut self, path: &str) -> bool {
        self.files.remove(path).is_some()
    }

    /// Enables a unit that is part of the system.
    pub(crate) fn enable_unit(&mut self, at: u32, name: &str) {
        self.units.or_insert_with(name, || {
            Node::mapping(at)
                .with("name", Node::text(at, name.to_owned()))
                .with("enabled", Node::flag(at, true))
        });
    }

    /// Merges the config at `url` into this one.
    pub(crate) fn add_include(&mut self, at: u32, url: impl Into<Cow<'t, str>>) {
        let node = Node::mapping(at).with("source", Node::text(at, url));
        self.included.push(node);
    }

    /// The whole config, in the oldest version since 3.5.0 that supports everything in it.
    pub(crate) fn finish(self) -> (Tree<'t>, Version) {
        let at = self.at;
        let has_special_bits =
            |file: &AssembledFile<'_>| file.mode.is_some_and(|(_, m)| m & SPECIAL_BITS != 0);
        let version = match self.files.iter().any(has_special_bits) {
            true => Version::V3_6,
            false => Version::V3_5,
        };
        let mut ignition = Node::mapping(at).with("version", Node::text(at, version.as_str()));
        if let Some(first) = self.included.first().map(|node| node.at) {
            let merge = Node::list(first, self.included);
            ignition.set("config", Node::mapping(first).with("merge", merge));
        }
        let users = self
            .users
            .into_values()
            .map(AssembledUser::into_node)
            .collect();
        let nodes = |parts: KeyedList<Node<'t>>| Node::list(at, parts.into_values().collect());
        let passwd = Node::mapping(at)
            .with("groups", nodes(self.groups))
            .with("users", Node::list(at, users));
        let files = self
            .files
            .into_values()
            .map(AssembledFile::into_node)
            .collect();
        let storage = Node::mapping(at)
            .with("directories", nodes(self.directories))
            .with("disks", Node::list(at, self.disks))
            .with("files", Node::list(at, files))
            .with("filesystems", Node::list(at, self.filesystems))
            .with("links", nodes(self.links));
        let systemd = Node::mapping(at).with("units", nodes(self.units));
        let config = Node::mapping(at)
            .with("ignition", ignition)
            .with("passwd", passwd)
            .with("storage", storage)
            .with("systemd", systemd);
        (shaped::config(config, version), version)
    }
}

/// An absolute path without `.`, `..` and doubled slashes; a relative one is taken from `/`.
pub(crate) fn clean_path(path: &str) -> String {
    simplify(&format!("/{path}"))
}

/// An owner of a file: an id if it is a number, else a name.
pub(crate) fn owner<'t>(at: u32, owner: &str) -> Node<'t> {
    let is_number = !owner.is_empty() && owner.bytes().all(|b| b.is_ascii_digit());
    match owner.parse::<i64>() {
        Ok(id) if is_number => Node::mapping(at).with("id", Node::int(at, id)),
        _ => Node::mapping(at).with("name", Node::text(at, owner.to_owned())),
    }
}

/// The owner that `node` is.
fn node_owner(node: &Node<'_>) -> NodeOwner {
    let text = |key: &str| Some(node.text_at(key)).filter(|text| !text.is_empty());
    NodeOwner {
        id: text("id").and_then(|id| id.parse().ok()),
        name: text("name").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_plain() {
        let cases = [
            ("a/../b", "/b"),
            ("/a//b/./c/", "/a/b/c"),
            ("../../x", "/x"),
            ("", "/"),
        ];
        for (path, want) in cases {
            assert_eq!(clean_path(path), want, "{path}");
        }
    }

    #[test]
    fn a_later_file_wins_and_fragments_add_up() {
        let mut assembly = Assembly::new(0);
        assert!(!assembly.add_file(AssembledFile::new(0, "/a", 0o644, "1")));
        assert!(assembly.add_file(AssembledFile::new(1, "/a", 0o600, "2")));
        assert!(!assembly.add_file(AssembledFile::appended(2, "/a", 0o600, "3")));
        let file = assembly.files.get("/a").unwrap();
        assert_eq!((file.at, file.append.len()), (1, 1));
    }

    #[test]
    fn special_bits_need_a_later_version() {
        for (mode, want) in [(0o755, Version::V3_5), (0o4755, Version::V3_6)] {
            let mut assembly = Assembly::new(0);
            assembly.add_file(AssembledFile::new(0, "/a", mode, ""));
            assert_eq!(assembly.finish().1, want, "{mode:o}");
        }
    }
}
