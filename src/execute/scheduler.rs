//! Runs operations with a fixed, small number of workers, each as soon as its dependencies are done.
//!
//! After a failure nothing new is started, running operations are completed, and every operation is reported as done,
//! failed or not started.

use super::Done;
use crate::plan::{OpId, Operation, Plan};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// How one operation ended.
#[derive(Debug)]
pub enum OperationOutcome {
    /// Done.
    Done(Done),
    /// Failed; the chain of causes.
    Failed(anyhow::Error),
    /// Another operation failed, or the run was interrupted, before it started.
    NotStarted,
}

/// One operation's record.
#[derive(Debug)]
pub struct OperationRecord {
    /// Which operation.
    pub id: OpId,
    /// How it ended.
    pub outcome: OperationOutcome,
    /// Start, counted from the start of the run.
    pub started: Duration,
    /// How long it took.
    pub duration: Duration,
    /// The worker that carried it out, counted from 0 in the order they were started.
    pub worker: u32,
}

/// Is notified of operations as they run; called from workers.
pub trait Observer: Sync {
    /// An operation starts.
    fn started(&self, operation: &Operation);
    /// An operation has ended.
    fn finished(&self, operation: &Operation, record: &OperationRecord);
}

/// Ignores all notifications.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn started(&self, _: &Operation) {}
    fn finished(&self, _: &Operation, _: &OperationRecord) {}
}

/// How many operations run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// Operations of any kind.
    pub workers: usize,
    /// Operations that create file systems and the like: each keeps a processor and a disk busy.
    pub makers: usize,
    /// Workers for brief operations, which keep a processor busy and rarely wait.
    pub brief: usize,
}

/// Even with one processor, some of the brief operations may wait for a disk.
const MIN_BRIEF: usize = 4;

impl Width {
    /// Operations mostly wait for disks and networks, so there are `workers` of them whatever the number of processors.
    pub fn of_machine(workers: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            workers,
            makers: processors,
            brief: processors.max(MIN_BRIEF),
        }
    }
    /// The same number for all kinds.
    pub fn all(workers: usize) -> Self {
        Self {
            workers,
            makers: workers,
            brief: workers,
        }
    }
}

/// Maximum number of brief operations that a worker takes at a time. Taking each by itself costs more than running it.
const MAX_BATCH: usize = 256;

/// Operations of one kind that can be started, by number, and how many more workers may take some.
struct Queue {
    ready: BinaryHeap<Reverse<u32>>,
    free: usize,
}

impl Queue {
    fn new(width: usize) -> Self {
        Self {
            ready: BinaryHeap::new(),
            free: width.max(1),
        }
    }

    /// The first one in plan order, if it may be started.
    fn first(&self) -> Option<u32> {
        let first = self.ready.peek().filter(|_| self.free > 0);
        first.map(|id| id.0)
    }
}

/// Operations that can be started.
struct ReadyQueues {
    makers: Queue,
    brief: Queue,
    others: Queue,
}

impl ReadyQueues {
    fn queue(&mut self, operation: &Operation) -> &mut Queue {
        match &operation.kind {
            kind if kind.is_heavy() => &mut self.makers,
            kind if kind.is_brief() => &mut self.brief,
            _ => &mut self.others,
        }
    }

    fn push(&mut self, operation: &Operation) {
        let id = Reverse(operation.id.0);
        self.queue(operation).ready.push(id);
    }

    /// Takes the first operation in plan order that may be started; if it is brief, also the following ones up to the
    /// next of another kind.
    fn take(&mut self, batch: &mut Vec<u32>) {
        let [makers, brief, others] = [&self.makers, &self.brief, &self.others].map(Queue::first);
        let first_other = makers.into_iter().chain(others).min();
        let Some(first) = brief.into_iter().chain(first_other).min() else {
            return;
        };
        let queue = if brief == Some(first) {
            &mut self.brief
        } else if makers == Some(first) {
            &mut self.makers
        } else {
            &mut self.others
        };
        // Batches are small enough for each worker to get several, so that all end at about the same time.
        let count = match brief == Some(first) {
            true => (queue.ready.len() / (4 * queue.free)).clamp(1, MAX_BATCH),
            false => 1,
        };
        queue.free -= 1;
        let is_next = |id: u32| first_other.is_none_or(|other| id <= other);
        while batch.len() < count
            && queue.ready.peek().is_some_and(|id| is_next(id.0))
            && let Some(Reverse(id)) = queue.ready.pop()
        {
            batch.push(id);
        }
    }

    fn has_any(&self) -> bool {
        let queues = [&self.makers, &self.brief, &self.others];
        queues.into_iter().any(|queue| queue.first().is_some())
    }
}

struct SchedulerState {
    ready: ReadyQueues,
    waiting: Vec<u32>,
    records: Vec<Option<OperationRecord>>,
    /// Workers that carry out operations.
    running: usize,
    /// Workers that wait for operations.
    idle: usize,
    /// Workers that can still be started.
    spare: usize,
    stop: bool,
}

/// Carries out one operation.
type Act<'a> = dyn Fn(&Operation) -> anyhow::Result<Done> + Sync + 'a;

/// What a worker has been assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Operations; no other worker is needed.
    Full,
    /// Operations, and there are more for another worker, which should be started.
    WithMoreToDo,
}

struct Run<'a> {
    plan: &'a Plan,
    followers: Vec<Vec<u32>>,
    state: Mutex<SchedulerState>,
    wake: Condvar,
    /// Workers started so far.
    workers: AtomicU32,
    start: Instant,
    stop: &'a AtomicBool,
    observer: &'a dyn Observer,
}

/// Runs every operation of `plan` with `act`, `width` of them at a time. After `stop` is set (by a signal handler),
/// running operations are completed and no new ones are started. Returns one record per operation, in plan order.
pub fn run(
    plan: &Plan,
    width: Width,
    stop: &AtomicBool,
    observer: &dyn Observer,
    act: &Act<'_>,
) -> Vec<OperationRecord> {
    let run = Run::new(plan, width, stop, observer);
    // This thread is a worker too, and each worker starts another one if there is more to do than it can take.
    std::thread::scope(|scope| run.work(scope, act));
    run.into_records()
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, width: Width, stop: &'a AtomicBool, observer: &'a dyn Observer) -> Self {
        let count = plan.operations.len();
        let mut followers = vec![Vec::new(); count];
        for operation in &plan.operations {
            for before in &operation.after {
                followers[before.0 as usize].push(operation.id.0);
            }
        }
        let waiting = plan.operations.iter().map(|o| o.after.len() as u32);
        let waiting = waiting.collect();
        let mut ready = ReadyQueues {
            makers: Queue::new(width.makers),
            brief: Queue::new(width.brief),
            others: Queue::new(usize::MAX),
        };
        let free = plan.operations.iter().filter(|o| o.after.is_empty());
        free.for_each(|operation| ready.push(operation));
        let state = SchedulerState {
            ready,
            waiting,
            records: (0..count).map(|_| None).collect(),
            running: 0,
            idle: 0,
            spare: width.workers.saturating_sub(1),
            stop: false,
        };
        Self {
            plan,
            followers,
            state: Mutex::new(state),
            wake: Condvar::new(),
            workers: AtomicU32::new(0),
            start: Instant::now(),
            stop,
            observer,
        }
    }

    /// The state is valid even if a worker panicked.
    fn lock(&self) -> MutexGuard<'_, SchedulerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work<'s>(&'s self, scope: &'s Scope<'s, '_>, act: &'s Act<'_>) {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        let mut batch = Vec::new();
        let mut records = Vec::new();
        while let Some(turn) = self.turn(&mut batch, &mut records) {
            if turn == Turn::WithMoreToDo {
                // If no more threads can be started, the existing ones do all the work.
                let _ = std::thread::Builder::new().spawn_scoped(scope, || self.work(scope, act));
            }
            let operations = batch.iter().filter_map(|id| self.operation(*id));
            for operation in operations {
                if self.stop.load(Ordering::SeqCst) {
                    break;
                }
                records.push(self.carry_out(operation, worker, act));
            }
        }
    }

    fn operation(&self, id: u32) -> Option<&'a Operation> {
        self.plan.operations.get(id as usize)
    }

    fn carry_out(&self, operation: &Operation, worker: u32, act: &Act<'_>) -> OperationRecord {
        self.observer.started(operation);
        let started = self.start.elapsed();
        let outcome = match act(operation) {
            Ok(done) => OperationOutcome::Done(done),
            Err(error) => {
                // Nothing new starts, and running operations that check the flag, such as endless fetches, end as well.
                self.stop.store(true, Ordering::SeqCst);
                OperationOutcome::Failed(error)
            }
        };
        let duration = self.start.elapsed().saturating_sub(started);
        let record = OperationRecord {
            id: operation.id,
            outcome,
            started,
            duration,
            worker,
        };
        self.observer.finished(operation, &record);
        record
    }

    /// Returns the previous batch, and waits until operations are ready; `None` if there will be no more.
    fn turn(&self, batch: &mut Vec<u32>, records: &mut Vec<OperationRecord>) -> Option<Turn> {
        let mut state = self.lock();
        if let Some(first) = batch.first() {
            self.finish_batch(&mut state, *first, records);
            batch.clear();
        }
        while !state.stop && !self.stop.load(Ordering::SeqCst) {
            state.ready.take(batch);
            if !batch.is_empty() {
                state.running += 1;
                if !state.ready.has_any() {
                    return Some(Turn::Full);
                }
                // A worker that is woken or started does the same with the next one: waking all of them for each of
                // thousands of small files costs more than writing these.
                if state.idle > 0 {
                    self.wake.notify_one();
                } else if state.spare > 0 {
                    state.spare -= 1;
                    return Some(Turn::WithMoreToDo);
                }
                return Some(Turn::Full);
            }
            if state.running == 0 {
                break;
            }
            state.idle += 1;
            let woken = self.wake.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        // The worker that notices the end wakes the others; a signal handler cannot.
        self.wake.notify_all();
        None
    }

    /// Records the results of a batch that began with operation `first`.
    fn finish_batch(
        &self,
        state: &mut SchedulerState,
        first: u32,
        records: &mut Vec<OperationRecord>,
    ) {
        state.running -= 1;
        if let Some(operation) = self.operation(first) {
            state.ready.queue(operation).free += 1;
        }
        for record in records.drain(..) {
            let id = record.id.0 as usize;
            match record.outcome {
                OperationOutcome::Done(_) => self.release_followers(state, id),
                _ => state.stop = true,
            }
            state.records[id] = Some(record);
        }
    }

    fn release_followers(&self, state: &mut SchedulerState, id: usize) {
        for follower in &self.followers[id] {
            let waiting = &mut state.waiting[*follower as usize];
            *waiting -= 1;
            if *waiting == 0 {
                state.ready.push(&self.plan.operations[*follower as usize]);
            }
        }
    }

    fn into_records(self) -> Vec<OperationRecord> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let not_started = |index: usize| OperationRecord {
            id: OpId(u32::try_from(index).unwrap_or(u32::MAX)),
            outcome: OperationOutcome::NotStarted,
            started: Duration::ZERO,
            duration: Duration::ZERO,
            worker: 0,
        };
        let records = state.records.into_iter().enumerate();
        records
            .map(|(index, record)| record.unwrap_or_else(|| not_started(index)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DeviceRef;
    use crate::plan::op::{Effect, Expected, MakeFilesystem, MountPoint, OpKind, Phase};
    use std::sync::atomic::AtomicUsize;

    fn plan(after: &[&[u32]]) -> Plan {
        let operation = |(id, after): (usize, &&[u32])| Operation {
            id: OpId(id as u32),
            phase: Phase::Files,
            effect: Effect::Create,
            kind: OpKind::Sync(MountPoint { point: "/".into() }),
            origin: None,
            claims: Vec::new(),
            destroys: Vec::new(),
            after: after.iter().map(|id| OpId(*id)).collect(),
        };
        Plan {
            operations: after.iter().enumerate().map(operation).collect(),
            ..Plan::default()
        }
    }

    fn run_order(plan: &Plan, fail: Option<u32>) -> (Vec<u32>, Vec<OperationRecord>) {
        let order = Mutex::new(Vec::new());
        let records = run(
            plan,
            Width::all(4),
            &AtomicBool::new(false),
            &Unobserved,
            &|operation| {
                order.lock().expect("no worker panics").push(operation.id.0);
                anyhow::ensure!(fail != Some(operation.id.0), "told to fail");
                Ok(Done::default())
            },
        );
        (order.into_inner().expect("no worker panics"), records)
    }

    #[test]
    fn every_operation_runs_after_what_it_waits_for() {
        let plan = plan(&[&[2], &[0], &[], &[0, 1]]);
        let (order, records) = run_order(&plan, None);
        assert_eq!(order, [2, 0, 1, 3]);
        assert!(
            records
                .iter()
                .all(|r| matches!(r.outcome, OperationOutcome::Done(_)))
        );
    }

    #[test]
    fn nothing_starts_after_a_failure() {
        let plan = plan(&[&[], &[0], &[1]]);
        let (order, records) = run_order(&plan, Some(1));
        assert_eq!(order, [0, 1]);
        assert!(
            matches!(&records[1].outcome, OperationOutcome::Failed(e) if e.to_string() == "told to fail")
        );
        assert!(matches!(records[2].outcome, OperationOutcome::NotStarted));
    }

    /// A plan with `count` operations, which create file systems except for the last `others`, which are syncs.
    fn makers(count: u32, others: u32) -> Plan {
        let make = OpKind::MakeFilesystem(Box::new(MakeFilesystem {
            device: DeviceRef::Path {
                path: "/dev/x".into(),
            },
            format: "ext4".into(),
            label: None,
            uuid: None,
            options: Vec::new(),
            program: "mkfs.ext4".into(),
            arguments: Vec::new(),
            expected: Expected::Blank,
        }));
        let mut plan = plan(&vec![&[][..]; count as usize]);
        let makers = plan.operations.iter_mut().take((count - others) as usize);
        makers.for_each(|operation| operation.kind = make.clone());
        plan
    }

    #[test]
    fn makers_are_limited_and_do_not_block_others() {
        let (running, max_running, all) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let width = Width {
            workers: 6,
            makers: 2,
            brief: 2,
        };
        let records = run(
            &makers(12, 4),
            width,
            &AtomicBool::new(false),
            &Unobserved,
            &|operation| {
                all.fetch_add(1, Ordering::SeqCst);
                if operation.kind.is_heavy() {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    max_running.fetch_max(now, Ordering::SeqCst);
                    // The others, which follow all makers in plan order, start while the first makers run.
                    let deadline = Instant::now() + Duration::from_secs(60);
                    while all.load(Ordering::SeqCst) < 6 && Instant::now() < deadline {
                        std::thread::yield_now();
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                }
                anyhow::ensure!(
                    all.load(Ordering::SeqCst) >= 6 || !operation.kind.is_heavy(),
                    "nobody else started"
                );
                Ok(Done::default())
            },
        );
        assert!(
            records
                .iter()
                .all(|r| matches!(r.outcome, OperationOutcome::Done(_))),
            "{records:#?}"
        );
        assert_eq!(max_running.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_interrupted_run_starts_nothing() {
        let plan = plan(&[&[], &[]]);
        let records = run(
            &plan,
            Width::all(2),
            &AtomicBool::new(true),
            &Unobserved,
            &|_| Ok(Done::default()),
        );
        assert!(
            records
                .iter()
                .all(|r| matches!(r.outcome, OperationOutcome::NotStarted))
        );
    }

    #[test]
    fn an_empty_plan_ends_at_once() {
        assert!(run_order(&plan(&[]), None).1.is_empty());
    }
}
