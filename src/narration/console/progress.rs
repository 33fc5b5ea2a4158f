//! Progress of a stage: a line for each part of it when it ends, and for anything that takes long.

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

/// When what is under way gets a line.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// It has taken this long.
    first: Duration,
    /// And this long again.
    again: Duration,
    /// How often that is looked at.
    look: Duration,
}

const PROGRESS_INTERVAL: Pace = Pace {
    first: Duration::from_secs(2),
    again: Duration::from_secs(5),
    look: Duration::from_millis(250),
};

thread_local! {
    /// What this thread is at.
    static CURRENT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Something under way.
struct Running {
    what: String,
    /// What came in so far.
    transfer: Transfer,
    since: Instant,
    /// When it gets its next line.
    due: Instant,
    /// It had one.
    told: bool,
}

/// What is going on.
#[derive(Default)]
struct ProgressState {
    running: BTreeMap<u64, Running>,
    next: u64,
    tally: Option<Tally>,
    /// Keys of operations, by their number in the plan.
    operations: BTreeMap<u32, u64>,
    over: bool,
}

struct SharedProgress {
    out: Box<dyn Fn(&str) + Send + Sync>,
    /// True for operations that get a line when they end, however quick they were.
    notable: fn(&Operation) -> bool,
    pace: Pace,
    state: Mutex<ProgressState>,
    wake: Condvar,
}

/// Progress of one stage. Its last line is written before the value is gone.
pub(crate) struct ConsoleProgress {
    shared: Arc<SharedProgress>,
    ticker: Option<JoinHandle<()>>,
}

/// Something that is under way while the value lives.
#[must_use = "what is under way ends when the value goes"]
pub(crate) struct UnderWay<'a> {
    shared: &'a SharedProgress,
    key: u64,
}

impl ConsoleProgress {
    /// Progress on consoles.
    pub(crate) fn on(consoles: Arc<Consoles>) -> Self {
        Self::start(
            Box::new(move |line| consoles.write(line)),
            |_| false,
            PROGRESS_INTERVAL,
        )
    }

    /// Progress in lines for `out`; operations that are `notable` each get one when they end.
    pub(crate) fn into_lines(
        out: impl Fn(&str) + Send + Sync + 'static,
        notable: fn(&Operation) -> bool,
    ) -> Self {
        Self::start(Box::new(out), notable, PROGRESS_INTERVAL)
    }

    fn start(
        out: Box<dyn Fn(&str) + Send + Sync>,
        notable: fn(&Operation) -> bool,
        pace: Pace,
    ) -> Self {
        let shared = Arc::new(SharedProgress {
            out,
            notable,
            pace,
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let other = Arc::clone(&shared);
        // Without it there is less to see, and no harm.
        let ticker = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || other.watch());
        Self {
            shared,
            ticker: ticker.ok(),
        }
    }

    /// A plan is about to run.
    pub(crate) fn plan(&self, plan: &Plan) {
        let mut state = self.shared.lock();
        state.tally = Some(Tally::new(plan));
        state.operations.clear();
    }

    /// A part of the stage that is not an operation ended, e.g. `config`, `from qemu, 2 documents`.
    pub(crate) fn phase(&self, name: &str, detail: &str, took: Duration) {
        self.shared.say(&format!("{name}: {detail} ({took:.1?})"));
    }

    /// More bytes came in for what this thread is at.
    pub(crate) fn received(&self, bytes: u64) {
        self.change(|transfer| transfer.receive(bytes));
    }

    /// A body of this length is about to come in for what this thread is at.
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

    /// Something that is not an operation begins; it gets lines if it takes long.
    pub(crate) fn under_way(&self, what: impl Into<String>) -> UnderWay<'_> {
        let key = self.shared.begin(&mut self.shared.lock(), what.into());
        UnderWay {
            shared: &self.shared,
            key,
        }
    }
}

impl Drop for ConsoleProgress {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.wake.notify_all();
        if let Some(ticker) = self.ticker.take() {
            drop(ticker.join());
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let ended = self.shared.lock().running.remove(&self.key);
        CURRENT.set(None);
        if let Some(running) = ended.filter(|running| running.told) {
            let took = running.since.elapsed();
            let bytes = running.transfer.bytes;
            self.shared.say(&done(&running.what, took, bytes));
        }
    }
}

impl Observer for ConsoleProgress {
    fn started(&self, operation: &Operation) {
        if tally::acts(operation) {
            let mut state = self.shared.lock();
            let key = self.shared.begin(&mut state, operation.kind.describe());
            state.operations.insert(operation.id.0, key);
        }
    }

    fn finished(&self, operation: &Operation, record: &OperationRecord) {
        CURRENT.set(None);
        let notable = tally::acts(operation) && (self.shared.notable)(operation);
        let lines = self.shared.lock().finished(operation, record, notable);
        lines.iter().for_each(|line| self.shared.say(line));
    }
}

impl ProgressState {
    /// What there is to say now that an operation has ended. A failure is not told here: the last screen
    /// tells it.
    fn finished(
        &mut self,
        operation: &Operation,
        record: &OperationRecord,
        notable: bool,
    ) -> Vec<String> {
        let key = self.operations.remove(&operation.id.0);
        let running = key.and_then(|key| self.running.remove(&key));
        let OperationOutcome::Done(result) = &record.outcome else {
            return Vec::new();
        };
        let (took, bytes) = (record.duration, result.bytes.unwrap_or(0));
        let told = running.filter(|running| running.told || notable);
        let tally = self.tally.as_mut();
        let ended = tally.and_then(|tally| tally.done(operation, record.started, took, bytes));
        let operation = told.map(|running| done(&running.what, took, bytes));
        let phase = ended.map(|ended| {
            let many = format!("{}: {}", ended.phase.name(), ended.operations);
            done(&many, ended.took, ended.bytes)
        });
        operation.into_iter().chain(phase).collect()
    }
}

/// `write file /big: done (3.2s, 1 GiB)`
fn done(what: &str, took: Duration, bytes: u64) -> String {
    match bytes {
        0 => format!("{what} done ({took:.1?})"),
        bytes => format!("{what} done ({took:.1?}, {})", human_size(bytes)),
    }
}

impl SharedProgress {
    /// A thread that panicked while it held the lock has aborted the process or broken nothing here.
    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: &str) {
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
                due: since + self.pace.first,
                told: false,
            },
        );
        key
    }

    /// Writes the lines that become due, until it is over.
    fn watch(&self) {
        let mut state = self.lock();
        while !state.over {
            let waited = self.wake.wait_timeout(state, self.pace.look);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let lines = state.due(Instant::now(), self.pace.again);
            // Consoles are slow; workers must not wait for them here.
            drop(state);
            lines.iter().for_each(|line| self.say(line));
            state = self.lock();
        }
    }
}

impl ProgressState {
    /// Lines for what has taken long again.
    fn due(&mut self, now: Instant, again: Duration) -> Vec<String> {
        let late = self.running.values_mut().filter(|r| r.due <= now);
        late.map(|running| {
            running.told = true;
            running.due = now + again;
            let so_far = now.saturating_duration_since(running.since);
            let seconds = so_far.as_secs();
            match running.transfer.so_far(so_far) {
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

    /// Lines of a run whose progress is looked at rarely, or all the time.
    fn lines(pace: Pace, run: impl FnOnce(&ConsoleProgress)) -> String {
        let text: Arc<Mutex<String>> = Arc::default();
        let other = Arc::clone(&text);
        let out = move |line: &str| other.lock().expect("no panic").push_str(line);
        let progress = ConsoleProgress::start(Box::new(out), |_| false, pace);
        run(&progress);
        drop(progress);
        Arc::into_inner(text)
            .expect("the ticker has ended")
            .into_inner()
            .expect("no panic")
    }

    #[test]
    fn quick_operations_give_one_line_per_phase() {
        let text = lines(PROGRESS_INTERVAL, |progress| {
            let plan = plan();
            progress.plan(&plan);
            for (operation, started) in plan.operations.iter().zip([0, 0, 700]) {
                progress.started(operation);
                progress.finished(operation, &record(started, 2048));
            }
            progress.phase("config", "from qemu", Duration::from_millis(30));
        });
        let want = "kindling: sync and unmount: 2 done (1.2s, 4 KiB)\n\
            kindling: config: from qemu (30.0ms)\n";
        assert_eq!(text, want);
    }

    #[test]
    fn failures_are_left_to_the_last_screen() {
        let text = lines(PROGRESS_INTERVAL, |progress| {
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
    fn lines_become_due_after_a_while_and_again_later() {
        let mut state = ProgressState::default();
        let since = Instant::now();
        state.running.insert(
            0,
            Running {
                transfer: Transfer::default(),
                what: "fetch".into(),
                since,
                due: since + PROGRESS_INTERVAL.first,
                told: false,
            },
        );
        let mut at = |seconds| {
            state.due(
                since + Duration::from_secs(seconds),
                PROGRESS_INTERVAL.again,
            )
        };
        assert_eq!(at(1), Vec::<String>::new());
        assert_eq!(at(3), ["fetch ... 3 s so far"]);
        assert_eq!(at(7), Vec::<String>::new());
        assert_eq!(at(8), ["fetch ... 8 s so far"]);
    }

    #[test]
    fn what_comes_in_counts_for_what_its_thread_is_at() {
        let pace = Pace {
            first: Duration::ZERO,
            again: Duration::from_secs(60),
            look: Duration::from_millis(50),
        };
        let text = lines(pace, |progress| {
            let fetching = progress.under_way("config");
            progress.announced(6 << 20);
            progress.received(3 << 20);
            std::thread::sleep(Duration::from_millis(200));
            drop(fetching);
            progress.received(1);
        });
        assert!(
            text.contains("kindling: config ... 0 s, 3 MiB of 6 MiB so far, "),
            "{text}"
        );
        assert!(text.contains(", 3 MiB)\n"), "{text}");
    }

    #[test]
    fn what_took_long_is_told_when_it_ends() {
        let pace = Pace {
            first: Duration::ZERO,
            again: Duration::from_secs(60),
            look: Duration::from_millis(1),
        };
        let text = lines(pace, |progress| {
            let plan = plan();
            progress.plan(&plan);
            progress.started(&plan.operations[0]);
            let waiting = progress.under_way("config from the network");
            std::thread::sleep(Duration::from_millis(100));
            progress.finished(&plan.operations[0], &record(0, 1 << 30));
            drop(waiting);
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines.contains(&"kindling: config from the network ... 0 s so far"),
            "{text}"
        );
        let done = lines.iter().filter(|line| line.contains(" done ("));
        assert_eq!(done.count(), 2, "{text}");
        assert!(lines[2].ends_with("done (500.0ms, 1 GiB)"), "{text}");
    }
}
