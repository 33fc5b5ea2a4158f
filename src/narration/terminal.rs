//! Progress of a run: bars on a terminal, plain lines otherwise.

use super::console;
use crate::execute::scheduler::{Observer, OperationRecord};
use crate::plan::op::Phase;
use crate::plan::{Operation, Plan};
use crate::terminal;
use crate::text::escaped;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Progress on standard error.
pub(crate) enum TerminalProgress {
    /// Bars and spinners.
    Terminal(Terminal),
    /// A line for every operation on disks, one per phase for the many small ones, and one from time to time for
    /// whatever takes long.
    Plain(console::ConsoleProgress),
}

impl TerminalProgress {
    /// The kind that fits standard error.
    pub(crate) fn new(plan: &Plan) -> Self {
        if std::io::stderr().is_terminal() {
            Self::Terminal(Terminal::new(plan))
        } else {
            let plain = console::ConsoleProgress::into_lines(terminal::say, is_slow);
            plain.plan(plan);
            Self::Plain(plain)
        }
    }

    /// More bytes came in for what this thread is at.
    pub(crate) fn received(&self, bytes: u64) {
        if let Self::Plain(plain) = self {
            plain.received(bytes);
        }
    }

    /// Removes what must not stay on the screen.
    pub(crate) fn end(&self) {
        if let Self::Terminal(terminal) = self {
            terminal.total.finish_and_clear();
        }
    }
}

impl Observer for TerminalProgress {
    fn started(&self, operation: &Operation) {
        match self {
            Self::Terminal(terminal) => terminal.started(operation),
            Self::Plain(plain) => plain.started(operation),
        }
    }
    fn finished(&self, operation: &Operation, record: &OperationRecord) {
        match self {
            Self::Terminal(terminal) => terminal.finished(operation),
            Self::Plain(plain) => plain.finished(operation, record),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One bar for the run and a spinner for every slow operation under way.
pub(crate) struct Terminal {
    bars: MultiProgress,
    total: ProgressBar,
    running: Mutex<HashMap<u32, ProgressBar>>,
}

impl Terminal {
    fn new(plan: &Plan) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let total = bars.add(ProgressBar::new(plan.operations.len() as u64));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}") {
            total.set_style(style);
        }
        Self {
            bars,
            total,
            running: Mutex::default(),
        }
    }
    fn started(&self, operation: &Operation) {
        if is_slow(operation) {
            let spinner = self.bars.add(ProgressBar::new_spinner());
            spinner.set_message(escaped(&operation.kind.describe()).into_owned());
            spinner.enable_steady_tick(Duration::from_millis(100));
            lock(&self.running).insert(operation.id.0, spinner);
        }
    }
    fn finished(&self, operation: &Operation) {
        if let Some(spinner) = lock(&self.running).remove(&operation.id.0) {
            spinner.finish_and_clear();
        }
        self.total.inc(1);
    }
}

/// Single files are done in microseconds; thousands of spinners would only flicker.
fn is_slow(operation: &Operation) -> bool {
    operation.phase < Phase::Mount
}
