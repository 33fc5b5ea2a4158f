//! Butane.
//!
//! `variants` lists the versions, `fields` their keys. `read` checks a document against that table, `rules` check its
//! values, `translate` translates what has the same meaning in Ignition, and the files of the sugar do the rest:
//! `mounts`, `trees`, `quadlets`, `boot_device`. `filters` check the result for what a variant forbids.

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
use crate::config::{ENCODED_PLACEHOLDER, EncodedContents, LineStarts, WrittenPaths, merge};
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

/// [`read()`] for a text inside others; `nesting` names the local files that led to it.
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
    let translated = translate_document(yaml, &paths, surroundings, nesting, &mut remarks);
    let translated = translated.unwrap_or_default();
    TranslationResult {
        findings: remarks.into_findings(lines, &paths),
        paths,
        config: translated.config,
        encoded: translated.encoded,
        wrapper: translated.wrapper,
        ..TranslationResult::default()
    }
}

/// The translation of a document; empty if the document cannot be used.
#[derive(Default)]
struct TranslatedDocument<'t> {
    config: Option<(Tree<'t>, crate::config::Version)>,
    /// See [`TranslationResult::encoded`].
    encoded: Vec<EncodedContents>,
    wrapper: Option<MachineConfig>,
}

/// Translates step by step. A step only makes sense if the ones before it found no error.
fn translate_document<'t>(
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
    // Files are most of a large config, and no sugar depends on them.
    let mut root = document.root;
    let files = root
        .get_mut("storage")
        .and_then(|storage| storage.remove("files"));
    let translated = merged_config(&root, files, &mut context);
    if context.remarks.is_fatal() {
        return None;
    }
    filters::check(&translated, &mut context);
    partitions::check(&translated, dialect, context.remarks);
    let wrapper = MachineConfig::of(&root, &context);
    Some(TranslatedDocument {
        config: Some((translated, dialect.output)),
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
    let in_turn = ["variant", "version"].into_iter().filter_map(stated);
    for node in in_turn.filter(|node| node.as_scalar().is_none()) {
        let message = format!("expected a string, found {}", node.kind());
        remarks.error(node.at, message);
    }
    if remarks.is_fatal() {
        return None;
    }
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
        remarks.error_with_help(at, message, "write it in full, e.g. 1.5.0");
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

/// The resulting config: the user's own, including `files`, merged over what sugar generates.
fn merged_config<'t>(
    root: &Node<'t>,
    files: Option<Node<'t>>,
    context: &mut ButaneContext<'_, '_>,
) -> Tree<'t> {
    let dialect = context.dialect;
    let mut own = translate::object(root.clone(), &fields::ROOT, context);
    let parents = generated_configs(root, context);
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
    machine_config::add_fips_options(&mut config, root, context);
    if dialect.variant == Variant::Openshift && dialect.has(variants::Sugar::V1_7) {
        boot_device::turn_grub_append_into_contents(&mut config);
    }
    set_version(&mut config, root.at, dialect);
    let mut config = shaped::config(config, dialect.output);
    if let Some(files) = untouched {
        put_files(&mut config, files, context);
    }
    config
}

/// The configs that sugar generates, over which the user's own is merged.
fn generated_configs<'t>(root: &Node<'t>, context: &mut ButaneContext<'_, '_>) -> Vec<Node<'t>> {
    let storage = root.get("storage");
    let units = storage.and_then(|storage| mounts::units(storage, context));
    let boot = root.get("boot_device").and_then(boot_device::storage);
    let grub = root
        .get("grub")
        .and_then(|grub| boot_device::grub(grub, context));
    [units, boot, grub].into_iter().flatten().collect()
}

/// True if sugar adds to the user's files, directories and links.
fn adds_files(root: &Node<'_>) -> bool {
    let has = |path: &[&str]| root.at_path(path).is_some();
    has(&["storage", "trees"]) || has(&["systemd", "quadlets"])
}

/// Adds the files of trees and quadlets to `own`.
fn add_files<'t>(root: &Node<'t>, own: &mut Node<'t>, context: &mut ButaneContext<'_, '_>) {
    let mut nodes = Nodes::take(own);
    if let Some(storage) = root.get("storage") {
        trees::add(storage, &mut nodes, context);
    }
    if let Some(systemd) = root.get("systemd") {
        quadlets::add(systemd, &mut nodes, context);
    }
    nodes.put_back(own);
}

/// Translates `files`, which nothing else touches, into `config` one at a time: going through all of a large config
/// several times would take most of the time. Encoded contents are kept apart, except in a nested config, which is
/// printed.
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
            let url = std::mem::replace(&mut scalar.text, ENCODED_PLACEHOLDER.into());
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

/// Sets `ignition.version` of a config.
fn set_version(config: &mut Node<'_>, at: u32, dialect: &Dialect) {
    let version = Node::text(at, Cow::Borrowed(dialect.output.as_str()));
    match config.get_mut("ignition") {
        Some(ignition) => ignition.set("version", version),
        None => config.set("ignition", Node::mapping(at).with("version", version)),
    }
}
