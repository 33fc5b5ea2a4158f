//! Butane.
//!
//! `variants` lists which versions there are, `fields` which keys they have. `read` holds a document against that table,
//! `rules` judge what it asks for, `translate` gives what has the same meaning in Ignition, and the files of the sugar
//! what has not: `mounts`, `trees`, `quadlets`, `boot_device`. `filters` are what a variant forbids in the result.

mod boot_device;
mod children;
mod context;
mod encoding;
pub(crate) mod fields;
mod filters;
mod inline;
mod machine_config;
mod modes;
mod mounts;
mod names;
mod nodes;
mod partitions;
mod quadlets;
mod read;
mod reverse;
mod rules;
mod scalars;
mod schema;
mod system;
mod translate;
mod trees;
pub(crate) mod variants;
mod yaml_text;

pub(crate) use machine_config::MachineConfig;
pub use reverse::from_ignition;
pub use schema::schema;

use super::findings::Remarks;
use super::node::{Content, Node};
use super::surroundings::Surroundings;
use super::translation::Outcome;
use super::yaml::Yaml;
use super::{document, paths, shaped};
use crate::config::tree::Tree;
use crate::config::{LineStarts, WrittenPaths, merge};
use context::Context;
use nodes::Nodes;
use std::borrow::Cow;
use variants::{Dialect, Variant};

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> Outcome<'t> {
    read_nested(text, lines, surroundings, &[])
}

/// [`read`] for a text that others, in local files, have led to.
fn read_nested<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
    nesting: &[String],
) -> Outcome<'t> {
    let yaml = match document::read(text, lines) {
        Ok(yaml) => yaml,
        Err(refused) => return *refused,
    };
    let paths = paths::of(&yaml.root);
    let mut remarks = Remarks::default();
    let made = config(yaml, &paths, surroundings, nesting, &mut remarks);
    let (config, wrapper) = made.unzip();
    Outcome {
        findings: remarks.placed(lines, &paths),
        paths,
        config,
        wrapper: wrapper.flatten(),
    }
}

type Made<'t> = ((Tree<'t>, crate::config::Version), Option<MachineConfig>);

/// Step by step. Each one only has a sense if those before found no error.
fn config<'t>(
    yaml: Yaml<'t>,
    paths: &WrittenPaths,
    surroundings: &Surroundings<'_>,
    nesting: &[String],
    remarks: &mut Remarks,
) -> Option<Made<'t>> {
    document::check(&yaml, remarks);
    if remarks.is_fatal() {
        return None;
    }
    let dialect = dialect(&yaml.root, remarks)?;
    let mut root = read::read(yaml.root, &fields::ROOT, dialect, paths, remarks);
    let mut context = Context {
        dialect,
        surroundings,
        remarks,
        nesting,
    };
    if context.remarks.is_fatal() {
        return None;
    }
    system::check(&root, &mut context);
    rules::check(&root, &mut context);
    if context.remarks.is_fatal() {
        return None;
    }
    // Files are most of a large config, and no sugar is made from them.
    let files = root
        .get_mut("storage")
        .and_then(|storage| storage.remove("files"));
    let made = made(&root, files, &mut context);
    if context.remarks.is_fatal() {
        return None;
    }
    filters::check(&made, &mut context);
    partitions::check(&made, dialect, context.remarks);
    let wrapper = MachineConfig::of(&root, &context);
    Some(((made, dialect.output), wrapper))
}

/// The variant and version that a document states.
fn dialect(root: &Node<'_>, remarks: &mut Remarks) -> Option<&'static Dialect> {
    if !matches!(root.value, Content::Mapping(_)) {
        remarks.error(
            root.at,
            format!("expected a mapping, found {}", root.kind()),
        );
        return None;
    }
    let stated = |key: &str| root.get(key).filter(|node| !node.is_null());
    let Some(variant) = stated("variant").filter(|node| !node.as_text().is_empty()) else {
        let at = stated("variant").map_or(root.at, |node| node.at);
        remarks.error_with_help(
            at,
            "`variant` is missing",
            "the variants are fcos, flatcar, r4e, fiot and openshift",
        );
        return None;
    };
    let version = stated("version");
    let text = version.map(Node::as_text).unwrap_or_default();
    if !variants::is_semantic_version(text) {
        let at = version.map_or(root.at, |node| node.at);
        let message = match version {
            None => "`version` is missing".into(),
            Some(_) => format!("`{text}` is not a version with three numbers"),
        };
        remarks.error_with_help(at, message, "write it in full, as 1.5.0");
        return None;
    }
    match variants::find(variant.as_text(), text) {
        Ok(dialect) => Some(dialect),
        Err((message, help)) => {
            let at = version.map_or(variant.at, |node| node.at);
            remarks.error_with_help(at, message, help);
            None
        }
    }
}

/// The config that comes out: the user's own, `files` among it, merged over what sugar makes.
fn made<'t>(root: &Node<'t>, files: Option<Node<'t>>, context: &mut Context<'_, '_>) -> Tree<'t> {
    let dialect = context.dialect;
    let mut own = translate::object(root.clone(), &fields::ROOT, context);
    if let Some(files) = files
        && let Some(storage) = own.get_mut("storage")
    {
        storage.set("files", translate::objects(files, &fields::FILE, context));
    }
    let mut nodes = Nodes::take(&mut own);
    let storage = root.get("storage");
    if let Some(storage) = storage {
        trees::add(storage, &mut nodes, context);
    }
    if let Some(systemd) = root.get("systemd") {
        quadlets::add(systemd, &mut nodes, context);
    }
    nodes.put(&mut own);
    let units = storage.and_then(|storage| mounts::units(storage, context));
    let boot = root.get("boot_device").and_then(boot_device::storage);
    let grub = root
        .get("grub")
        .and_then(|grub| boot_device::grub(grub, context));
    let mut parents = [units, boot, grub].into_iter().flatten().peekable();
    let mut config = match parents.peek() {
        None => own,
        Some(_) => shaped::node(
            parents.fold(shaped::part(own, dialect.output), |child, parent| {
                merge::trees(shaped::part(parent, dialect.output), child)
            }),
        ),
    };
    machine_config::fips_options(&mut config, root, context);
    if dialect.variant == Variant::Openshift && dialect.has(variants::Sugar::V1_7) {
        boot_device::settle_grub(&mut config);
    }
    state_version(&mut config, root.at, dialect);
    shaped::config(config, dialect.output)
}

/// Puts `ignition.version` into a config.
fn state_version(config: &mut Node<'_>, at: u32, dialect: &Dialect) {
    let version = Node::text(at, Cow::Borrowed(dialect.output.as_str()));
    match config.get_mut("ignition") {
        Some(ignition) => ignition.set("version", version),
        None => config.set("ignition", Node::mapping(at).with("version", version)),
    }
}
