//! Progress of a run: bars on a terminal, plain lines otherwise.

use super::console;
use super::transfer::Transfer;
use crate::execute::scheduler::{Observer, OperationRecord};
use crate::plan::op::Phase;
use crate::plan::{Operation, Plan};
use crate::terminal;
use crate::text::escaped;
use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::cell::RefCell;
use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Progress on standard error.
pub(crate) enum TerminalProgress {
    /// Bars and spinners.
    Terminal(Terminal),
    /// A line for every operation on disks, one per phase for the many small ones, and one at intervals for anything
    /// that takes long.
    Plain(console::ConsoleProgress),
}

impl TerminalProgress {
    /// Bars if standard error is a terminal, else lines.
    pub(crate) fn new(plan: &Plan) -> Self {
        if std::io::stderr().is_terminal() {
            Self::Terminal(Terminal::new(plan))
        } else {
            let plain = console::ConsoleProgress::into_lines(terminal::eprint, is_slow);
            plain.plan(plan);
            Self::Plain(plain)
        }
    }

    /// Called when bytes were received for the operation of this thread.
    pub(crate) fn received(&self, bytes: u64) {
        match self {
            Self::Terminal(terminal) => terminal.change(|transfer| transfer.receive(bytes)),
            Self::Plain(plain) => plain.received(bytes),
        }
    }

    /// Called before a body of this length is received for the operation of this thread.
    pub(crate) fn announced(&self, bytes: u64) {
        match self {
            Self::Terminal(terminal) => terminal.change(|transfer| transfer.announce(bytes)),
            Self::Plain(plain) => plain.announced(bytes),
        }
    }

    /// Clears the bars at the end of a run.
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
            Self::Terminal(terminal) => terminal.finished(),
            Self::Plain(plain) => plain.finished(operation, record),
        }
    }
}

/// Transfers that take longer get a bar, and runs an estimate of the time left.
const LONG_TRANSFER: Duration = Duration::from_secs(2);

thread_local! {
    /// The current operation of this thread; workers execute one at a time.
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// A running operation.
struct Running {
    what: String,
    since: Instant,
    transfer: Transfer,
    bar: Option<ProgressBar>,
}

/// A bar for the run, a spinner for every slow operation, and a bar for every long transfer.
pub(crate) struct Terminal {
    bars: MultiProgress,
    total: ProgressBar,
}

impl Terminal {
    fn new(plan: &Plan) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let total = bars.add(ProgressBar::new(plan.operations.len() as u64));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}{left}") {
            total.set_style(style.with_key("left", time_left));
        }
        Self { bars, total }
    }

    fn started(&self, operation: &Operation) {
        if operation.kind.is_brief() {
            return;
        }
        let what = escaped(&operation.kind.describe()).into_owned();
        let bar = is_slow(operation).then(|| self.spinner(what.clone()));
        RUNNING.set(Some(Running {
            what,
            since: Instant::now(),
            transfer: Transfer::default(),
            bar,
        }));
    }

    fn spinner(&self, what: String) -> ProgressBar {
        let spinner = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            spinner.set_style(style);
        }
        spinner.set_message(what);
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    fn change(&self, change: impl FnOnce(&mut Transfer)) {
        RUNNING.with_borrow_mut(|running| {
            let Some(running) = running else { return };
            change(&mut running.transfer);
            let elapsed = running.since.elapsed();
            if elapsed >= LONG_TRANSFER
                && let Some(transfer) = running.transfer.describe(elapsed)
            {
                let bar = running.bar.get_or_insert_with(|| self.transfer_bar());
                bar.set_length(running.transfer.length_bytes.unwrap_or_default());
                bar.set_position(running.transfer.bytes);
                // The message is last because it is cut off if it does not fit: names may be long.
                bar.set_message(format!("{transfer}: {}", running.what));
            }
        });
    }

    fn transfer_bar(&self) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {msg}") {
            bar.set_style(style);
        }
        bar
    }

    fn finished(&self) {
        if let Some(bar) = RUNNING.take().and_then(|running| running.bar) {
            bar.finish_and_clear();
        }
        self.total.inc(1);
    }
}

/// `, 7s left`, once that can be estimated.
fn time_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    if state.pos() > 0 && state.elapsed() >= LONG_TRANSFER {
        // If it cannot be written, nobody can read it either.
        _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
    }
}

/// True for operations on disks. Files take microseconds: thousands of spinners would only flicker.
fn is_slow(operation: &Operation) -> bool {
    operation.phase < Phase::Mount
}
