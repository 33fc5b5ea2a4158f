//! Converts version 1 to version 2: files move out of their file systems, which get names.

use super::fields::Fields;
use crate::language::node::Node;
use crate::language::percent;

/// `root`, decoded as version 1, with the names of version 2. File systems are numbered from `first`.
pub(super) fn to_version_2<'t>(root: &Node<'t>, first: usize) -> Node<'t> {
    let mut out = Node::mapping(root.at);
    if let Some(storage) = root.get("storage") {
        out.set("storage", self::storage(storage, first));
    }
    for section in ["systemd", "networkd", "passwd"] {
        out.copy(root, section);
    }
    out
}

fn storage<'t>(storage: &Node<'t>, first: usize) -> Node<'t> {
    let mut out = Node::mapping(storage.at);
    out.copy(storage, "disks");
    out.copy(storage, "raid");
    let mut filesystems = Vec::new();
    let mut files = Vec::new();
    for (index, filesystem) in storage.items("filesystems").iter().enumerate() {
        let name = format!("_translate-filesystem-{}", first.saturating_add(index));
        let moved = files_of(filesystem, &name);
        files.extend(moved);
        let mut mount = Node::mapping(filesystem.at);
        for key in ["device", "format", "create"] {
            mount.copy(filesystem, key);
        }
        let name = Node::text(filesystem.at, name);
        let out = Node::mapping(filesystem.at);
        filesystems.push(out.with("name", name).with("mount", mount));
    }
    let at = storage.at_of("filesystems");
    out.set_list("filesystems", at, filesystems);
    out.set_list("files", at, files);
    out
}

fn files_of<'t>(filesystem: &Node<'t>, name: &str) -> Vec<Node<'t>> {
    let files = filesystem.items("files").iter();
    files.map(|file| self::file(file, name)).collect()
}

fn file<'t>(file: &Node<'t>, filesystem: &str) -> Node<'t> {
    let filesystem = Node::text(file.at, filesystem.to_owned());
    let mut out = Node::mapping(file.at).with("filesystem", filesystem);
    out.copy(file, "path");
    let at = file.at_of("contents");
    let source = Node::text(at, percent::data_url(file.text_of("contents").as_bytes()));
    out.set("contents", Node::mapping(at).with("source", source));
    out.copy(file, "mode");
    for (old, new) in [("uid", "user"), ("gid", "group")] {
        if let Some(id) = file.get(old) {
            out.set(new, Node::mapping(id.at).with("id", id.clone()));
        }
    }
    out
}
