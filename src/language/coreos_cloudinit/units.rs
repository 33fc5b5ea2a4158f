//! `coreos.units`.

use super::substitution;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::clc::dynamic::Agent;
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::surroundings::Surroundings;
use crate::language::typed::{self, is_set};
use crate::layout::{NETWORK_DIRECTORY, UNIT_DIRECTORY};

const SYSTEM_UNIT_DIRECTORY: &str = "/usr/lib/systemd/system";

const NETWORK_EXTENSIONS: [&str; 3] = ["network", "netdev", "link"];

const UNIT_EXTENSIONS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "snapshot",
    "slice",
];

/// A unit as collected so far.
#[derive(Debug)]
pub(super) struct CloudConfigUnit {
    at: u32,
    name: String,
    contents: Option<(u32, String)>,
    enabled: Option<(u32, bool)>,
    /// The last one of writing and masking the unit takes effect.
    masked: Option<(u32, bool)>,
    dropins: Vec<(u32, String, String)>,
    /// Offset of the command that starts it at each boot.
    started: Option<u32>,
}

/// All units, each once, in order of appearance.
#[derive(Debug, Default)]
pub(super) struct Units(Vec<CloudConfigUnit>);

impl Units {
    /// The unit called `name`, created if it does not exist.
    pub(super) fn unit(&mut self, at: u32, name: &str) -> &mut CloudConfigUnit {
        let index = self.0.iter().position(|unit| unit.name == name);
        let index = index.unwrap_or_else(|| {
            self.0.push(CloudConfigUnit {
                at,
                name: name.to_owned(),
                contents: None,
                enabled: None,
                masked: None,
                dropins: Vec::new(),
                started: None,
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    /// Adds all units. A file of a unit replaces one of `write_files` with the same path.
    pub(super) fn finish(self, assembly: &mut Assembly<'static>, remarks: &mut Remarks) {
        for unit in self.0 {
            unit.finish(assembly, remarks);
        }
    }
}

impl CloudConfigUnit {
    pub(super) fn mask(&mut self, at: u32) {
        self.masked = Some((at, true));
    }

    /// Adds a drop-in, or replaces the one with its name.
    pub(super) fn drop_in(&mut self, at: u32, name: &str, text: String) {
        match self
            .dropins
            .iter_mut()
            .find(|(_, existing, _)| existing == name)
        {
            Some(earlier) => *earlier = (at, name.to_owned(), text),
            None => self.dropins.push((at, name.to_owned(), text)),
        }
    }

    fn finish(self, assembly: &mut Assembly<'static>, remarks: &mut Remarks) {
        let path = format!("{UNIT_DIRECTORY}/{}", self.name);
        let is_masked = self.masked.is_some_and(|(_, is_masked)| is_masked);
        let mut node = Node::mapping(self.at).with("name", Node::text(self.at, self.name.clone()));
        let mut written = Vec::new();
        if let Some((at, text)) = &self.contents {
            node.set("contents", Node::text(*at, text.clone()));
            written.push((*at, path.clone()));
        }
        match (self.enabled, is_masked) {
            (Some((at, true)), true) => {
                let message = "the unit is masked and enabled: it stays masked";
                remarks.warn_with_help(at, message, "remove one of them");
            }
            (Some((at, enabled)), _) => node.set("enabled", Node::flag(at, enabled)),
            _ => {}
        }
        if let Some((at, true)) = self.masked {
            node.set("mask", Node::flag(at, true));
        }
        let mut dropins = Vec::new();
        for (at, name, text) in self.dropins {
            written.push((at, format!("{path}.d/{name}")));
            let dropin = Node::mapping(at)
                .with("name", Node::text(at, name))
                .with("contents", Node::text(at, text));
            dropins.push(dropin);
        }
        if let Some(at) = dropins.first().map(|first| first.at) {
            node.set("dropins", Node::list(at, dropins));
        }
        for (at, path) in written {
            if assembly.remove_file(&path) {
                let message =
                    "a file of write_files is replaced by this unit, which is written later";
                remarks.warn(at, message);
            }
        }
        if let Some(at) = self.started.filter(|_| !is_masked) {
            let is_installed = self.enabled.is_some_and(|(_, enabled)| enabled)
                && self
                    .contents
                    .as_ref()
                    .is_some_and(|(_, text)| has_install(text));
            if !is_installed {
                let target = match self.contents {
                    Some(_) => path,
                    None => format!("{SYSTEM_UNIT_DIRECTORY}/{}", self.name),
                };
                let link = format!("{UNIT_DIRECTORY}/multi-user.target.wants/{}", self.name);
                assembly.add_link(at, &link, target);
            }
        }
        if node.entries().len() > 1 {
            assembly.add_unit_node(&self.name, node);
        }
    }
}

fn has_install(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[Install]")
}

/// Adds the units of `coreos`.
pub(super) fn convert(
    coreos: &Node<'_>,
    units: &mut Units,
    assembly: &mut Assembly<'static>,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) {
    for entry in typed::elements(coreos, "units") {
        let Some((at, name)) = typed::text(entry, "name") else {
            let message = "a unit without a name is skipped";
            remarks.warn_with_help(entry.at, message, "add `name`");
            continue;
        };
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_file_name = !name.contains('/') && !name.contains('\0');
        let is_network = NETWORK_EXTENSIONS.contains(&extension);
        let is_unit = UNIT_EXTENSIONS.contains(&extension) || extension == "scope";
        check_command(entry, remarks);
        if !is_file_name || !(is_network || is_unit) {
            let message = "the name does not end in that of a type of units";
            remarks.error_with_help(at, message, "write for example `name: example.service`");
        } else if is_network {
            add_network(entry, at, name, assembly, remarks);
        } else {
            fill_unit(entry, units.unit(at, name), surroundings, remarks);
        }
    }
}

const COMMANDS: [&str; 7] = [
    "start",
    "stop",
    "restart",
    "reload",
    "try-restart",
    "reload-or-restart",
    "reload-or-try-restart",
];

fn check_command(entry: &Node<'_>, remarks: &mut Remarks) {
    if let Some((at, command)) = typed::text(entry, "command")
        && !COMMANDS.contains(&command)
    {
        let help = format!("use one of {}", COMMANDS.join(", "));
        remarks.error_with_help(at, "unknown command for a unit", help);
    }
}

/// Adds a file of networkd, which starts after it is written, so there is nothing to enable or start.
fn add_network(
    entry: &Node<'_>,
    at: u32,
    name: &str,
    assembly: &mut Assembly<'static>,
    remarks: &mut Remarks,
) {
    let path = format!("{NETWORK_DIRECTORY}/{name}");
    if let Some((at, text)) = typed::text(entry, "content") {
        let text = super::resolved(at, text, remarks);
        assembly.add_file(AssembledFile::new(at, path.clone(), 0o644, text));
    }
    for (at, dropin, text) in drop_ins(entry, remarks) {
        let text = super::resolved(at, text, remarks);
        assembly.add_file(AssembledFile::new(
            at,
            format!("{path}.d/{dropin}"),
            0o644,
            text,
        ));
    }
    if is_set(entry, "mask") {
        assembly.add_link(at, &path, "/dev/null");
    }
}

/// Drop-ins with a name and contents; others are skipped.
fn drop_ins<'n>(entry: &'n Node<'_>, remarks: &mut Remarks) -> Vec<(u32, &'n str, &'n str)> {
    let mut found = Vec::new();
    for dropin in typed::elements(entry, "drop_ins") {
        let name = typed::text(dropin, "name");
        let content = typed::text(dropin, "content");
        match (name, content) {
            (Some((at, name)), _) if name.contains('/') => {
                remarks.error(at, "the name of a drop-in has no `/`");
            }
            (Some((at, name)), Some(_)) if !name.ends_with(".conf") => {
                let help = "let the name end in .conf";
                remarks.error_with_help(at, "systemd reads no drop-in of this name", help);
            }
            (Some((_, name)), Some((at, text))) => found.push((at, name, text)),
            _ => remarks.warn(dropin.at, "a drop-in without name or content is skipped"),
        }
    }
    found
}

fn fill_unit(
    entry: &Node<'_>,
    unit: &mut CloudConfigUnit,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) {
    if let Some((at, text)) = typed::text(entry, "content") {
        let text = with_addresses(unit, at, text, surroundings, remarks);
        unit.contents = Some((at, text));
        unit.masked = unit.masked.map(|(at, _)| (at, false));
    }
    for (at, name, text) in drop_ins(entry, remarks) {
        let text = with_addresses(unit, at, text, surroundings, remarks);
        unit.drop_in(at, name, text);
    }
    let place = |key| entry.get(key).map_or(entry.at, |value| value.at);
    if is_set(entry, "mask") {
        unit.mask(place("mask"));
    }
    if is_set(entry, "enable") {
        unit.enabled = Some((place("enable"), true));
    }
    if let Some((at, command)) = typed::text(entry, "command") {
        apply_command(unit, at, command, remarks);
    }
}

/// Applies a command that ran at every boot.
fn apply_command(unit: &mut CloudConfigUnit, at: u32, command: &str, remarks: &mut Remarks) {
    match command {
        "start" | "restart" | "reload-or-restart" => unit.started = Some(at),
        "stop" => {
            unit.started = None;
            if unit.enabled.is_none() {
                unit.enabled = Some((at, false));
            }
            let message = "the unit was stopped at every boot; here it is not started at boot";
            remarks.warn(at, message);
        }
        _ if COMMANDS.contains(&command) => {
            let message = format!("`{command}` does nothing before the first boot");
            remarks.warn(at, message);
        }
        _ => {}
    }
}

/// `text` of a unit with addresses replaced by variables, which a drop-in provides. Only services support variables.
fn with_addresses(
    unit: &mut CloudConfigUnit,
    at: u32,
    text: &str,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> String {
    if !substitution::is_unresolved(text) {
        return text.to_owned();
    }
    if !unit.name.ends_with(".service") {
        return super::resolved(at, text, remarks);
    }
    warn_of_late_addresses(at, text, remarks);
    let dropin = format!(
        "{}\n[Service]\n{}",
        metadata_unit(surroundings),
        metadata_file(surroundings)
    );
    unit.drop_in(at, "10-coreos-metadata.conf", dropin);
    substitution::with_agent_variables(text, surroundings)
}

/// Warns that addresses are known late, and only where there is an agent.
pub(super) fn warn_of_late_addresses(at: u32, text: &str, remarks: &mut Remarks) {
    let names = substitution::unresolved(text);
    let message = format!("the metadata agent provides {names} when the service starts");
    remarks.warn_with_help(
        at,
        message,
        "write the address itself if there is no such agent",
    );
}

/// The section that makes a unit wait for addresses.
pub(super) fn metadata_unit(surroundings: &Surroundings<'_>) -> String {
    let service = Agent::of(surroundings).service();
    format!("[Unit]\nRequires={service}\nAfter={service}\n")
}

/// The line with which a unit reads addresses.
pub(super) fn metadata_file(surroundings: &Surroundings<'_>) -> String {
    format!("EnvironmentFile={}\n", Agent::of(surroundings).file())
}
