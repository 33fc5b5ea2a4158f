//! System settings: host name, kernel modules, kernel parameters; and settings without effect.

use super::values;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::placed_text::PlacedText;
use crate::language::surroundings::Surroundings;

/// Sets the host name.
pub(super) fn convert_hostname<'t>(
    config: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let name = PlacedText::of_key(config, "hostname", remarks);
    if let Some(name) = name.filter(|name| !name.text.is_empty()) {
        let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if name.text.contains(char::is_control) {
            remarks.error(
                name.at,
                "the host name has a line end or another control character",
            );
        } else if !name.text.chars().all(is_valid) {
            let message = "not only letters, digits, `-` and `.`: systemd may not take this name";
            remarks.warn(name.at, message);
        }
        let line = format!("{}\n", name.text);
        assembly.add_file(AssembledFile::new(name.at, "/etc/hostname", 0o644, line));
    }
}

/// Adds kernel modules and kernel parameters, and warns of settings for the installer of k3OS.
pub(super) fn convert<'t>(
    k3os: &Node<'t>,
    surroundings: &Surroundings<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    add_modules(k3os, assembly, remarks);
    add_sysctls(k3os, assembly, remarks);
    check_data_sources(k3os, surroundings, remarks);
    let install = super::object(k3os, "install", remarks);
    for entry in install.entries() {
        let message = format!(
            "{} is for the installer of k3OS and does nothing here",
            entry.key
        );
        remarks.warn(entry.value.at, message);
    }
}

fn add_modules<'t>(k3os: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let Some(modules) = values::texts(k3os, "modules", remarks) else {
        return;
    };
    let (mut names, mut options) = (String::new(), String::new());
    for module in &modules {
        let mut words = module.text.split_whitespace();
        let Some(name) = words.next() else {
            remarks.warn(module.at, "the name of a module is empty");
            continue;
        };
        names.push_str(&format!("{name}\n"));
        let parameters: Vec<&str> = words.collect();
        if !parameters.is_empty() {
            options.push_str(&format!("options {name} {}\n", parameters.join(" ")));
        }
    }
    let Some(first) = modules.first() else { return };
    if !names.is_empty() {
        let path = "/etc/modules-load.d/50-k3os.conf";
        assembly.add_file(AssembledFile::new(first.at, path, 0o644, names));
    }
    if !options.is_empty() {
        let path = "/etc/modprobe.d/50-k3os.conf";
        assembly.add_file(AssembledFile::new(first.at, path, 0o644, options));
    }
}

fn add_sysctls<'t>(k3os: &Node<'t>, assembly: &mut Assembly<'t>, remarks: &mut Remarks) {
    let Some(sysctls) = values::map(k3os, "sysctls", remarks) else {
        return;
    };
    let mut lines = String::new();
    for (key, value) in &sysctls {
        if key.contains(['\n', '=']) || key.is_empty() || value.text.contains('\n') {
            remarks.error(value.at, "a kernel parameter must be one line");
        }
        lines.push_str(&format!("{key} = {}\n", value.text));
    }
    if let Some((_, first)) = sysctls.first() {
        let path = "/etc/sysctl.d/90-k3os.conf";
        assembly.add_file(AssembledFile::new(first.at, path, 0o644, lines));
    }
}

/// Warns if the platform is not among the data sources: then the config was not made for this machine.
fn check_data_sources(k3os: &Node<'_>, surroundings: &Surroundings<'_>, remarks: &mut Remarks) {
    let Some(sources) = values::texts(k3os, "data_sources", remarks) else {
        return;
    };
    let Some(first) = sources.first() else { return };
    let Some(platform) = surroundings.platform else {
        return;
    };
    let matches_platform = |source: &str| match source {
        "digitalocean" | "aws" | "gcp" | "hetzner" | "openstack" | "packet" | "scaleway"
        | "vultr" => source == platform,
        // A disc or a file can be there on any platform.
        _ => true,
    };
    if !sources.iter().any(|source| matches_platform(&source.text)) {
        let message = format!("the platform {platform} is not among the data sources");
        remarks.warn(first.at, message);
    }
}
