//! The `config.yaml` of k3OS.
//!
//! k3OS applied its config at every boot; here it is applied once, as files, accounts and units that stay. What it did
//! in its initial ramdisk comes first among what runs before services start.

mod accounts;
mod command_line;
mod commands;
mod k3s;
mod names;
mod network;
mod sources;
mod system;
mod values;
mod write_files;

use super::assembly::{AssembledFile, Assembly};
use super::findings::Remarks;
use super::node::{Node, NodeContent};
use super::result::TranslationResult;
use super::surroundings::Surroundings;
use super::{document, yaml};
use crate::config::{LineStarts, WrittenPaths};

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    if text.starts_with(b"#!") || text.contains(&0) {
        return script_result(text);
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return document::refused(lines, 0, "the text is not UTF-8", None);
    };
    let mut document = match yaml::read(text, lines) {
        Ok(document) => document,
        Err(error) => return document::refused(lines, error.offset, &error.message, error.help),
    };
    let mut remarks = Remarks::default();
    for repeated in &document.repeated {
        let message = format!("duplicate key `{}`; the last one is used", repeated.key);
        remarks.warn(repeated.later, message);
    }
    if let Some(at) = document.second_document {
        remarks.warn(at, "only the first YAML document is read");
    }
    let paths = document.paths();
    let assembly = convert(document.root, surroundings, &mut remarks);
    result(assembly, remarks, lines, paths)
}

fn convert<'t>(
    root: Node<'t>,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Assembly<'t> {
    let at = root.at;
    let mut assembly = Assembly::new(at);
    let root = match root.value {
        NodeContent::Mapping(_) => names::canonical(root, names::ROOT, remarks),
        _ if root.is_null() => Node::mapping(at),
        _ => {
            remarks.error(at, format!("a config is a mapping, not {}", root.kind()));
            return assembly;
        }
    };
    let config = sources::merged(root, surroundings, remarks);
    let k3os = object(&config, "k3os", remarks);
    write_files::convert(&config, &mut assembly, remarks);
    system::convert_hostname(&config, &mut assembly, remarks);
    accounts::convert(&config, &k3os, surroundings, &mut assembly, remarks);
    system::convert(&k3os, surroundings, &mut assembly, remarks);
    network::convert(&k3os, surroundings, &mut assembly, remarks);
    commands::convert(&config, &mut assembly, remarks);
    k3s::convert(&k3os, surroundings, &mut assembly, remarks);
    assembly
}

/// The mapping at `key`; an empty one if there is none.
fn object<'t>(node: &Node<'t>, key: &str, remarks: &mut Remarks) -> Node<'t> {
    match node.get(key) {
        Some(value) if matches!(value.value, NodeContent::Mapping(_)) => value.clone(),
        Some(value) if !value.is_null() => {
            let message = format!("{key} must be a mapping, not {}", value.kind());
            remarks.error(value.at, message);
            Node::mapping(node.at)
        }
        _ => Node::mapping(node.at),
    }
}

/// Path of a script that is the whole user data. `/run` is empty after a reboot, so the copy in `/etc` is run.
const SCRIPT: &str = "/etc/k3os/userdata";
const K3OS_SCRIPT: &str = "/run/k3os/userdata";

/// User data that is a script, or binary.
fn script_result<'t>(text: &[u8]) -> TranslationResult<'t> {
    let mut assembly = Assembly::new(0);
    for path in [K3OS_SCRIPT, SCRIPT] {
        assembly.add_file(AssembledFile::new(0, path, 0o700, text));
    }
    commands::source_script(SCRIPT, &mut assembly);
    TranslationResult {
        findings: Vec::new(),
        paths: WrittenPaths::default(),
        config: Some(assembly.finish()),
        ..TranslationResult::default()
    }
}

fn result<'t>(
    assembly: Assembly<'t>,
    remarks: Remarks,
    lines: &LineStarts,
    paths: WrittenPaths,
) -> TranslationResult<'t> {
    let config = (!remarks.is_fatal()).then(|| assembly.finish());
    TranslationResult {
        findings: remarks.into_findings(lines, &paths),
        paths,
        config,
        ..TranslationResult::default()
    }
}
