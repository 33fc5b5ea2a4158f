//! Sections of `coreos` that configure a service, and files that the system's own programs read.

use super::options::{CloudConfigOption, Section, sections};
use super::resolved;
use super::substitution;
use super::units::{Units, metadata_file, metadata_unit, warn_of_late_addresses};
use crate::config::WrittenPaths;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::scalars;
use crate::language::surroundings::Surroundings;
use crate::language::target::Distribution;
use crate::language::typed::{self, Decoder, FieldKind};
use std::fmt::Write as _;

const UPDATE_FILE: &str = "/etc/coreos/update.conf";
const OEM_FILE: &str = "/etc/oem-release";
const STRATEGIES: [&str; 3] = ["etcd-lock", "reboot", "off"];

/// Adds drop-ins for the services that `coreos` configures.
pub(super) fn convert(
    coreos: &Node<'_>,
    paths: &WrittenPaths,
    units: &mut Units,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) {
    for section in sections() {
        let Some(node) = coreos.get(section.name) else {
            continue;
        };
        let mut decoder = Decoder {
            has_dashes: true,
            is_lenient: true,
            keeps_null: true,
            paths,
            remarks,
        };
        let variables = section.variables(node, &mut decoder);
        if section.is_obsolete {
            let message = format!(
                "{} no longer exists; only its settings are written",
                section.name
            );
            remarks.warn(node.at, message);
        }
        if !variables.is_empty() {
            for variable in variables.iter().filter(|v| substitution::is_unresolved(v)) {
                warn_of_late_addresses(node.at, variable, remarks);
            }
            let text = drop_in(section.name, &variables, surroundings);
            units
                .unit(node.at, section.unit)
                .drop_in(node.at, "20-cloudinit.conf", text);
        }
    }
}

impl Section {
    /// `VARIABLE=value` of all options that are set, in the order of the table.
    fn variables(&self, node: &Node<'_>, decoder: &mut Decoder<'_>) -> Vec<String> {
        let mut values: Vec<Option<String>> = self.options.iter().map(|_| None).collect();
        for entry in node.entries() {
            let key = entry.key.replace('-', "_");
            let index = self.options.iter().position(|option| option.name == key);
            let Some((option, slot)) =
                index.and_then(|index| Some((self.options.get(index)?, values.get_mut(index)?)))
            else {
                decoder.report_unknown(entry, self.options.iter().map(|option| option.name));
                continue;
            };
            if entry.value.is_null() {
                continue;
            }
            if option.is_later {
                let message = format!("`{}` is an option of etcd 2, not of 0.4", option.name);
                decoder
                    .remarks
                    .warn_with_help(entry.value.at, message, "write it below `etcd2`");
            }
            match value(option, &entry.value) {
                Some(value) => *slot = Some(value),
                None => {
                    let message = format!("`{}` has a value of a wrong type", option.name);
                    let help = "the value has no effect; correct or remove it";
                    decoder
                        .remarks
                        .warn_with_help(entry.value.at, message, help);
                }
            }
        }
        let set = self.options.iter().zip(values);
        let set = set.filter_map(|(option, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            let variable = match option.variable {
                Some(variable) => variable.to_owned(),
                None => format!("{}{}", self.prefix, option.name.to_ascii_uppercase()),
            };
            Some(format!("{variable}={value}"))
        });
        set.collect()
    }
}

/// The value of an option; empty if it equals the default, `None` if it has the wrong type.
fn value(option: &CloudConfigOption, node: &Node<'_>) -> Option<String> {
    let scalar = node.as_scalar()?;
    Some(match option.kind {
        FieldKind::Flag => match scalars::flag(scalar)? {
            true => "true".to_owned(),
            false => String::new(),
        },
        FieldKind::Int => match scalars::int(scalar)? {
            0 => String::new(),
            number => number.to_string(),
        },
        FieldKind::Any => match scalars::int(scalar) {
            Some(0) => String::new(),
            Some(number) => number.to_string(),
            // A number with a fraction.
            None => scalar.text.parse::<f64>().ok()?.to_string(),
        },
        _ => scalar.text.clone().into_owned(),
    })
}

/// A drop-in that sets `variables`. Values known only on the machine are written to a file by the service before it
/// starts, since systemd does not expand variables in `Environment=`.
fn drop_in(section: &str, variables: &[String], surroundings: &Surroundings<'_>) -> String {
    let is_dynamic = |variable: &&String| substitution::is_unresolved(variable);
    let (dynamic, plain): (Vec<&String>, Vec<&String>) = variables.iter().partition(is_dynamic);
    let mut text = String::new();
    if !dynamic.is_empty() {
        text.push_str(&metadata_unit(surroundings));
        text.push('\n');
    }
    text.push_str("[Service]\n");
    for variable in plain {
        _ = writeln!(text, "Environment=\"{}\"", escaped(variable));
    }
    if !dynamic.is_empty() {
        let file = format!("/run/coreos-cloudinit/{section}.env");
        text.push_str(&metadata_file(surroundings));
        _ = writeln!(text, "EnvironmentFile=-{file}");
        _ = write!(
            text,
            "ExecStartPre=+/bin/sh -c 'mkdir -p /run/coreos-cloudinit && printf \"%%s\\\\n\" \"$$@\" > {file}' sh"
        );
        for variable in dynamic {
            let variable = substitution::with_agent_variables(&escaped(variable), surroundings);
            _ = write!(text, " \"{variable}\"");
        }
        text.push('\n');
    }
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}

/// Adds the file that the update client reads.
pub(super) fn add_update_file(
    coreos: &Node<'_>,
    assembly: &mut Assembly<'static>,
    units: &mut Units,
    distribution: Distribution,
    remarks: &mut Remarks,
) {
    let Some(update) = coreos.get("update") else {
        return;
    };
    let mut lines = String::new();
    for (key, variable) in [
        ("group", "GROUP"),
        ("reboot_strategy", "REBOOT_STRATEGY"),
        ("server", "SERVER"),
    ] {
        let Some((at, value)) = typed::text(update, key) else {
            continue;
        };
        if key == "reboot_strategy" && !STRATEGIES.contains(&value) {
            let help = format!("use {}", STRATEGIES.join(", "));
            remarks.error_with_help(at, "unknown reboot strategy", help);
        }
        if key == "reboot_strategy" && value == "off" {
            units.unit(at, "locksmithd.service").mask(at);
        }
        if value.contains(['\n', '\r', '\0']) {
            remarks.error(at, format!("`{key}` must be in one line"));
        }
        _ = writeln!(lines, "{variable}={}", resolved(at, value, remarks));
    }
    if !lines.is_empty() {
        if !matches!(distribution, Distribution::Unknown | Distribution::Flatcar) {
            let message = "the system has neither update_engine nor locksmith, which read this";
            remarks.warn(update.at, message);
        }
        assembly.add_file(AssembledFile::new(update.at, UPDATE_FILE, 0o644, lines));
    }
}

/// Adds the file that names the vendor of the image.
pub(super) fn add_oem_file(
    coreos: &Node<'_>,
    assembly: &mut Assembly<'static>,
    remarks: &mut Remarks,
) {
    let Some(oem) = coreos.get("oem") else {
        return;
    };
    if typed::text(oem, "id").is_none() {
        let message = "without `id` nothing is written";
        remarks.warn_with_help(oem.at, message, "add `id`");
        return;
    }
    let mut text = |key| match typed::text(oem, key) {
        Some((at, text)) => resolved(at, text, remarks),
        None => String::new(),
    };
    let text = format!(
        "ID={}\nVERSION_ID={}\nNAME=\"{}\"\nHOME_URL=\"{}\"\nBUG_REPORT_URL=\"{}\"\n",
        text("id"),
        text("version_id"),
        text("name"),
        text("home_url"),
        text("bug_report_url")
    );
    assembly.add_file(AssembledFile::new(oem.at, OEM_FILE, 0o644, text));
}
