//! The paths of all values of a text.

use super::node::{Node, NodeContent};
use crate::config::WrittenPaths;

/// Paths of everything in `root`.
pub(crate) fn of(root: &Node<'_>) -> WrittenPaths {
    let (mut paths, value) = WrittenPaths::begin(root.at);
    let mut rest = vec![(root, value)];
    while let Some((node, value)) = rest.pop() {
        match &node.value {
            NodeContent::Scalar(_) => {}
            NodeContent::List(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let below = paths.element(value, index, element.at);
                    rest.push((element, below));
                }
            }
            NodeContent::Mapping(entries) => {
                for entry in entries {
                    let below = paths.member(value, &entry.key, entry.value.at);
                    rest.push((&entry.value, below));
                }
            }
        }
    }
    paths
}
