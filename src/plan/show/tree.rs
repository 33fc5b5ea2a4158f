//! The target root of a plan as a tree, then the units.

use super::Outline;
use crate::plan::op::{
    Base, Content, FileAct, OpKind, Operation, Owner, Permissions, Plan, Subject,
};
use crate::plan::planned_fetch::display_url;
use crate::text::human_size;
use std::collections::BTreeMap;

/// One directory level of the tree.
#[derive(Default)]
struct DirectoryNode<'a> {
    operations: Vec<&'a Operation>,
    children: BTreeMap<&'a str, DirectoryNode<'a>>,
}

/// Shows the tree, then units.
pub(super) fn show(outline: &mut Outline, plan: &Plan) {
    let paths: Vec<(String, &Operation)> = plan
        .operations
        .iter()
        .filter_map(|operation| match operation.kind.subject() {
            Subject::Path(path) => Some((path, operation)),
            _ => None,
        })
        .collect();
    if !paths.is_empty() {
        let mut root = DirectoryNode::default();
        for (path, operation) in &paths {
            insert(&mut root, path, operation);
        }
        outline.heading("target root /");
        for operation in &root.operations {
            outline.line(
                1,
                Some(operation.effect),
                &text(operation),
                operation.origin.as_ref(),
            );
        }
        show_children(outline, &root, "", 1);
        outline.gap();
    }
    show_units(outline, plan);
}

fn insert<'a>(root: &mut DirectoryNode<'a>, path: &'a str, operation: &'a Operation) {
    let mut node = root;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        node = node.children.entry(part).or_default();
    }
    node.operations.push(operation);
}

fn show_children(outline: &mut Outline, node: &DirectoryNode, above: &str, depth: usize) {
    for (name, child) in &node.children {
        show_node(outline, &format!("{above}/{name}"), child, depth);
    }
}

/// Shows a node with its full path, so that a line can be found and copied. A directory without an operation of its own
/// gets no line if it only leads to one other node, whose path names it.
fn show_node(outline: &mut Outline, path: &str, node: &DirectoryNode, depth: usize) {
    if node.operations.is_empty() {
        if let [(name, child)] = node.children.iter().collect::<Vec<_>>()[..] {
            return show_node(outline, &format!("{path}/{name}"), child, depth);
        }
        outline.line(depth, None, &format!("{path}/"), None);
    }
    for operation in &node.operations {
        let line = format!("{path}{}", text(operation));
        outline.line(
            depth,
            Some(operation.effect),
            &line,
            operation.origin.as_ref(),
        );
    }
    show_children(outline, node, path, depth + 1);
}

fn text(operation: &Operation) -> String {
    let differs = differs(&operation.kind);
    let text = outcome(&operation.kind);
    if differs.is_empty() {
        text
    } else {
        format!("{text} ({})", differs.join(", "))
    }
}

fn differs(kind: &OpKind) -> &[String] {
    match kind {
        OpKind::Directory(act) => &act.differs,
        OpKind::File(act) => &act.differs,
        OpKind::Symlink(act) => &act.differs,
        _ => &[],
    }
}

fn outcome(kind: &OpKind) -> String {
    match kind {
        OpKind::Directory(act) if act.implied && is_unowned(&act.permissions) => "/".into(),
        OpKind::Directory(act) => format!("/  {}", permissions(&act.permissions, "0755")),
        OpKind::File(act) => format!(
            "  {}, {}",
            file_text(act),
            permissions(&act.permissions, "0644")
        ),
        OpKind::Symlink(act) => match &act.unit {
            Some(unit) if act.target != "/dev/null" => {
                format!(" -> {}, enables unit {unit}", act.target)
            }
            _ => format!(" -> {}", act.target),
        },
        OpKind::HardLink(act) => format!(" = hard link to {}", act.target),
        OpKind::Remove(_) => "  removed with everything below".into(),
        OpKind::AlreadyRight(act) => format!("  {}", act.because),
        OpKind::NoteFiles(act) => format!(
            "  names of new files ({}), until they are durable",
            act.count
        ),
        OpKind::ForgetFiles(_) => "  removed when all new files are durable".into(),
        other => format!("  {}", other.describe()),
    }
}

fn file_text(act: &FileAct) -> String {
    let parts: Vec<String> = act.parts.iter().map(content_text).collect();
    match (act.base, parts.is_empty()) {
        (Base::Present, true) => "content kept".into(),
        (Base::Present, false) => format!("append {}", parts.join(" + ")),
        (Base::Empty, true) => "empty file".into(),
        (Base::Empty, false) => parts.join(" + "),
    }
}

fn content_text(content: &Content) -> String {
    match content {
        Content::Text { bytes, .. } => format!("{} of text", human_size(*bytes)),
        Content::Fetched { fetch, .. } => display_url(fetch.url()),
        Content::Copied { path, .. } => format!("the same as {path}"),
        Content::VolumeKey { volume } => format!("the key of volume {volume}"),
        Content::VolumeUuid { device } => format!("the UUID of the volume on {device}"),
    }
}

fn permissions(requested: &Permissions, default_mode: &str) -> String {
    let mode = requested
        .mode
        .map_or(default_mode.into(), |mode| format!("{mode:04o}"));
    let user = owner(&requested.user);
    let group = owner(&requested.group);
    match (user.as_str(), group.as_str()) {
        ("", "") => mode,
        _ => format!("{mode} {user}:{group}"),
    }
}

fn is_unowned(requested: &Permissions) -> bool {
    requested.user == Owner::Keep && requested.group == Owner::Keep
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Keep => String::new(),
        Owner::Id(id) => id.to_string(),
        Owner::Name(name) => name.clone(),
    }
}

fn show_units(outline: &mut Outline, plan: &Plan) {
    let operations: Vec<&Operation> = plan
        .operations
        .iter()
        .filter(|o| matches!(o.kind.subject(), Subject::Unit(_)))
        .collect();
    if operations.is_empty() {
        return;
    }
    outline.heading("systemd units");
    for operation in operations {
        let line = match &operation.kind {
            OpKind::AlreadyRight(act) => format!("{}: {}", act.subject, act.because),
            other => other.describe(),
        };
        outline.line(1, Some(operation.effect), &line, operation.origin.as_ref());
    }
    outline.gap();
}
