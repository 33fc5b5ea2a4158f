//! `#cloud-config` as coreos-cloudinit reads it, and its other forms of user data.
//!
//! coreos-cloudinit ran at every boot; here its files are written once, before the first boot, and stay. Both of its
//! release lines are covered: keys may have dashes, as in the older one; where the newer one rejects a value of the
//! wrong type, the older one dropped it, as is done here with a warning.

mod accounts;
mod options;
mod parts;
mod services;
mod shape;
mod substitution;
mod units;
mod write_files;

use super::assembly::{AssembledFile, Assembly};
use super::findings::Remarks;
use super::node::Node;
use super::paths;
use super::result::TranslationResult;
use super::surroundings::{SCRIPTS_HELP, SCRIPTS_REFUSED, Surroundings};
use super::typed::{self, Decoder};
use crate::config::{JsonPath, LineStarts, Severity, WrittenPaths, data_url};
use parts::{Parts, Script};
use units::Units;

/// Length of the longest host name.
const MAX_HOSTNAME_BYTES: usize = 63;

/// Directory of scripts.
const SCRIPT_DIRECTORY: &str = "/var/lib/coreos-cloudinit/scripts";

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    let mut remarks = Remarks::default();
    let mut parts = parts::read(text, surroundings.instance.variables, &mut remarks);
    let paths = match parts.configs.as_slice() {
        [root] => paths::of(root),
        roots => paths::of(&Node::list(0, roots.to_vec())),
    };
    let configs = std::mem::take(&mut parts.configs);
    let decoded = decode(configs, &paths, &mut remarks);
    let assembly = convert(&decoded, parts, &paths, surroundings, &mut remarks);
    let config = (!remarks.is_fatal()).then(|| assembly.finish());
    TranslationResult {
        findings: remarks.into_findings(lines, &paths),
        paths,
        config,
        ..TranslationResult::default()
    }
}

fn decode(
    configs: Vec<Node<'static>>,
    paths: &WrittenPaths,
    remarks: &mut Remarks,
) -> Vec<Node<'static>> {
    let mut decoder = Decoder {
        has_dashes: true,
        is_lenient: true,
        keeps_null: true,
        paths,
        remarks,
    };
    let configs = configs.into_iter();
    configs
        .map(|config| decoder.root(config, &shape::ROOT))
        .collect()
}

fn convert(
    configs: &[Node<'static>],
    parts: Parts,
    paths: &WrittenPaths,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Assembly<'static> {
    let at = configs.first().map_or(0, |config| config.at);
    let mut assembly = Assembly::new(at);
    if !configs.is_empty() {
        let message = "coreos-cloudinit applied this at every boot; here it is applied once, so later changes of it have \
                       no effect";
        remarks.add_at_path(Severity::Warning, at, JsonPath::root(), message, None);
    }
    let hostname = add_hostname(configs, &mut assembly, remarks);
    let mut fetched = Vec::new();
    let target = &surroundings.target;
    for config in configs {
        accounts::convert(config, target, &mut assembly, &mut fetched, remarks);
    }
    accounts::add_fetched_keys(fetched, &mut assembly);
    let mut units = Units::default();
    for config in configs {
        write_files::convert(config, &mut assembly, remarks);
        add_hosts(config, hostname.as_deref(), &mut assembly, remarks);
        let Some(coreos) = config.get("coreos") else {
            continue;
        };
        if let Some(files) = coreos.get("write_files") {
            let message = "write_files below `coreos` has no effect";
            remarks.warn_with_help(files.at, message, "put it at the top, beside `coreos`");
        }
        services::add_oem_file(coreos, &mut assembly, remarks);
        services::add_update_file(
            coreos,
            &mut assembly,
            &mut units,
            target.distribution,
            remarks,
        );
        services::convert(coreos, paths, &mut units, surroundings, remarks);
        units::convert(coreos, &mut units, &mut assembly, surroundings, remarks);
    }
    units.finish(&mut assembly, remarks);
    add_ignition(&parts, !configs.is_empty(), &mut assembly, remarks);
    match surroundings.refuses_scripts {
        true => report_refused(&parts.scripts, remarks),
        false => add_scripts(parts.scripts, &mut assembly, remarks),
    }
    assembly
}

/// The text at `at`. Variables with unknown values are an error, since it is not in a unit.
fn resolved(at: u32, text: &str, remarks: &mut Remarks) -> String {
    if substitution::is_unresolved(text) {
        let names = substitution::unresolved(text);
        let message = format!("nothing is known of {names}, which is needed here");
        let help =
            "write the address itself; in units variables are replaced when the machine knows them";
        remarks.error_with_help(at, message, help);
    }
    text.to_owned()
}

/// Sets and returns the host name of the first config that has one.
fn add_hostname(
    configs: &[Node<'static>],
    assembly: &mut Assembly<'static>,
    remarks: &mut Remarks,
) -> Option<String> {
    let mut names = configs
        .iter()
        .filter_map(|config| typed::text(config, "hostname"));
    let (at, written) = names.next()?;
    for (at, _) in names {
        remarks.warn(at, "an earlier part has set the hostname already");
    }
    let written = resolved(at, written, remarks);
    let name = written.split('.').next().unwrap_or_default();
    let mut end = name.len().min(MAX_HOSTNAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let name = name.get(..end).unwrap_or_default().to_owned();
    if name.len() < written.len() {
        let message = "only what is before the first `.`, 63 bytes at most, becomes the hostname";
        remarks.warn(at, message);
    }
    if name.is_empty() {
        return None;
    }
    assembly.add_file(AssembledFile::new(
        at,
        "/etc/hostname",
        0o644,
        format!("{name}\n"),
    ));
    Some(name)
}

fn add_hosts(
    config: &Node<'_>,
    hostname: Option<&str>,
    assembly: &mut Assembly<'static>,
    remarks: &mut Remarks,
) {
    let Some((at, value)) = typed::text(config, "manage_etc_hosts") else {
        return;
    };
    if value != "localhost" {
        let message = "manage_etc_hosts can only be localhost";
        remarks.error_with_help(at, message, "write `manage_etc_hosts: localhost`");
        return;
    }
    match hostname {
        Some(name) => {
            let text = format!("127.0.0.1 {name}\n");
            assembly.add_file(AssembledFile::new(at, "/etc/hosts", 0o644, text));
        }
        None => {
            let message = "manage_etc_hosts needs the name of the machine";
            remarks.error_with_help(at, message, "add `hostname`");
        }
    }
}

/// Merges an Ignition config among the parts, if it is the only config.
fn add_ignition(
    parts: &Parts,
    has_configs: bool,
    assembly: &mut Assembly<'static>,
    remarks: &mut Remarks,
) {
    let mut configs = parts.ignition.iter();
    let Some((at, bytes)) = configs.next() else {
        return;
    };
    if has_configs || configs.next().is_some() {
        let message = "an Ignition config beside another config";
        let help = "keep one of them; an Ignition config can name others to merge";
        remarks.error_with_help(*at, message, help);
        return;
    }
    assembly.add_include(*at, data_url::encode(bytes));
}

fn report_refused(scripts: &[Script], remarks: &mut Remarks) {
    for script in scripts {
        remarks.error_with_help(script.at, SCRIPTS_REFUSED, SCRIPTS_HELP);
    }
}

/// Adds scripts and the units that run them.
fn add_scripts(scripts: Vec<Script>, assembly: &mut Assembly<'static>, remarks: &mut Remarks) {
    for (index, script) in scripts.into_iter().enumerate() {
        let Script { at, name, text } = script;
        let message = "the script runs at every boot, when the network is there";
        let help = "a unit with ConditionFirstBoot=yes runs once";
        remarks.warn_with_help(at, message, help);
        let number = index + 1;
        let name = file_name(name.as_deref());
        let mut path = format!("{SCRIPT_DIRECTORY}/{name}");
        if assembly.has_file(&path) {
            path = format!("{SCRIPT_DIRECTORY}/{number}-{name}");
        }
        assembly.add_file(AssembledFile::new(at, path.clone(), 0o744, text));
        let unit = format!(
            "[Unit]\nDescription=Script of the user data\nAfter=network-online.target\n\
             Wants=network-online.target\n\n[Service]\nType=simple\nExecStart=/bin/bash {path}\n\n[Install]\n\
             WantedBy=multi-user.target\n"
        );
        assembly.add_unit(at, &format!("coreos-cloudinit-{number}.service"), unit);
    }
}

/// The name of a part as a file name that never needs quotes.
fn file_name(name: Option<&str>) -> String {
    let base = name
        .and_then(|name| name.rsplit('/').next())
        .unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = base.chars().filter(is_plain).collect();
    match plain.trim_start_matches(['.', '-']) {
        "" => "userdata".to_owned(),
        plain => plain.to_owned(),
    }
}
