//! Container Linux Config.
//!
//! Its sections for storage, units and accounts are those of Ignition 2.3 in another spelling; the sections for
//! services become units and a file. The result is checked and translated as a config of that version.

mod dimension;
pub(super) mod dynamic;
mod options;
mod services;
mod shape;
mod storage;
mod update;
mod version;

use super::findings::Remarks;
use super::node::{Node, NodeContent};
use super::old_ignition::{self, OldVersion};
use super::result::TranslationResult;
use super::surroundings::Surroundings;
use super::target::Distribution;
use super::typed::Decoder;
use super::{document, percent};
use crate::config::{LineStarts, Wording, WrittenPaths};
use dynamic::{Agent, ClcPlatform};
pub(super) use options::ETCD_2;
use services::Sections;
use std::borrow::Cow;

/// The configuration file of the update client and locksmith.
const UPDATE_FILE: &str = "/etc/coreos/update.conf";
const UPDATE_FILE_MODE: i64 = 0o644;

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    let mut document = match document::read(text, lines) {
        Ok(document) => document,
        Err(outcome) => return *outcome,
    };
    let mut remarks = Remarks::default();
    document::check(&document, &mut remarks);
    let paths = document.paths();
    let model = model(document.root, &paths, surroundings, &mut remarks);
    let own = remarks.count();
    let config = old_ignition::from_model(model, OldVersion::V2_3, surroundings, &mut remarks);
    remarks.reword(own, Wording::ContainerLinux);
    TranslationResult {
        findings: remarks.into_findings(lines, &paths),
        paths,
        config: config.map(old_ignition::output),
        ..TranslationResult::default()
    }
}

/// The config with the names of Ignition 2.3.
pub(super) fn model<'t>(
    root: Node<'t>,
    paths: &WrittenPaths,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Node<'t> {
    let at = root.at;
    if root.is_null()
        || (root.entries().is_empty() && matches!(root.value, NodeContent::Mapping(_)))
    {
        remarks.warn(at, "the config is empty");
        return Node::mapping(at);
    }
    let mut decoder = Decoder {
        has_dashes: false,
        is_lenient: false,
        keeps_null: false,
        paths,
        remarks,
    };
    let mut root = decoder.root(root, &shape::ROOT);
    if let Some(version) = root.remove("version")
        && version.as_scalar().is_some_and(|scalar| scalar.text != "0")
    {
        let help = "remove it; a Butane config needs `variant` beside it";
        remarks.error_with_help(version.at, "a Container Linux Config has no version", help);
    }
    let platform = platform(at, surroundings, remarks);
    let agent = Agent::of(surroundings);
    let mut sections = Sections {
        platform,
        agent,
        paths,
        remarks,
    };
    let units = sections.units(&root);
    let update = update::file(&root, remarks);
    for section in ["docker", "etcd", "flannel", "update", "locksmith"] {
        root.remove(section);
    }
    let mut storage = root.remove("storage").unwrap_or_else(|| Node::mapping(at));
    storage::convert(&mut storage, surroundings, remarks);
    if let Some((at, text)) = update {
        add_update_file(&mut storage, at, &text);
        warn_of_no_consumer(at, surroundings, remarks);
    }
    root.set("storage", storage);
    add_units(&mut root, units);
    storage::join_hashes(&mut root);
    rename_keys(&mut root);
    root
}

fn platform(
    at: u32,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Option<&'static ClcPlatform> {
    let name = surroundings.platform.filter(|name| !name.is_empty())?;
    match dynamic::platform(name) {
        Ok(platform) => Some(platform),
        // The platform of the boot may have no dynamic data; that matters only if a config uses it.
        Err(_) if surroundings.is_boot => None,
        Err(help) => {
            let message = format!("unknown platform `{}`", name.escape_debug());
            remarks.error_with_help(at, message, help);
            None
        }
    }
}

/// Appends the file of the update client to the others.
fn add_update_file<'t>(storage: &mut Node<'t>, at: u32, text: &str) {
    let source = Node::text(at, percent::data_url(text.as_bytes()));
    let file = Node::mapping(at)
        .with("filesystem", Node::text(at, "root"))
        .with("path", Node::text(at, UPDATE_FILE))
        .with("mode", Node::int(at, UPDATE_FILE_MODE))
        .with("contents", Node::mapping(at).with("source", source));
    let files = storage.remove("files");
    let mut files = files.unwrap_or_else(|| Node::list(at, Vec::new()));
    if let NodeContent::List(elements) = &mut files.value {
        elements.push(file);
    }
    storage.set("files", files);
}

fn warn_of_no_consumer(at: u32, surroundings: &Surroundings<'_>, remarks: &mut Remarks) {
    let distribution = surroundings.target.distribution;
    if !matches!(distribution, Distribution::Unknown | Distribution::Flatcar) {
        let message = "the system has neither update_engine nor locksmith, which read this";
        remarks.warn(at, message);
    }
}

/// Inserts `units` before those of the config itself.
fn add_units<'t>(root: &mut Node<'t>, mut units: Vec<Node<'t>>) {
    let mut systemd = root
        .remove("systemd")
        .unwrap_or_else(|| Node::mapping(root.at));
    let own = systemd
        .remove("units")
        .unwrap_or_else(|| Node::list(systemd.at, Vec::new()));
    let at = own.at;
    if let NodeContent::List(own) = own.value {
        units.extend(own);
    }
    systemd.set("units", Node::list(at, units));
    root.set("systemd", systemd);
}

/// Changes every key below `node` to the spelling of Ignition. The table bounds the depth.
fn rename_keys(node: &mut Node<'_>) {
    match &mut node.value {
        NodeContent::Scalar(_) => {}
        NodeContent::List(elements) => elements.iter_mut().for_each(rename_keys),
        NodeContent::Mapping(entries) => {
            for entry in entries {
                if entry.key.contains('_') {
                    entry.key = Cow::Owned(camel_case(&entry.key));
                }
                rename_keys(&mut entry.value);
            }
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, part) in name.split('_').enumerate() {
        let mut characters = part.chars();
        match characters.next() {
            Some(first) if index > 0 => {
                out.push(first.to_ascii_uppercase());
                out.push_str(characters.as_str());
            }
            _ => out.push_str(part),
        }
    }
    out
}
