//! Files. Several entries for one file are combined.

use super::fields::Fields;
use super::nodes::{self, PlacedNode};
use super::resources;
use super::step::OldTranslation;
use crate::language::node::Node;

/// Translates files; entries with the same path become one.
pub(super) fn translate<'t>(
    step: &mut OldTranslation<'_>,
    files: &[PlacedNode<'_, 't>],
) -> Vec<Node<'t>> {
    let groups = nodes::by_path(files).into_iter();
    groups.map(|group| combined(step, &group)).collect()
}

/// Combines the entries for one path: the last one that does not append is the base, to which later ones are appended.
fn combined<'t>(step: &mut OldTranslation<'_>, group: &[&PlacedNode<'_, 't>]) -> Node<'t> {
    check_repeated(step, group);
    let base = group.iter().rposition(|file| !file.node.is_true("append"));
    let kept = group.get(base.unwrap_or(0)..).unwrap_or_default();
    let mut out = match kept.first() {
        Some(first) => nodes::base_node(step, first),
        None => Node::mapping(0),
    };
    let last_with = |key: &str| kept.iter().rev().find(|f| f.node.get(key).is_some());
    for key in ["user", "group"] {
        let Some(owner) = last_with(key).and_then(|file| nodes::owner(step, file.node, key)) else {
            continue;
        };
        replace(&mut out, key, owner);
    }
    let modes = kept.iter().rev().filter_map(|f| nodes::mode(step, f.node));
    if let Some(mode) = modes.into_iter().next() {
        out.set("mode", mode);
    }
    let fragments = kept.iter().filter(|file| file.node.is_true("append"));
    let fragments: Vec<Node<'t>> = fragments.map(|file| contents(file.node)).collect();
    let base = kept.first().filter(|file| !file.node.is_true("append"));
    set_overwrite(step, group, base.map(|file| file.node), &mut out);
    if let Some(base) = base {
        out.set("contents", contents(base.node));
    }
    if let Some(first) = fragments.first() {
        out.set("append", Node::list(first.at, fragments));
    }
    out
}

fn contents<'t>(file: &Node<'t>) -> Node<'t> {
    match file.get("contents") {
        Some(contents) => resources::translate(contents),
        None => Node::mapping(file.at).with("source", Node::text(file.at, "")),
    }
}

fn replace<'t>(out: &mut Node<'t>, key: &'static str, value: Node<'t>) {
    if let crate::language::node::NodeContent::Mapping(entries) = &mut out.value {
        entries.retain(|entry| entry.key != key);
    }
    out.set(key, value);
}

/// Sets `overwrite`: true unless the entry states otherwise, false for a file that is only appended to.
fn set_overwrite<'t>(
    step: &mut OldTranslation<'_>,
    group: &[&PlacedNode<'_, 't>],
    base: Option<&Node<'t>>,
    out: &mut Node<'t>,
) {
    let Some(base) = base else {
        for file in group {
            if file.node.flag_of("overwrite") == Some(false) {
                let at = file.node.at_of("overwrite");
                let message = "Ignition 2 fails here if the file exists; version 3 appends to it";
                step.warn(at, message, "");
            }
        }
        let at = group.first().map_or(0, |file| file.node.at_of("append"));
        out.set("overwrite", Node::flag(at, false));
        return;
    };
    let overwrites = base.flag_of("overwrite") != Some(false);
    out.set("overwrite", Node::flag(base.at_of("overwrite"), overwrites));
}

fn check_repeated(step: &mut OldTranslation<'_>, group: &[&PlacedNode<'_, '_>]) {
    let Some((first, rest)) = group.split_first() else {
        return;
    };
    for file in rest {
        let (at, other) = (file.node.at, first.node.at);
        if file.node.flag_of("overwrite") == Some(false) {
            let message = format!("{} is there already and must not be overwritten", file.path);
            step.report_conflict(
                at,
                other,
                message,
                "leave `overwrite` out, or remove one entry",
            );
        } else if file.node.is_true("append") {
            let message = format!(
                "this is appended to {}, which another entry is about",
                file.path
            );
            let help = "in version 3, `append` of a file lists what is appended";
            step.warn_of_merge(at, other, message, help);
        } else {
            let message = format!("this replaces {}, which another entry writes", file.path);
            step.warn_of_merge(at, other, message, "remove the other entry");
        }
    }
}
