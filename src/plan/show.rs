//! A plan as text for people: a tree per disk and for the target root, every act that destroys data,
//! warnings, a summary line. Prints the same bytes for the same plan.

mod accounts;
mod disks;
mod tree;

use super::op::{Effect, OpKind, Operation, Plan};
use crate::config::Origin;
use crate::text::escaped;
use humansize::{BINARY, FormatSizeOptions, format_size};
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
    /// Things that come into being.
    pub create: usize,
    /// Things that change.
    pub change: usize,
    /// Things that go.
    pub destroy: usize,
    /// Things already right.
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

/// The whole plan as text.
pub fn show(plan: &Plan, options: ShowOptions) -> String {
    let mut page = Page {
        text: String::new(),
        options,
    };
    disks::show(&mut page, plan);
    accounts::show(&mut page, plan);
    tree::show(&mut page, plan);
    losses(&mut page, plan);
    warnings(&mut page, plan);
    summary(&mut page, plan);
    page.text
}

fn losses(page: &mut Page, plan: &Plan) {
    let destroying: Vec<&Operation> = plan
        .operations
        .iter()
        .filter(|o| !o.destroys.is_empty())
        .collect();
    if destroying.is_empty() {
        return;
    }
    page.heading("WARNING: this destroys data");
    for operation in destroying {
        for what in &operation.destroys {
            page.line(1, Some(Effect::Destroy), what, operation.origin.as_ref());
        }
    }
    page.gap();
}

fn warnings(page: &mut Page, plan: &Plan) {
    for warning in &plan.warnings {
        // Several lines, escaped one by one.
        let _ = writeln!(page.text, "{warning}");
    }
    if !plan.warnings.is_empty() {
        page.gap();
    }
}

fn summary(page: &mut Page, plan: &Plan) {
    let count = Summary::of(plan);
    let text = if count.is_nothing() {
        format!("Nothing to do: {} already right.", things(count.keep))
    } else {
        format!(
            "Plan: {} to create, {} to change, {} to destroy, {} already right.",
            count.create, count.change, count.destroy, count.keep
        )
    };
    page.heading(&text);
}

fn things(count: usize) -> String {
    if count == 1 {
        "1 thing is".into()
    } else {
        format!("{count} things are")
    }
}

/// `1.5 GiB`; whole numbers without decimals.
pub(crate) fn human(bytes: u64) -> String {
    let style = FormatSizeOptions::from(BINARY)
        .decimal_places(1)
        .decimal_zeroes(0);
    format_size(bytes, style)
}

/// Text being laid out.
struct Page {
    text: String,
    options: ShowOptions,
}

impl Page {
    fn heading(&mut self, text: &str) {
        self.text.push_str(&escaped(text));
        self.text.push('\n');
    }
    fn gap(&mut self) {
        self.text.push('\n');
    }
    /// One line of a tree: indentation, symbol, text, and where it was asked for.
    fn line(&mut self, depth: usize, effect: Option<Effect>, text: &str, origin: Option<&Origin>) {
        let _ = write!(
            self.text,
            "{:width$}{} {}",
            "",
            self.symbol(effect),
            escaped(text),
            width = 2 * depth
        );
        if let Some(origin) = origin {
            let note = format!("  [{}:{}]", escaped(&origin.source), origin.line);
            self.text.push_str(&self.paint("2", &note));
        }
        self.text.push('\n');
    }
    fn symbol(&self, effect: Option<Effect>) -> String {
        match effect {
            Some(Effect::Create) => self.paint("32", "+"),
            Some(Effect::Change) => self.paint("33", "~"),
            Some(Effect::Destroy) => self.paint("31", "-"),
            Some(Effect::Keep) => self.paint("2", "="),
            Some(Effect::Skip) => self.paint("33", "!"),
            Some(Effect::Step) => self.paint("36", ">"),
            None => " ".into(),
        }
    }
    fn paint(&self, code: &str, text: &str) -> String {
        if self.options.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.into()
        }
    }
}
