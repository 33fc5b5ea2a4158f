//! Units of Podman (`systemd.quadlets`).

use super::context::{ButaneContext, is_on, list};
use super::nodes::{ButaneNodeKind, Nodes};
use crate::language::node::Node;

const ROOTFUL: &str = "/etc/containers/systemd";
const ROOTLESS: &str = "/etc/containers/systemd/users";
const MODE: i64 = 0o644;

/// Extensions of the files from which Podman generates units.
const EXTENSIONS: [&str; 8] = [
    "container",
    "volume",
    "network",
    "kube",
    "image",
    "build",
    "pod",
    "artifact",
];

/// Checks names and contents of the units.
pub(super) fn check(systemd: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    for quadlet in list(systemd, "quadlets") {
        let name = quadlet.text_at("name");
        let at = quadlet.get("name").map_or(quadlet.at, |node| node.at);
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        if !extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            let known = EXTENSIONS
                .map(|extension| format!(".{extension}"))
                .join(", ");
            context.remarks.error_with_help(
                at,
                "not the name of a unit of Podman",
                format!("it must end in one of {known}"),
            );
        } else if name.contains('/') {
            context
                .remarks
                .warn(at, "Podman ignores units in directories of their own");
        }
        check_contents(quadlet, context);
        let given = ["contents", "contents_local"]
            .iter()
            .find_map(|key| quadlet.get(key).filter(|node| !node.as_text().is_empty()));
        if let (Some(_), Some(given)) = (template_of(name), given) {
            context.remarks.error(
                given.at,
                "an instance of a template cannot have contents; it is a link to the template",
            );
        }
        for dropin in list(quadlet, "dropins") {
            check_contents(dropin, context);
            if !dropin.text_at("name").ends_with(".conf") {
                let at = dropin.get("name").map_or(dropin.at, |node| node.at);
                context.remarks.warn(
                    at,
                    "Podman ignores drop-ins whose names do not end in .conf",
                );
            }
        }
    }
}

/// Reports a node that has both its text and a local file with it.
pub(super) fn check_contents(node: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    let text = node
        .get("contents")
        .filter(|node| !node.as_text().is_empty());
    let local = node
        .get("contents_local")
        .filter(|node| !node.as_text().is_empty());
    if let (Some(_), Some(local)) = (text, local) {
        context.remarks.error(
            local.at,
            "`contents` and `contents_local` exclude each other",
        );
    }
}

/// Adds the units to `nodes`.
pub(super) fn add<'t>(
    systemd: &Node<'t>,
    nodes: &mut Nodes<'t>,
    context: &mut ButaneContext<'_, '_>,
) {
    for quadlet in list(systemd, "quadlets") {
        let name = quadlet.text_at("name");
        let directory = match is_on(quadlet, "rootful") {
            true => ROOTFUL,
            false => ROOTLESS,
        };
        let path = format!("{directory}/{name}");
        match template_of(name) {
            Some(template) => {
                let at = quadlet.get("name").map_or(quadlet.at, |node| node.at);
                let node = Node::mapping(quadlet.at)
                    .with("path", Node::text(at, path.clone()))
                    .with("target", Node::text(at, template));
                add_node(ButaneNodeKind::Link, path.clone(), node, nodes, context);
            }
            None => add_file(quadlet, path.clone(), nodes, context),
        }
        for dropin in list(quadlet, "dropins") {
            let path = format!("{path}.d/{}", dropin.text_at("name"));
            add_file(dropin, path, nodes, context);
        }
    }
}

fn add_file<'t>(
    node: &Node<'t>,
    path: String,
    nodes: &mut Nodes<'t>,
    context: &mut ButaneContext<'_, '_>,
) {
    let local = node
        .get("contents_local")
        .filter(|node| !node.as_text().is_empty());
    let (at, bytes) = match (node.get("contents"), local) {
        (_, Some(local)) => (local.at, context.read_local(local).unwrap_or_default()),
        (Some(text), None) => (text.at, text.as_text().as_bytes().to_vec()),
        (None, None) => (node.at, Vec::new()),
    };
    let mut contents = Node::mapping(at);
    for (name, value) in context.encoded(at, bytes.into(), None) {
        contents.set(name, value);
    }
    let name_at = node.get("name").map_or(node.at, |name| name.at);
    let file = Node::mapping(node.at)
        .with("path", Node::text(name_at, path.clone()))
        .with("contents", contents)
        .with("mode", Node::int(name_at, MODE));
    add_node(ButaneNodeKind::File, path, file, nodes, context);
}

fn add_node<'t>(
    kind: ButaneNodeKind,
    path: String,
    node: Node<'t>,
    nodes: &mut Nodes<'t>,
    context: &mut ButaneContext<'_, '_>,
) {
    if nodes.get_mut(&path).is_some() {
        let message = format!("the unit is {path}, which the config has already");
        context.remarks.error(node.at, message);
        return;
    }
    nodes.push(kind, path, node);
}

/// The template of an instance: `a@.pod` for `a@1.pod`.
fn template_of(name: &str) -> Option<String> {
    let (before, _) = name.split_once('@')?;
    let (stem, extension) = name.rsplit_once('.')?;
    let instance = stem.get(before.len() + 1..)?;
    (!instance.is_empty()).then(|| format!("{before}@.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::template_of;

    #[test]
    fn instances_have_templates() {
        for (name, want) in [
            ("foo@100.container", Some("foo@.container")),
            ("a@b@c.d.container", Some("a@.container")),
            ("@x.pod", Some("@.pod")),
            ("foo@.container", None),
            ("foo.container", None),
            ("foo.a@b", None),
        ] {
            assert_eq!(template_of(name).as_deref(), want, "{name}");
        }
    }
}
