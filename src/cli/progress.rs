//! Progress of a run: bars on a terminal, plain lines otherwise.

use crate::execute::scheduler::{Observer, Outcome, Record};
use crate::plan::op::Phase;
use crate::plan::{Operation, Plan};
use crate::report::tally::{self, Tally};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Plain output names an operation of a large phase only when it took at least this long.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// Progress on standard error.
pub enum Progress {
    /// Bars and spinners.
    Terminal(Terminal),
    /// Lines.
    Plain(Plain),
}

impl Progress {
    /// The kind that fits standard error.
    pub fn new(plan: &Plan) -> Self {
        if std::io::stderr().is_terminal() {
            Self::Terminal(Terminal::new(plan))
        } else {
            Self::Plain(Plain::new(plan))
        }
    }
    /// Removes what must not stay on the screen.
    pub fn end(&self) {
        if let Self::Terminal(terminal) = self {
            terminal.total.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn started(&self, operation: &Operation) {
        if let Self::Terminal(terminal) = self {
            terminal.started(operation);
        }
    }
    fn finished(&self, operation: &Operation, record: &Record) {
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
pub struct Terminal {
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
            spinner.set_message(operation.kind.describe());
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

/// A line for every operation on disks, one per phase for the many small ones.
pub struct Plain {
    tally: Mutex<Tally>,
}

impl Plain {
    fn new(plan: &Plan) -> Self {
        Self {
            tally: Mutex::new(Tally::new(plan)),
        }
    }

    fn finished(&self, operation: &Operation, record: &Record) {
        let Outcome::Done(done) = &record.outcome else {
            return;
        };
        let took = record.duration;
        if tally::acts(operation) && (is_slow(operation) || took >= WORTH_A_LINE) {
            say(&format!("{} ({took:.1?})", operation.kind.describe()));
        }
        let bytes = done.bytes.unwrap_or(0);
        let ended = lock(&self.tally).done(operation, record.started, took, bytes);
        if let Some(ended) = ended.filter(|_| !is_slow(operation)) {
            let (phase, count, took) = (ended.phase.name(), ended.operations, ended.took);
            say(&format!("{phase}: {count} done ({took:.1?})"));
        }
    }
}

#[allow(clippy::print_stderr, reason = "progress goes to standard error")]
fn say(text: &str) {
    eprintln!("kindling: {text}");
}
