//! systemd units, drop-ins, masks and presets; kernel arguments.
//!
//! Units are enabled by preset lines that systemd applies on the first boot; if there will be none, [`super::enable`]
//! creates the links. A unit to disable that is not enabled in the target gets neither a line nor an operation.

use super::lines::{self, WordSyntax};
use super::op::*;
use super::paths::{PlannedNode, PlannedTree};
use super::permissions::{FILE_MODE, OwnerNames, differences, of_new_node};
use super::{Claim, Draft, Effect, ErrorCode, Failure, OpKind, Phase, Scope, TargetState};
use crate::config::Origin;
use crate::config::model::{Config, Unit};
use crate::facts::install;
use crate::facts::root::ContentFacts;
use crate::facts::unit_files::{split_instance, with_instance};
use crate::facts::{NodeFacts, NodeKind, RootFacts};
use crate::layout::{PRESET_FILE, UNIT_DIRECTORY};
use std::collections::{BTreeMap, BTreeSet};

/// The program that changes kernel arguments, provided by distributions.
pub const KERNEL_ARGUMENTS_HELPER: &str = "ignition-kargs-helper";

/// Drafts all operations on units. `planned` is the tree after all operations so far; returns the resulting tree.
pub fn plan<'a>(draft: &mut Draft<'a>, planned: PlannedTree<'a>) -> PlannedTree<'a> {
    let config = draft.document.config();
    let names = OwnerNames::of(draft);
    let mut planner = UnitPlanner {
        draft,
        planned,
        names,
    };
    for (index, unit) in config.systemd.units.iter().enumerate() {
        planner.plan_unit(index, unit);
    }
    planner.plan_presets(&config.systemd.units);
    planner.planned
}

/// Drafts the change of kernel arguments. Skipped for a bare tree, where
/// [`super::tree::plan`] refuses them.
pub fn kernel_arguments(draft: &mut Draft<'_>) {
    let arguments = &draft.document.config().kernel_arguments;
    let nothing = arguments.should_exist.is_empty() && arguments.should_not_exist.is_empty();
    if nothing || draft.options.scope == Scope::TreeOnly {
        return;
    }
    let origin = draft.origin("$.kernelArguments");
    if draft.options.target == TargetState::Assembled {
        return leave_to_first_boot(draft, origin);
    }
    if !draft.observed.tools.contains(KERNEL_ARGUMENTS_HELPER) {
        return draft.refuse(Failure {
            act: "change".into(),
            object: "kernel arguments".into(),
            cause: format!("no program {KERNEL_ARGUMENTS_HELPER} on PATH"),
            origin,
            remedy: "install the helper of the distribution, or remove kernelArguments".into(),
            code: Some(ErrorCode::PROGRAM_MISSING),
        });
    }
    let kind = OpKind::KernelArguments(KernelArgumentsAct {
        should_exist: arguments.should_exist.clone(),
        should_not_exist: arguments.should_not_exist.clone(),
    });
    draft.push(
        Phase::KernelArguments,
        Effect::Change,
        kind,
        origin,
        Vec::new(),
    );
}

/// The helper changes the boot loader of the machine it runs on, so it cannot be run for an image.
fn leave_to_first_boot(draft: &mut Draft<'_>, origin: Option<Origin>) {
    if !draft.options.ignore_unsupported {
        return draft.refuse(Failure {
            act: "change".into(),
            object: "kernel arguments".into(),
            cause: "they are set by the machine itself, not in an image".into(),
            origin,
            remedy: "give --ignore-unsupported to leave them to the first boot".into(),
            code: Some(ErrorCode::NOT_FOR_A_TREE),
        });
    }
    let arguments = &draft.document.config().kernel_arguments;
    let add = arguments
        .should_exist
        .iter()
        .map(|argument| format!("add {argument}"));
    let remove = arguments
        .should_not_exist
        .iter()
        .map(|argument| format!("remove {argument}"));
    let kind = OpKind::Skipped(Skipped {
        subject: Subject::KernelArguments,
        changes: add.chain(remove).collect(),
        because: "left to the first boot of the machine".into(),
    });
    draft.push(
        Phase::KernelArguments,
        Effect::Skip,
        kind,
        origin,
        Vec::new(),
    );
}

/// Files that units of the config write, by resolved path, with the unit.
pub(super) fn files_written(
    config: &Config,
    planned: &PlannedTree<'_>,
) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for unit in &config.systemd.units {
        let dropins = unit
            .dropins
            .iter()
            .filter(|dropin| dropin.contents.is_some());
        let own = (has_contents(unit) || unit.mask == Some(true)).then(|| unit_path(&unit.name));
        let paths = dropins.map(|dropin| dropin_path(&unit.name, &dropin.name));
        for path in paths.chain(own) {
            if let Ok(path) = planned.resolve(&path) {
                files.insert(path, unit.name.clone());
            }
        }
    }
    files
}

fn unit_path(unit: &str) -> String {
    format!("{UNIT_DIRECTORY}/{unit}")
}

fn dropin_path(unit: &str, dropin: &str) -> String {
    format!("{UNIT_DIRECTORY}/{unit}.d/{dropin}")
}

fn has_contents(unit: &Unit) -> bool {
    unit.contents
        .as_deref()
        .is_some_and(|text| !text.is_empty())
}

struct UnitPlanner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    planned: PlannedTree<'a>,
    names: OwnerNames,
}

impl UnitPlanner<'_, '_> {
    fn plan_unit(&mut self, index: usize, unit: &Unit) {
        for (at, dropin) in unit.dropins.iter().enumerate() {
            let Some(text) = &dropin.contents else {
                continue;
            };
            let origin = self
                .draft
                .origin(&format!("$.systemd.units.{index}.dropins.{at}"));
            self.plan_file(unit, &dropin_path(&unit.name, &dropin.name), text, origin);
        }
        let origin = self.draft.origin(&format!("$.systemd.units.{index}"));
        let path = unit_path(&unit.name);
        match unit.mask {
            // A mask replaces contents that are given with it.
            Some(true) => self.mask(unit, &path, origin),
            _ if has_contents(unit) => {
                let text = unit.contents.as_deref().unwrap_or_default();
                self.plan_file(unit, &path, text, origin);
            }
            Some(false) => self.unmask(unit, &path, origin),
            None => {}
        }
    }

    fn resolve(&mut self, path: &str, origin: &Option<Origin>) -> Option<String> {
        self.planned.resolve_or_refuse(self.draft, path, origin)
    }

    fn plan_file(&mut self, unit: &Unit, path: &str, text: &str, origin: Option<Origin>) {
        let Some(path) = self.resolve(path, &origin) else {
            return;
        };
        if self.planned.is_made(&path) {
            return self.refuse(
                unit,
                &path,
                "the config writes something else there",
                origin,
            );
        }
        let node = self.planned.node(&path);
        let differs = match node.map(|node| &node.kind) {
            None => Vec::new(),
            Some(NodeKind::Directory { .. }) => {
                return self.refuse(unit, &path, "a directory is there", origin);
            }
            Some(_) => self.file_differences(&path, node),
        };
        if node.is_some() && differs.is_empty() {
            return self.already_right(unit, format!("{path} has the same content"), origin);
        }
        let kind = OpKind::File(FileAct {
            path: path.as_str().into(),
            base: Base::Empty,
            parts: vec![Content::text(text)],
            permissions: Permissions::of_mode(FILE_MODE),
            replace: node.is_some(),
            differs,
            unit: Some(unit.name.clone()),
            finishes: false,
        });
        self.push(&path, effect(node), kind, origin);
    }

    /// What differs from a freshly written unit file, which is what the reference leaves.
    fn file_differences(&self, path: &str, node: Option<&NodeFacts>) -> Vec<String> {
        let Some(node) = node else { return Vec::new() };
        match &node.kind {
            NodeKind::File {
                content: ContentFacts::AsRequested,
                ..
            } => {
                let above = crate::paths::parent(path).and_then(|up| self.planned.node(up));
                let wanted = of_new_node(
                    &self.names,
                    Permissions::of_mode(FILE_MODE),
                    FILE_MODE,
                    above,
                );
                differences(&self.names, &wanted, node)
            }
            _ => vec!["content".into()],
        }
    }

    fn mask(&mut self, unit: &Unit, path: &str, origin: Option<Origin>) {
        let Some(path) = self.resolve(path, &origin) else {
            return;
        };
        let is_made = matches!(
            self.planned.made(&path),
            Some(PlannedNode::Directory | PlannedNode::File)
        );
        if is_made || self.is_directory_of_config(&path) {
            let cause =
                "the config has something else there, and a masked unit is a link to /dev/null";
            return self.refuse(unit, &path, cause, origin);
        }
        let node = self.planned.node(&path);
        match node.map(|node| &node.kind) {
            Some(NodeKind::Symlink { target }) if target == "/dev/null" => {
                return self.already_right(unit, "masked".into(), origin);
            }
            Some(NodeKind::Directory { .. }) => self.remove(&path, origin.clone()),
            _ => {}
        }
        let present = self.planned.node(&path);
        let kind = OpKind::Symlink(SymlinkAct {
            path: path.clone(),
            target: "/dev/null".into(),
            permissions: Permissions::KEEP,
            replace: present.is_some(),
            differs: present
                .map(|_| "not masked".to_owned())
                .into_iter()
                .collect(),
            unit: Some(unit.name.clone()),
        });
        self.push(&path, effect(present), kind, origin);
    }

    fn is_directory_of_config(&self, path: &str) -> bool {
        let mut directories = self.draft.document.config().storage.directories.iter();
        directories.any(|node| self.planned.resolve(&node.path).as_deref() == Ok(path))
    }

    fn unmask(&mut self, unit: &Unit, path: &str, origin: Option<Origin>) {
        let Some(path) = self.resolve(path, &origin) else {
            return;
        };
        match self.planned.node(&path).map(|node| &node.kind) {
            Some(NodeKind::Symlink { target }) if target == "/dev/null" => {
                self.remove(&path, origin);
            }
            _ => self.already_right(unit, "not masked".into(), origin),
        }
    }

    fn remove(&mut self, path: &str, origin: Option<Origin>) {
        let kind = OpKind::Remove(Remove { path: path.into() });
        let claims = self.planned.claims(path);
        self.planned.push(
            self.draft,
            Phase::Units,
            Effect::Destroy,
            kind,
            origin,
            claims,
        );
    }

    fn plan_presets(&mut self, units: &[Unit]) {
        let preset_lines = preset_lines(units, &self.draft.observed.root.enabled_units);
        if preset_lines.is_empty() {
            return;
        }
        let first = preset_lines
            .values()
            .map(|preset_line| preset_line.index)
            .min()
            .unwrap_or(0);
        let origin = self.draft.origin(&format!("$.systemd.units.{first}"));
        let Some(path) = self.resolve(PRESET_FILE, &origin) else {
            return;
        };
        self.plan_preset_file(&path, &preset_lines, origin);
        for preset_line in preset_lines
            .values()
            .filter(|preset_line| !preset_line.enable)
        {
            for unit in preset_line.units_to_disable(units, &self.draft.observed.root.enabled_units)
            {
                let masked = units[preset_line.index].mask == Some(true) || self.is_masked(&unit);
                // systemctl keeps the links of a masked unit, which start nothing.
                if !masked {
                    self.disable(unit, &path, preset_line.index);
                }
            }
        }
    }

    fn plan_preset_file(
        &mut self,
        path: &str,
        preset_lines: &BTreeMap<String, PresetLine>,
        origin: Option<Origin>,
    ) {
        let present = self.draft.observed.root.preset_text.as_deref();
        let node = self.planned.node(path);
        let made = self.planned.is_made(path);
        let is_file = node.is_none_or(|node| matches!(node.kind, NodeKind::File { .. }));
        if made || !is_file {
            let unit = &Unit {
                name: "presets".into(),
                ..Unit::default()
            };
            return self.refuse(
                unit,
                path,
                "something else is written or present there",
                origin,
            );
        }
        let present = present.filter(|_| node.is_some()).unwrap_or_default();
        let present_lines: BTreeSet<&str> = present.lines().collect();
        let missing: Vec<String> = preset_lines
            .values()
            .map(PresetLine::line)
            .filter(|line| !present_lines.contains(line.as_str()))
            .collect();
        if missing.is_empty() {
            let kind = OpKind::AlreadyRight(AlreadyRight {
                subject: Subject::Path(path.into()),
                because: "it already contains the preset lines".into(),
            });
            self.draft
                .push(Phase::Units, Effect::Keep, kind, origin, Vec::new());
            return;
        }
        let words = preset_lines.values().flat_map(PresetLine::words);
        if lines::refuse_broken(
            self.draft,
            PRESET_FILE,
            WordSyntax::Plain,
            words,
            origin.as_ref(),
        ) {
            return;
        }
        self.append_presets(path, present, missing, origin);
    }

    /// Appends lines to those that the preset file has.
    fn append_presets(
        &mut self,
        path: &str,
        present: &str,
        missing: Vec<String>,
        origin: Option<Origin>,
    ) {
        let node = self.planned.node(path);
        let separator = match present.is_empty() || present.ends_with('\n') {
            true => "",
            false => "\n",
        };
        let kind = OpKind::File(FileAct {
            path: path.into(),
            base: match node {
                Some(_) => Base::Present,
                None => Base::Empty,
            },
            parts: vec![Content::text(format!(
                "{separator}{}\n",
                missing.join("\n")
            ))],
            permissions: Permissions::KEEP,
            replace: node.is_some(),
            differs: missing,
            unit: None,
            finishes: false,
        });
        self.push(path, effect(node), kind, origin);
    }

    /// True if the target has a link to `/dev/null`, or an empty file, in place of a unit.
    fn is_masked(&self, unit: &str) -> bool {
        let Ok(path) = self.planned.resolve(&unit_path(unit)) else {
            return false;
        };
        let node = self.planned.node(&path);
        match node
            .filter(|_| !self.planned.is_made(&path))
            .map(|node| &node.kind)
        {
            Some(NodeKind::Symlink { target }) => target == "/dev/null",
            Some(NodeKind::File { bytes, .. }) => *bytes == 0,
            _ => false,
        }
    }

    /// The preset line is written first: if the run is killed in between, the next one finds the unit still enabled and
    /// disables it. The other order would lose the line.
    fn disable(&mut self, unit: String, preset: &str, index: usize) {
        let origin = self.draft.origin(&format!("$.systemd.units.{index}"));
        if !self.draft.observed.tools.contains("systemctl") {
            return self.draft.refuse(Failure {
                act: "disable".into(),
                object: format!("unit {unit}"),
                cause: "no program systemctl on PATH".into(),
                origin,
                remedy: "install systemd where kindling runs".into(),
                code: Some(ErrorCode::PROGRAM_MISSING),
            });
        }
        if let Some(cause) = self.obstacle_to_disabling(&unit) {
            return self.draft.refuse(Failure {
                act: "disable".into(),
                object: format!("unit {unit}"),
                cause,
                origin,
                remedy: "remove what is there from the target".into(),
                code: Some(ErrorCode::UNIT),
            });
        }
        let mut claims = vec![Claim::use_path(preset)];
        if let Ok(path) = self.planned.resolve(&unit_path(&unit))
            && self.planned.is_made(&path)
        {
            claims.push(Claim::use_path(&path));
        }
        let kind = OpKind::DisableUnit(DisableUnit { unit });
        self.draft
            .push(Phase::Units, Effect::Change, kind, origin, claims);
    }

    /// What in the target makes `systemctl disable` fail.
    fn obstacle_to_disabling(&self, unit: &str) -> Option<String> {
        let remaining_node = |path: &str| {
            let place = self.planned.resolve(path).ok()?;
            let is_made = self.planned.is_made(&place);
            (!is_made).then(|| self.planned.node(&place))?
        };
        let path = unit_path(unit);
        let what = match remaining_node(&path).map(|node| &node.kind) {
            Some(NodeKind::Other) => Some("is a device, socket or pipe".to_owned()),
            Some(NodeKind::Directory { .. }) => Some("is a directory".to_owned()),
            Some(NodeKind::Symlink { target }) if target != "/dev/null" => {
                let name = target.rsplit('/').next().unwrap_or(target);
                let is_unit = install::is_valid_name(name);
                (!is_unit)
                    .then(|| format!("is a link to {target:?}, which is not the name of a unit"))
            }
            _ => None,
        };
        if let Some(what) = what {
            return Some(format!("{path} {what}"));
        }
        let mut loops = self.draft.observed.root.unit_loops.iter();
        let other = loops.find(|other| {
            let place = self.planned.resolve(other);
            **other != path && !place.is_ok_and(|place| self.planned.is_made(&place))
        });
        other.map(|path| format!("{path} is a symbolic link that points to itself"))
    }

    fn push(&mut self, path: &str, effect: Effect, kind: OpKind, origin: Option<Origin>) {
        if !self
            .planned
            .make_parents(self.draft, Phase::Units, path, origin.as_ref())
        {
            return;
        }
        let claims = self.planned.claims(path);
        self.planned
            .push(self.draft, Phase::Units, effect, kind, origin, claims);
    }

    fn already_right(&mut self, unit: &Unit, because: String, origin: Option<Origin>) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Unit(unit.name.clone()),
            because,
        });
        self.draft
            .push(Phase::Units, Effect::Keep, kind, origin, Vec::new());
    }

    fn refuse(&mut self, unit: &Unit, path: &str, cause: &str, origin: Option<Origin>) {
        self.draft.refuse(Failure {
            act: "write".into(),
            object: format!("{path} for unit {}", unit.name),
            cause: cause.into(),
            origin,
            remedy: "remove what is in the way, or the other entry of the config".into(),
            code: Some(ErrorCode::UNIT),
        });
    }
}

fn effect(node: Option<&NodeFacts>) -> Effect {
    node.map_or(Effect::Create, |_| Effect::Change)
}

/// One preset line under construction.
#[derive(Debug, PartialEq, Eq)]
struct PresetLine {
    enable: bool,
    name: String,
    /// Instances of a template in config order; an empty one stands for the template itself.
    instances: Vec<String>,
    /// Index of the first unit of the config that requested it.
    index: usize,
}

impl PresetLine {
    fn line(&self) -> String {
        let words: Vec<&str> = self.words().collect();
        words.join(" ")
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let verb = if self.enable { "enable" } else { "disable" };
        let instances = self.instances.iter().map(String::as_str);
        let instances = instances.filter(|instance| !instance.is_empty());
        [verb, &self.name].into_iter().chain(instances)
    }

    /// The full unit names of the line.
    fn units(&self) -> Vec<String> {
        if self.instances.is_empty() {
            return vec![self.name.clone()];
        }
        let full = |instance: &String| with_instance(&self.name, instance);
        self.instances.iter().map(full).collect()
    }

    /// The names to pass to `systemctl disable`. The name of a template would also remove the links of all its
    /// instances, so if the config enables some of them, the other ones are named instead.
    fn units_to_disable(&self, units: &[Unit], enabled: &BTreeSet<String>) -> Vec<String> {
        let is_instance = |unit: &str| {
            let parts = split_instance(unit);
            parts.is_some_and(|(name, instance)| name == self.name && !instance.is_empty())
        };
        let is_on = |unit: &Unit| unit.enabled == Some(true) && is_instance(&unit.name);
        let names = self.units();
        if !names.contains(&self.name) || !units.iter().any(is_on) {
            return names;
        }
        let own: BTreeSet<String> = names
            .into_iter()
            .filter(|name| *name != self.name)
            .collect();
        let others = enabled.iter().filter(|unit| is_instance(unit)).cloned();
        own.into_iter()
            .chain(others)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// The preset lines of a config.
pub(super) fn preset_text(units: &[Unit], root: &RootFacts) -> String {
    let preset_lines = preset_lines(units, &root.enabled_units);
    let lines: Vec<String> = preset_lines.values().map(PresetLine::line).collect();
    lines.join("\n")
}

/// Preset lines in the order of the file. A unit to disable counts only if it is enabled.
fn preset_lines(units: &[Unit], enabled: &BTreeSet<String>) -> BTreeMap<String, PresetLine> {
    let mut preset_lines: BTreeMap<String, PresetLine> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        let Some(enable) = unit.enabled else { continue };
        if !enable && !enabled.contains(&unit.name) {
            continue;
        }
        let state = if enable { "enabled" } else { "disabled" };
        let (name, instance) = match split_instance(&unit.name) {
            Some((name, instance)) => (name, Some(instance.to_owned())),
            None => (unit.name.clone(), None),
        };
        let preset_line = preset_lines
            .entry(format!("{name}-{state}"))
            .or_insert_with(|| PresetLine {
                enable,
                name,
                instances: Vec::new(),
                index,
            });
        preset_line.instances.extend(instance);
    }
    preset_lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, enabled: Option<bool>) -> Unit {
        Unit {
            name: name.into(),
            enabled,
            ..Unit::default()
        }
    }

    #[test]
    fn presets_are_grouped_by_template_and_sorted() {
        let units = [
            unit("z.service", Some(true)),
            unit("echo@foo.service", Some(true)),
            unit("on.service", Some(false)),
            unit("off.service", Some(false)),
            unit("echo@bar.service", Some(true)),
            unit("echo@x.y.service", Some(false)),
            unit("quiet.service", None),
            unit("plain@.service", Some(true)),
        ];
        let enabled = ["on.service", "echo@x.y.service"].map(str::to_owned).into();
        let preset_lines = preset_lines(&units, &enabled);
        let lines: Vec<String> = preset_lines.values().map(PresetLine::line).collect();
        assert_eq!(
            lines,
            [
                "disable echo@.service x.y",
                "enable echo@.service foo bar",
                "disable on.service",
                "enable plain@.service",
                "enable z.service",
            ]
        );
        let disabled: Vec<_> = preset_lines
            .values()
            .filter(|r| !r.enable)
            .flat_map(PresetLine::units)
            .collect();
        assert_eq!(disabled, ["echo@x.y.service", "on.service"]);
    }
}
