//! Renders a plan as text: a tree per disk and for the target root, everything that destroys data, warnings, a summary
//! line. It is built as an outline first, so that all renderings agree; equal plans have equal outlines.

mod accounts;
mod disks;
mod tree;

use super::op::{Effect, OpKind, Operation, Plan};
use crate::config::Origin;
use crate::text::escaped;
use std::fmt::Write;

/// How to show a plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShowOptions {
    /// Sizes and starts in sectors as well.
    pub sectors: bool,
    /// ANSI colours.
    pub colour: bool,
}

/// Counts of a plan, for the summary line and for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Number of things to create.
    pub create: usize,
    /// Number of things to change.
    pub change: usize,
    /// Number of things to destroy.
    pub destroy: usize,
    /// Number of things that are already right.
    pub keep: usize,
}

impl Summary {
    /// Counts partitions one by one and skips mere steps such as mounting.
    pub fn of(plan: &Plan) -> Self {
        let mut summary = Self::default();
        for operation in &plan.operations {
            match &operation.kind {
                OpKind::WriteTable(act) => {
                    if act.expected.is_none() || act.wipe {
                        summary.add(operation.effect);
                    }
                    act.changes
                        .iter()
                        .for_each(|change| summary.add(change.effect));
                }
                _ => summary.add(operation.effect),
            }
        }
        summary
    }
    /// Adds the counts of another plan.
    pub fn include(&mut self, other: Self) {
        self.create += other.create;
        self.change += other.change;
        self.destroy += other.destroy;
        self.keep += other.keep;
    }
    fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Create => self.create += 1,
            Effect::Change => self.change += 1,
            Effect::Destroy => self.destroy += 1,
            Effect::Keep => self.keep += 1,
            Effect::Step | Effect::Skip => {}
        }
    }
    /// True if executing the plan would change nothing.
    pub fn is_nothing(&self) -> bool {
        self.create + self.change + self.destroy == 0
    }
}

/// Renders the whole plan as text.
pub fn show(plan: &Plan, options: ShowOptions) -> String {
    let mut outline = outline(plan, options.sectors);
    add_losses(&mut outline, plan);
    add_warnings(&mut outline, plan);
    add_summary(&mut outline, plan);
    let mut text = String::new();
    for item in outline.items {
        item.write(&mut text, options.colour);
    }
    text
}

/// What a plan does, without losses, warnings and summary. With `sectors`, it has sizes and starts in sectors as well.
pub(crate) fn outline(plan: &Plan, sectors: bool) -> Outline {
    let mut outline = Outline {
        items: Vec::new(),
        sectors,
    };
    disks::show(&mut outline, plan);
    accounts::show(&mut outline, plan);
    tree::show(&mut outline, plan);
    outline
}

fn add_losses(outline: &mut Outline, plan: &Plan) {
    let destroying: Vec<&Operation> = plan
        .operations
        .iter()
        .filter(|o| !o.destroys.is_empty())
        .collect();
    if destroying.is_empty() {
        return;
    }
    outline.heading("WARNING: this destroys data");
    for operation in destroying {
        for what in &operation.destroys {
            outline.line(1, Some(Effect::Destroy), what, operation.origin.as_ref());
        }
    }
    outline.gap();
}

fn add_warnings(outline: &mut Outline, plan: &Plan) {
    for warning in &plan.warnings {
        // Several lines, escaped one by one.
        outline
            .items
            .push(OutlineItem::Warning(warning.to_string()));
    }
    if !plan.warnings.is_empty() {
        outline.gap();
    }
}

fn add_summary(outline: &mut Outline, plan: &Plan) {
    let count = Summary::of(plan);
    let text = if count.is_nothing() {
        format!("Nothing to do: {} already right.", things(count.keep))
    } else {
        format!(
            "Plan: {} to create, {} to change, {} to destroy, {} already right.",
            count.create, count.change, count.destroy, count.keep
        )
    };
    outline.heading(&text);
}

fn things(count: usize) -> String {
    if count == 1 {
        "1 thing is".into()
    } else {
        format!("{count} things are")
    }
}

/// An item of an outline. Text from a config is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutlineItem {
    /// The topic of the lines below.
    Heading(String),
    /// The disk of the lines below, with its partitions if its table is written.
    Disk {
        name: String,
        change: Option<TableChange>,
    },
    /// One item, indented below its parent.
    Line {
        depth: usize,
        effect: Option<Effect>,
        text: String,
        /// Source and line that requested it.
        origin: Option<(String, u32)>,
    },
    /// A warning of one or more lines, without indentation.
    Warning(String),
    /// The end of a section.
    Gap,
}

impl OutlineItem {
    fn write(&self, text: &mut String, colour: bool) {
        match self {
            Self::Heading(heading) => text.push_str(heading),
            Self::Disk { name, .. } => _ = write!(text, "disk {name}"),
            Self::Warning(warning) => text.push_str(warning),
            Self::Gap => {}
            Self::Line {
                depth,
                effect,
                text: what,
                origin,
            } => {
                let _ = write!(
                    text,
                    "{:width$}{} {what}",
                    "",
                    symbol(*effect, colour),
                    width = 2 * depth
                );
                if let Some((source, line)) = origin {
                    text.push_str(&place_note(source, *line, colour));
                }
            }
        }
        text.push('\n');
    }
}

/// The place in a config that requested an item, to be printed after it. `source` is escaped.
pub(crate) fn place_note(source: &str, line: u32, colour: bool) -> String {
    paint("2", &format!("  [{source}:{line}]"), colour)
}

/// The symbol of an effect in front of its subject.
pub(crate) fn symbol(effect: Option<Effect>, colour: bool) -> String {
    match effect {
        Some(Effect::Create) => paint("32", "+", colour),
        Some(Effect::Change) => paint("33", "~", colour),
        Some(Effect::Destroy) => paint("31", "-", colour),
        Some(Effect::Keep) => paint("2", "=", colour),
        Some(Effect::Skip) => paint("33", "!", colour),
        Some(Effect::Step) => paint("36", ">", colour),
        None => " ".into(),
    }
}

fn paint(code: &str, text: &str, colour: bool) -> String {
    match colour {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.into(),
    }
}

/// The partitions of a disk, as they are and as they will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableChange {
    /// `None` without a table that can be read.
    pub before: Option<Vec<PartitionPlace>>,
    pub after: Vec<PartitionPlace>,
    /// Size of the disk.
    pub sectors: u64,
    pub sector_bytes: u32,
}

/// A partition on its disk, in sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionPlace {
    pub number: u32,
    pub label: String,
    pub start: u64,
    pub sectors: u64,
    /// What happens to it.
    pub effect: Effect,
}

/// An outline under construction.
pub(crate) struct Outline {
    items: Vec<OutlineItem>,
    sectors: bool,
}

impl Outline {
    /// Its items, in order.
    pub(crate) fn into_items(self) -> Vec<OutlineItem> {
        self.items
    }
    fn heading(&mut self, text: &str) {
        self.items
            .push(OutlineItem::Heading(escaped(text).into_owned()));
    }
    fn disk(&mut self, disk: &str, change: Option<TableChange>) {
        self.items.push(OutlineItem::Disk {
            name: escaped(disk).into_owned(),
            change,
        });
    }
    fn gap(&mut self) {
        self.items.push(OutlineItem::Gap);
    }
    /// One line of a tree: indentation, symbol, text, and where it was requested.
    fn line(&mut self, depth: usize, effect: Option<Effect>, text: &str, origin: Option<&Origin>) {
        self.items.push(OutlineItem::Line {
            depth,
            effect,
            text: escaped(text).into_owned(),
            origin: origin.map(|origin| (escaped(&origin.source).into_owned(), origin.line)),
        });
    }
}
