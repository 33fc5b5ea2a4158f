//! systemd units.

use super::fields::Fields;
use super::step::{OldTranslation, extension};
use super::version::OldVersion;
use crate::config::unit;
use crate::language::node::{Node, NodeContent};
use crate::layout::{NETWORK_DIRECTORY, UNIT_DIRECTORY};
use std::collections::HashMap;

const UNIT_TYPES: [&str; 12] = [
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
    "scope",
];
const NETWORK_TYPES: [&str; 3] = ["link", "netdev", "network"];

/// Paths that units are written to, with the offsets of the units.
pub(super) struct Claims(HashMap<String, u32>);

impl Claims {
    /// The paths of everything with contents in the units of `root`.
    pub(super) fn of(root: &Node<'_>) -> Self {
        let mut claims = HashMap::new();
        for (section, directory) in [("systemd", UNIT_DIRECTORY), ("networkd", NETWORK_DIRECTORY)] {
            for unit in root.inner(section).items("units") {
                let name = unit.text_of("name");
                if !unit.text_of("contents").is_empty() {
                    claims.insert(format!("{directory}/{name}"), unit.at);
                }
                for dropin in unit.items("dropins") {
                    if !dropin.text_of("contents").is_empty() {
                        let path = format!("{directory}/{name}.d/{}", dropin.text_of("name"));
                        claims.insert(path, dropin.at);
                    }
                }
            }
        }
        Claims(claims)
    }

    /// The offset of the unit that is written to `path`.
    pub(super) fn unit_at(&self, path: &str) -> Option<u32> {
        self.0.get(path).copied()
    }
}

/// Checks the units of systemd and networkd.
pub(super) fn check(step: &mut OldTranslation<'_>, root: &Node<'_>) {
    for unit in root.inner("systemd").items("units") {
        if !UNIT_TYPES.contains(&extension(unit.text_of("name"))) {
            let help = "end it in .service, .socket, .mount, .timer or another unit type";
            let at = unit.at_of("name");
            step.error_with_help(at, "the unit name has no valid suffix", help);
        }
        check_contents(step, unit);
        for dropin in unit.items("dropins") {
            check_dropin_name(step, dropin);
        }
    }
    for unit in root.inner("networkd").items("units") {
        if !NETWORK_TYPES.contains(&extension(unit.text_of("name"))) {
            let help = "end it in .network, .netdev or .link";
            let at = unit.at_of("name");
            step.error_with_help(at, "the name of a networkd unit has no valid suffix", help);
        }
        check_contents(step, unit);
        for dropin in unit.items("dropins") {
            check_dropin_name(step, dropin);
        }
    }
}

fn check_dropin_name(step: &mut OldTranslation<'_>, dropin: &Node<'_>) {
    if extension(dropin.text_of("name")) != "conf" {
        let help = "end it in .conf";
        let at = dropin.at_of("name");
        step.error_with_help(at, "the drop-in name has no valid suffix", help);
    }
}

/// Checks that the contents can be parsed. Version 1 did not parse units; version 3 does so for systemd.
fn check_contents(step: &mut OldTranslation<'_>, unit: &Node<'_>) {
    if !step.is_since(unit, OldVersion::V2_0) {
        return;
    }
    for holder in std::iter::once(unit).chain(unit.items("dropins")) {
        if let Err(problem) = unit::parse(holder.text_of("contents")) {
            let message = format!("the unit text cannot be parsed: {problem}");
            step.error(holder.at_of("contents"), message);
        }
    }
}

/// The merged entries for one unit.
struct OldUnit<'n, 't> {
    first: &'n Node<'t>,
    contents: Option<&'n Node<'t>>,
    enabled: Option<Node<'t>>,
    mask: Option<Node<'t>>,
    dropins: Vec<OldDropin<'n, 't>>,
    dropin_index: HashMap<&'n str, usize>,
}

struct OldDropin<'n, 't> {
    node: &'n Node<'t>,
    contents: Option<&'n Node<'t>>,
}

/// Translates the units; entries with the same name become one, in the position of the first.
pub(super) fn translate<'t>(step: &mut OldTranslation<'_>, systemd: &Node<'t>) -> Vec<Node<'t>> {
    let mut units: Vec<OldUnit<'_, 't>> = Vec::new();
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for node in systemd.items("units") {
        let name = node.text_of("name");
        let index = *index_of.entry(name).or_insert(units.len());
        if index == units.len() {
            units.push(OldUnit::new(node));
        }
        let Some(unit) = units.get_mut(index) else {
            continue;
        };
        if !std::ptr::eq(unit.first, node) {
            let message = format!("duplicate unit {name}; the entries are merged");
            step.warn_of_repetition(node.at, unit.first.at, message, "merge the entries");
        }
        unit.add(step, node);
    }
    units.into_iter().map(OldUnit::into_node).collect()
}

impl<'n, 't> OldUnit<'n, 't> {
    fn new(first: &'n Node<'t>) -> Self {
        OldUnit {
            first,
            contents: None,
            enabled: None,
            mask: None,
            dropins: Vec::new(),
            dropin_index: HashMap::new(),
        }
    }

    /// Adds an entry. Contents are written before the unit is masked.
    fn add(&mut self, step: &mut OldTranslation<'_>, node: &'n Node<'t>) {
        if let Some(contents) = non_empty_contents(node) {
            self.contents = Some(contents);
            self.mask = None;
        }
        if node.is_true("mask") {
            self.mask = node.get("mask").cloned();
        }
        self.merge_enabled(step, node);
        let mut own: HashMap<&str, &Node<'_>> = HashMap::new();
        for dropin in node.items("dropins") {
            let name = dropin.text_of("name");
            if let Some(other) = own.insert(name, dropin) {
                let is_equal = other.text_of("contents") == dropin.text_of("contents");
                let message = format!("duplicate drop-in {name}");
                if is_equal {
                    step.warn_of_repetition(dropin.at, other.at, message, "remove one of them");
                } else {
                    step.report_conflict(dropin.at, other.at, message, "merge them");
                }
            }
            self.add_dropin(dropin);
        }
    }

    fn add_dropin(&mut self, dropin: &'n Node<'t>) {
        let contents = non_empty_contents(dropin);
        let count = self.dropins.len();
        let index = *self
            .dropin_index
            .entry(dropin.text_of("name"))
            .or_insert(count);
        match self.dropins.get_mut(index) {
            Some(earlier) => earlier.contents = contents.or(earlier.contents),
            None => self.dropins.push(OldDropin {
                node: dropin,
                contents,
            }),
        }
    }

    fn merge_enabled(&mut self, step: &mut OldTranslation<'_>, node: &Node<'t>) {
        let is_enabled = node.is_true("enable");
        if is_enabled && step.is_since(node, OldVersion::V2_1) {
            let at = node.at_of("enable");
            if node.flag_of("enabled") == Some(false) {
                let message = "`enable` contradicts `enabled`, which takes precedence";
                step.warn(at, message, "remove `enable`");
            } else {
                step.warn(at, "`enable` is deprecated", "use `enabled`");
            }
        }
        let enabled = match node.get("enabled") {
            Some(enabled) => Some(enabled.clone()),
            None => is_enabled.then(|| Node::flag(node.at_of("enable"), true)),
        };
        let Some(enabled) = enabled else { return };
        if let Some(earlier) = &self.enabled
            && earlier.as_text() != enabled.as_text()
        {
            let message = "one entry enables the unit, another one disables it";
            step.report_conflict(enabled.at, earlier.at, message, "keep one of them");
        }
        self.enabled = Some(enabled);
    }

    fn into_node(self) -> Node<'t> {
        let mut out = Node::mapping(self.first.at);
        out.copy(self.first, "name");
        if let Some(contents) = self.contents {
            out.set("contents", contents.clone());
        }
        let members = [("enabled", self.enabled), ("mask", self.mask)];
        for (key, value) in members {
            if let Some(value) = value {
                out.set(key, value);
            }
        }
        let dropins = self.dropins.iter().map(|dropin| {
            let mut out = Node::mapping(dropin.node.at);
            out.copy(dropin.node, "name");
            if let Some(contents) = dropin.contents {
                out.set("contents", contents.clone());
            }
            out
        });
        let dropins: Vec<Node<'t>> = dropins.collect();
        out.set_list("dropins", self.first.at_of("dropins"), dropins);
        out
    }
}

/// The contents, unless they are empty, in which case nothing is written.
fn non_empty_contents<'n, 't>(node: &'n Node<'t>) -> Option<&'n Node<'t>> {
    let contents = node.get("contents")?;
    let is_empty = match &contents.value {
        NodeContent::Scalar(scalar) => scalar.text.is_empty(),
        _ => true,
    };
    (!is_empty).then_some(contents)
}
