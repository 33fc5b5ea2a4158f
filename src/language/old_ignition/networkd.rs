//! Units of systemd-networkd, which are files in version 3.

use super::fields::Fields;
use super::step::OldTranslation;
use crate::language::node::Node;
use crate::language::percent;
use crate::layout::NETWORK_DIRECTORY;
use std::collections::HashMap;

const MODE: i64 = 0o644;

/// Translates the units and their drop-ins to files. Of those with the same path, the last one is used.
pub(super) fn files<'t>(step: &mut OldTranslation<'_>, networkd: &Node<'t>) -> Vec<Node<'t>> {
    let mut files: Vec<Node<'t>> = Vec::new();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    let mut add = |step: &mut OldTranslation<'_>, path: String, node: &Node<'t>| {
        let contents = node.text_of("contents");
        if contents.is_empty() {
            return;
        }
        let file = file(&path, node, contents);
        match index_of.get(&path).and_then(|index| files.get_mut(*index)) {
            None => {
                index_of.insert(path, files.len());
                files.push(file);
            }
            Some(earlier) => {
                let message = format!("{path} is written twice; the last one is used");
                step.warn_of_merge(node.at, earlier.at, message, "remove one of them");
                *earlier = file;
            }
        }
    };
    for unit in networkd.items("units") {
        let name = unit.text_of("name");
        add(step, format!("{NETWORK_DIRECTORY}/{name}"), unit);
        for dropin in unit.items("dropins") {
            let directory = format!("{NETWORK_DIRECTORY}/{name}.d");
            add(
                step,
                format!("{directory}/{}", dropin.text_of("name")),
                dropin,
            );
        }
    }
    files
}

fn file<'t>(path: &str, node: &Node<'t>, contents: &str) -> Node<'t> {
    let at = node.at_of("contents");
    let source = Node::text(at, percent::data_url(contents.as_bytes()));
    Node::mapping(node.at)
        .with("path", Node::text(node.at_of("name"), path.to_owned()))
        .with("mode", Node::int(node.at, MODE))
        .with("overwrite", Node::flag(node.at, true))
        .with("contents", Node::mapping(at).with("source", source))
}
