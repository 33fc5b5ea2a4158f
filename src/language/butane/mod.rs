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
pub(super) mod machine_config;
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
pub use schema::{dialects, schema};

use super::findings::Remarks;
use super::node::{Node, NodeContent};
use super::result::TranslationResult;
use super::surroundings::Surroundings;
use super::yaml::Yaml;
use super::{document, shaped};
use crate::config::tree::{Tree, Value};
use crate::config::{ENCODED, EncodedContents, LineStarts, WrittenPaths, merge};
use context::ButaneContext;
use nodes::Nodes;
use std::borrow::Cow;
use variants::{Dialect, Variant};

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    read_nested(text, lines, surroundings, &[])
}

/// [`read()`] for a text that others, in local files, have led to.
fn read_nested<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
    nesting: &[String],
) -> TranslationResult<'t> {
    let mut yaml = match document::read(text, lines) {
        Ok(yaml) => yaml,
        Err(refused) => return *refused,
    };
    let paths = yaml.paths();
    let mut remarks = Remarks::default();
    let made = config(yaml, &paths, surroundings, nesting, &mut remarks);
    let made = made.unwrap_or_default();
    TranslationResult {
        findings: remarks.placed(lines, &paths),
        paths,
        config: made.config,
        encoded: made.encoded,
        wrapper: made.wrapper,
    }
}

/// What becomes of a document; nothing if it cannot be used.
#[derive(Default)]
struct TranslatedDocument<'t> {
    config: Option<(Tree<'t>, crate::config::Version)>,
    /// See [`TranslationResult::encoded`].
    encoded: Vec<EncodedContents>,
    wrapper: Option<MachineConfig>,
}

/// Step by step. Each one only has a sense if those before found no error.
fn config<'t>(
    yaml: Yaml<'t>,
    paths: &WrittenPaths,
    surroundings: &Surroundings<'_>,
    nesting: &[String],
    remarks: &mut Remarks,
) -> Option<TranslatedDocument<'t>> {
    document::check(&yaml, remarks);
    if remarks.is_fatal() {
        return None;
    }
    let dialect = dialect(&yaml.root, remarks)?;
    let document = read::read(yaml.root, &fields::ROOT, dialect, paths, remarks);
    let mut context = ButaneContext {
        dialect,
        surroundings,
        remarks,
        nesting,
        encoded_at: None,
        encoded: Vec::new(),
    };
    if context.remarks.is_fatal() {
        return None;
    }
    system::check(&document.root, &mut context);
    rules::check(&document, &mut context);
    if context.remarks.is_fatal() {
        return None;
    }
    // Files are most of a large config, and no sugar is made from them.
    let mut root = document.root;
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
    Some(TranslatedDocument {
        config: Some((made, dialect.output)),
        encoded: context.encoded,
        wrapper,
    })
}

/// The variant and version that a document states.
fn dialect(root: &Node<'_>, remarks: &mut Remarks) -> Option<&'static Dialect> {
    if !matches!(root.value, NodeContent::Mapping(_)) {
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
fn made<'t>(
    root: &Node<'t>,
    files: Option<Node<'t>>,
    context: &mut ButaneContext<'_, '_>,
) -> Tree<'t> {
    let dialect = context.dialect;
    let mut own = translate::object(root.clone(), &fields::ROOT, context);
    let parents = parents(root, context);
    let adds_files = adds_files(root);
    let is_plain = !adds_files && parents.is_empty();
    let untouched = match (files, own.get_mut("storage")) {
        (Some(files), Some(storage)) if is_plain => {
            storage.set("files", Node::list(files.at, Vec::new()));
            Some(files)
        }
        (Some(files), Some(storage)) => {
            storage.set("files", translate::objects(files, &fields::FILE, context));
            None
        }
        _ => None,
    };
    if adds_files {
        add_files(root, &mut own, context);
    }
    let mut config = match parents.is_empty() {
        true => own,
        false => {
            let own = shaped::part(own, dialect.output);
            let merged = parents.into_iter().fold(own, |child, parent| {
                merge::trees(shaped::part(parent, dialect.output), child)
            });
            shaped::node(merged)
        }
    };
    machine_config::fips_options(&mut config, root, context);
    if dialect.variant == Variant::Openshift && dialect.has(variants::Sugar::V1_7) {
        boot_device::settle_grub(&mut config);
    }
    state_version(&mut config, root.at, dialect);
    let mut config = shaped::config(config, dialect.output);
    if let Some(files) = untouched {
        put_files(&mut config, files, context);
    }
    config
}

/// What sugar makes that the user's own config is merged over.
fn parents<'t>(root: &Node<'t>, context: &mut ButaneContext<'_, '_>) -> Vec<Node<'t>> {
    let storage = root.get("storage");
    let units = storage.and_then(|storage| mounts::units(storage, context));
    let boot = root.get("boot_device").and_then(boot_device::storage);
    let grub = root
        .get("grub")
        .and_then(|grub| boot_device::grub(grub, context));
    [units, boot, grub].into_iter().flatten().collect()
}

/// True if sugar adds to the files, directories and links of the user.
fn adds_files(root: &Node<'_>) -> bool {
    let has = |path: &[&str]| root.at_path(path).is_some();
    has(&["storage", "trees"]) || has(&["systemd", "quadlets"])
}

/// Adds what trees and quadlets make to `own`.
fn add_files<'t>(root: &Node<'t>, own: &mut Node<'t>, context: &mut ButaneContext<'_, '_>) {
    let mut nodes = Nodes::take(own);
    if let Some(storage) = root.get("storage") {
        trees::add(storage, &mut nodes, context);
    }
    if let Some(systemd) = root.get("systemd") {
        quadlets::add(systemd, &mut nodes, context);
    }
    nodes.put(own);
}

/// Translates `files`, which nothing else touches, into `config`, one after the other: going through all of a large config
/// several times takes most of the time. Contents that are encoded are put aside, except in a config inside another one,
/// which is printed.
fn put_files<'t>(config: &mut Tree<'t>, files: Node<'t>, context: &mut ButaneContext<'_, '_>) {
    let NodeContent::List(files) = files.value else {
        return;
    };
    let version = context.dialect.output;
    let files = files.into_iter().enumerate().map(|(index, file)| {
        let mut file = translate::object(file, &fields::FILE, context);
        if context.nesting.is_empty()
            && let Some(source) = file.at_path_mut(&["contents", "source"])
            && context.encoded_at == Some(source.at)
            && let NodeContent::Scalar(scalar) = &mut source.value
        {
            let url = std::mem::replace(&mut scalar.text, ENCODED.into());
            context.encoded.push(EncodedContents {
                file: index,
                source: url.into_owned(),
            });
        }
        shaped::file(file, version)
    });
    let files = Value::List(files.collect());
    let storage = config.part_mut("storage");
    if let Some(list) = storage.and_then(|storage| storage.part_mut("files")) {
        list.value = files;
    }
}

/// Puts `ignition.version` into a config.
fn state_version(config: &mut Node<'_>, at: u32, dialect: &Dialect) {
    let version = Node::text(at, Cow::Borrowed(dialect.output.as_str()));
    match config.get_mut("ignition") {
        Some(ignition) => ignition.set("version", version),
        None => config.set("ignition", Node::mapping(at).with("version", version)),
    }
}
