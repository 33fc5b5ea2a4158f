//! Directories and links.

use super::fields::Fields;
use super::names::{FilesystemNames, joined};
use super::nodes::{self, PlacedNode};
use super::step::{OldTranslation, strict_message};
use crate::language::node::Node;

/// Translates directories; entries with the same path become one.
pub(super) fn directories<'t>(
    step: &mut OldTranslation<'_>,
    list: &[PlacedNode<'_, 't>],
) -> Vec<Node<'t>> {
    let groups = nodes::by_path(list).into_iter();
    let translated = groups.filter_map(|group| {
        let (last, first) = (group.last()?, group.first()?);
        for directory in group.iter().skip(1) {
            let message = format!("duplicate directory {}; the entries are merged", last.path);
            let help = "merge the entries; the last mode and owner are used";
            step.warn_of_merge(directory.node.at, first.node.at, message, help);
        }
        let mut out = nodes::base_node(step, last);
        if let Some(mode) = nodes::mode(step, last.node) {
            out.set("mode", mode);
        }
        let mut flags = group.iter().filter_map(|d| d.node.get("overwrite"));
        let overwrites = flags.clone().find(|flag| flag.as_text() == "true");
        if let Some(flag) = overwrites.or_else(|| flags.next_back()) {
            out.set("overwrite", flag.clone());
        }
        Some(out)
    });
    translated.collect()
}

/// Translates links; of those with the same path, the last one is used.
pub(super) fn links<'t>(
    step: &mut OldTranslation<'_>,
    list: &[PlacedNode<'_, 't>],
    names: &FilesystemNames<'_, 't>,
) -> Vec<Node<'t>> {
    let groups = nodes::by_path(list).into_iter();
    let translated = groups.filter_map(|group| {
        let (last, first) = (group.last()?, group.first()?);
        for link in group.iter().skip(1) {
            let (at, other) = (link.node.at, first.node.at);
            if link.node.is_true("overwrite") {
                let message = format!("duplicate link {}; the last one is used", link.path);
                step.warn_of_merge(at, other, message, "remove one of them");
            } else {
                let message = format!("duplicate link {}", link.path);
                step.report_conflict(at, other, message, "remove one of them");
            }
        }
        Some(link(step, last, names))
    });
    translated.collect()
}

fn link<'t>(
    step: &mut OldTranslation<'_>,
    placed: &PlacedNode<'_, 't>,
    names: &FilesystemNames<'_, 't>,
) -> Node<'t> {
    let node = placed.node;
    let mut out = nodes::base_node(step, placed);
    out.copy(node, "overwrite");
    out.copy_flag_if_true(node, "hard");
    if !node.is_true("hard") {
        out.copy(node, "target");
        return out;
    }
    // The target of a hard link is a path on the same file system.
    if let Some(prefix) = names.prefix(step, node) {
        if prefix != "/" && step.surroundings.is_strict {
            let message = strict_message("the target is a path on the file system of the link");
            step.error(node.at_of("target"), message);
        }
        let target = joined(&prefix, node.text_of("target"));
        out.set("target", Node::text(node.at_of("target"), target));
    }
    out
}
