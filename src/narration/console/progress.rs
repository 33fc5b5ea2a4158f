//! Progress of a stage: a line for each phase when it ends, and for anything that takes long.

use super::super::transfer::Transfer;
use super::Consoles;
use crate::execute::scheduler::{Observer, OperationOutcome, OperationRecord};
use crate::plan::{Operation, Plan};
use crate::report::tally::{self, Tally};
use crate::text::escaped;
use crate::text::human_size;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When an activity gets a line.
#[derive(Debug, Clone, Copy)]
struct ProgressIntervals {
    /// Time until the first line.
    first: Duration,
    /// Time between further lines.
    repeat: Duration,
    /// How often to check.
    poll: Duration,
}

const PROGRESS_INTERVALS: ProgressIntervals = ProgressIntervals {
    first: Duration::from_secs(2),
    repeat: Duration::from_secs(5),
    poll: Duration::from_millis(250),
};

thread_local! {
    /// The key of this thread's current activity.
    static CURRENT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A running activity.
struct Running {
    what: String,
    /// Bytes received so far.
    transfer: Transfer,
    since: Instant,
    /// When its next line is due.
    due: Instant,
    /// True once it had a line.
    was_shown: bool,
}

/// Activities and counts of a run.
#[derive(Default)]
struct ProgressState {
    running: BTreeMap<u64, Running>,
    next: u64,
    tally: Option<Tally>,
    /// Keys of running operations, by their id in the plan.
    operations: BTreeMap<u32, u64>,
    is_over: bool,
}

struct SharedProgress {
    out: Box<dyn Fn(&str) + Send + Sync>,
    /// True for operations that get a line when they end even if they were quick.
    is_notable: fn(&Operation) -> bool,
    intervals: ProgressIntervals,
    state: Mutex<ProgressState>,
    wake: Condvar,
}

/// Progress of one stage. Its last line is written before it is dropped.
pub(crate) struct ConsoleProgress {
    shared: Arc<SharedProgress>,
    ticker: Option<JoinHandle<()>>,
}

/// Ends an activity when dropped.
#[must_use = "dropping the guard ends the activity"]
pub(crate) struct ActivityGuard<'a> {
    shared: &'a SharedProgress,
    key: u64,
}

impl ConsoleProgress {
    /// Progress on consoles.
    pub(crate) fn on(consoles: Arc<Consoles>) -> Self {
        Self::start(
            Box::new(move |line| consoles.write(line)),
            |_| false,
            PROGRESS_INTERVALS,
        )
    }

    /// Progress in lines for `out`; operations for which `is_notable` is true each get one when they end.
    pub(crate) fn into_lines(
        out: impl Fn(&str) + Send + Sync + 'static,
        is_notable: fn(&Operation) -> bool,
    ) -> Self {
        Self::start(Box::new(out), is_notable, PROGRESS_INTERVALS)
    }

    fn start(
        out: Box<dyn Fn(&str) + Send + Sync>,
        is_notable: fn(&Operation) -> bool,
        intervals: ProgressIntervals,
    ) -> Self {
        let shared = Arc::new(SharedProgress {
            out,
            is_notable,
            intervals,
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let other = Arc::clone(&shared);
        // Without the thread there is less output, but no harm.
        let ticker = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || other.print_due_lines());
        Self {
            shared,
            ticker: ticker.ok(),
        }
    }

    /// Called before a plan runs.
    pub(crate) fn plan(&self, plan: &Plan) {
        let mut state = self.shared.lock();
        state.tally = Some(Tally::new(plan));
        state.operations.clear();
    }

    /// Prints the end of a part of the stage that is not an operation, e.g. `config`, `from qemu, 2 documents`.
    pub(crate) fn print_phase(&self, name: &str, detail: &str, elapsed: Duration) {
        self.shared
            .print(&format!("{name}: {detail} ({elapsed:.1?})"));
    }

    /// Called when bytes were received for the activity of this thread.
    pub(crate) fn received(&self, bytes: u64) {
        self.change(|transfer| transfer.receive(bytes));
    }

    /// Called before a body of this length is received for the activity of this thread.
    pub(crate) fn announced(&self, bytes: u64) {
        self.change(|transfer| transfer.announce(bytes));
    }

    fn change(&self, change: impl FnOnce(&mut Transfer)) {
        if let Some(key) = CURRENT.get()
            && let Some(running) = self.shared.lock().running.get_mut(&key)
        {
            change(&mut running.transfer);
        }
    }

    /// Begins an activity that is not an operation; it gets lines if it takes long.
    pub(crate) fn begin_activity(&self, what: impl Into<String>) -> ActivityGuard<'_> {
        let key = self.shared.begin(&mut self.shared.lock(), what.into());
        ActivityGuard {
            shared: &self.shared,
            key,
        }
    }
}

impl Drop for ConsoleProgress {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wake.notify_all();
        if let Some(ticker) = self.ticker.take() {
            drop(ticker.join());
        }
    }
}

impl Drop for ActivityGuard<'_> {
    fn drop(&mut self) {
        let ended = self.shared.lock().running.remove(&self.key);
        CURRENT.set(None);
        if let Some(running) = ended.filter(|running| running.was_shown) {
            let elapsed = running.since.elapsed();
            let bytes = running.transfer.bytes;
            self.shared.print(&done(&running.what, elapsed, bytes));
        }
    }
}

impl Observer for ConsoleProgress {
    fn started(&self, operation: &Operation) {
        if tally::has_effect(operation) {
            let mut state = self.shared.lock();
            let key = self.shared.begin(&mut state, operation.kind.describe());
            state.operations.insert(operation.id.0, key);
        }
    }

    fn finished(&self, operation: &Operation, record: &OperationRecord) {
        CURRENT.set(None);
        let is_notable = tally::has_effect(operation) && (self.shared.is_notable)(operation);
        let lines = self.shared.lock().finished(operation, record, is_notable);
        lines.iter().for_each(|line| self.shared.print(line));
    }
}

impl ProgressState {
    /// The lines to print at the end of an operation. A failure gets none: it is shown at the end of the stage.
    fn finished(
        &mut self,
        operation: &Operation,
        record: &OperationRecord,
        is_notable: bool,
    ) -> Vec<String> {
        let key = self.operations.remove(&operation.id.0);
        let running = key.and_then(|key| self.running.remove(&key));
        let OperationOutcome::Done(result) = &record.outcome else {
            return Vec::new();
        };
        let (elapsed, bytes) = (record.duration, result.bytes.unwrap_or(0));
        let shown = running.filter(|running| running.was_shown || is_notable);
        let tally = self.tally.as_mut();
        let ended =
            tally.and_then(|tally| tally.record_done(operation, record.started, elapsed, bytes));
        let operation = shown.map(|running| done(&running.what, elapsed, bytes));
        let phase = ended.map(|ended| {
            let many = format!("{}: {}", ended.phase.name(), ended.operations);
            done(&many, ended.elapsed, ended.bytes)
        });
        operation.into_iter().chain(phase).collect()
    }
}

/// `write file /big: done (3.2s, 1 GiB)`
fn done(what: &str, elapsed: Duration, bytes: u64) -> String {
    match bytes {
        0 => format!("{what} done ({elapsed:.1?})"),
        bytes => format!("{what} done ({elapsed:.1?}, {})", human_size(bytes)),
    }
}

impl SharedProgress {
    /// Ignores poisoning: the state is valid even if a thread panicked while it held the lock.
    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, line: &str) {
        (self.out)(&format!("kindling: {}\n", escaped(line)));
    }

    fn begin(&self, state: &mut ProgressState, what: String) -> u64 {
        let since = Instant::now();
        let key = state.next;
        state.next += 1;
        CURRENT.set(Some(key));
        state.running.insert(
            key,
            Running {
                what,
                transfer: Transfer::default(),
                since,
                due: since + self.intervals.first,
                was_shown: false,
            },
        );
        key
    }

    /// Prints lines when they are due, until the stage ends.
    fn print_due_lines(&self) {
        let mut state = self.lock();
        while !state.is_over {
            let waited = self.wake.wait_timeout(state, self.intervals.poll);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let lines = state.due(Instant::now(), self.intervals.repeat);
            // Consoles are slow; workers must not wait for the lock meanwhile.
            drop(state);
            lines.iter().for_each(|line| self.print(line));
            state = self.lock();
        }
    }
}

impl ProgressState {
    /// The lines that are due at `now`, for activities that take long.
    fn due(&mut self, now: Instant, repeat: Duration) -> Vec<String> {
        let late = self.running.values_mut().filter(|r| r.due <= now);
        late.map(|running| {
            running.was_shown = true;
            running.due = now + repeat;
            let elapsed = now.saturating_duration_since(running.since);
            let seconds = elapsed.as_secs();
            match running.transfer.describe(elapsed) {
                None => format!("{} ... {seconds} s so far", running.what),
                Some(transfer) => format!("{} ... {seconds} s, {transfer}", running.what),
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::Done;
    use crate::plan::OpId;
    use crate::plan::op::{Effect, MountPoint, OpKind, Phase};

    fn operation(id: u32, effect: Effect) -> Operation {
        Operation {
            id: OpId(id),
            phase: Phase::Finish,
            effect,
            kind: OpKind::Sync(MountPoint { point: "/".into() }),
            origin: None,
            claims: Vec::new(),
            destroys: Vec::new(),
            after: Vec::new(),
        }
    }

    fn plan() -> Plan {
        let effects = [Effect::Create, Effect::Keep, Effect::Create];
        let operation = |(id, effect)| operation(id, effect);
        Plan {
            operations: (0..).zip(effects).map(operation).collect(),
            ..Plan::default()
        }
    }

    fn record(started: u64, bytes: u64) -> OperationRecord {
        OperationRecord {
            id: OpId(0),
            outcome: OperationOutcome::Done(Done {
                bytes: Some(bytes),
                ..Done::default()
            }),
            started: Duration::from_millis(started),
            duration: Duration::from_millis(500),
            worker: 0,
        }
    }

    /// What has been printed so far.
    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<String>>);

    impl Printed {
        fn text(&self) -> String {
            self.0.lock().expect("no panic").clone()
        }
        /// Waits until `part` has been printed `count` times.
        fn wait_for(&self, part: &str, count: usize) {
            let start = Instant::now();
            while self.text().matches(part).count() < count {
                assert!(start.elapsed().as_secs() < 120, "{}", self.text());
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// The lines that `run` causes with these intervals.
    fn lines(intervals: ProgressIntervals, run: impl FnOnce(&ConsoleProgress, &Printed)) -> String {
        let printed = Printed::default();
        let other = printed.clone();
        let out = move |line: &str| other.0.lock().expect("no panic").push_str(line);
        let progress = ConsoleProgress::start(Box::new(out), |_| false, intervals);
        run(&progress, &printed);
        drop(progress);
        printed.text()
    }

    #[test]
    fn quick_operations_give_one_line_per_phase() {
        let text = lines(PROGRESS_INTERVALS, |progress, _| {
            let plan = plan();
            progress.plan(&plan);
            for (operation, started) in plan.operations.iter().zip([0, 0, 700]) {
                progress.started(operation);
                progress.finished(operation, &record(started, 2048));
            }
            progress.print_phase("config", "from qemu", Duration::from_millis(30));
        });
        let want = "kindling: sync and unmount: 2 done (1.2s, 4 KiB)\n\
            kindling: config: from qemu (30.0ms)\n";
        assert_eq!(text, want);
    }

    #[test]
    fn failures_get_no_line() {
        let text = lines(PROGRESS_INTERVALS, |progress, _| {
            let plan = plan();
            progress.plan(&plan);
            let failed = OperationRecord {
                outcome: OperationOutcome::Failed(anyhow::anyhow!("no")),
                ..record(0, 0)
            };
            progress.started(&plan.operations[0]);
            progress.finished(&plan.operations[0], &failed);
        });
        assert_eq!(text, "");
    }

    #[test]
    fn lines_are_repeated_at_intervals() {
        let mut state = ProgressState::default();
        let since = Instant::now();
        state.running.insert(
            0,
            Running {
                transfer: Transfer::default(),
                what: "fetch".into(),
                since,
                due: since + PROGRESS_INTERVALS.first,
                was_shown: false,
            },
        );
        let mut at = |seconds| {
            state.due(
                since + Duration::from_secs(seconds),
                PROGRESS_INTERVALS.repeat,
            )
        };
        assert_eq!(at(1), Vec::<String>::new());
        assert_eq!(at(3), ["fetch ... 3 s so far"]);
        assert_eq!(at(7), Vec::<String>::new());
        assert_eq!(at(8), ["fetch ... 8 s so far"]);
    }

    #[test]
    fn received_bytes_count_for_the_activity_of_their_thread() {
        let intervals = ProgressIntervals {
            first: Duration::ZERO,
            repeat: Duration::from_millis(1),
            poll: Duration::from_millis(1),
        };
        let text = lines(intervals, |progress, printed| {
            let fetching = progress.begin_activity("config");
            progress.announced(6 << 20);
            progress.received(3 << 20);
            printed.wait_for(" s, 3 MiB of 6 MiB so far, ", 1);
            drop(fetching);
            progress.received(1);
        });
        assert!(text.starts_with("kindling: config ... "), "{text}");
        assert!(text.contains(", 3 MiB)\n"), "{text}");
    }

    #[test]
    fn long_operations_get_a_line_when_they_end() {
        let intervals = ProgressIntervals {
            first: Duration::ZERO,
            repeat: Duration::from_secs(60),
            poll: Duration::from_millis(1),
        };
        let text = lines(intervals, |progress, printed| {
            let plan = plan();
            progress.plan(&plan);
            progress.started(&plan.operations[0]);
            let waiting = progress.begin_activity("config from the network");
            printed.wait_for(" s so far\n", 2);
            progress.finished(&plan.operations[0], &record(0, 1 << 30));
            drop(waiting);
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        let is_waiting = |line: &&str| {
            let rest = line.strip_prefix("kindling: config from the network ... ");
            rest.is_some_and(|rest| rest.ends_with(" s so far"))
        };
        assert!(lines.iter().any(is_waiting), "{text}");
        let done = lines.iter().filter(|line| line.contains(" done ("));
        assert_eq!(done.count(), 2, "{text}");
        assert!(lines[2].ends_with("done (500.0ms, 1 GiB)"), "{text}");
    }
}
