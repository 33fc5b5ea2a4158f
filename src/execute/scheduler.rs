//! Runs operations with a fixed, small number of workers, each as soon as what it waits for is done.
//!
//! On a failure nothing new starts, running work ends, and every operation is reported as done,
//! failed or not started.

use super::Done;
use crate::plan::{OpId, Operation, Plan};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How one operation ended.
#[derive(Debug)]
pub enum Outcome {
    /// Done.
    Done(Done),
    /// Failed; the chain of causes.
    Failed(anyhow::Error),
    /// Another operation failed, or the run was interrupted, before it started.
    NotStarted,
}

/// One operation's record.
#[derive(Debug)]
pub struct Record {
    /// Which operation.
    pub id: OpId,
    /// How it ended.
    pub outcome: Outcome,
    /// Start, counted from the start of the run.
    pub started: Duration,
    /// How long it took.
    pub duration: Duration,
}

/// Hears of operations as they run; called from workers.
pub trait Observer: Sync {
    /// An operation starts.
    fn started(&self, operation: &Operation);
    /// It ended.
    fn finished(&self, operation: &Operation, record: &Record);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn started(&self, _: &Operation) {}
    fn finished(&self, _: &Operation, _: &Record) {}
}

/// How many operations run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// Of any kind.
    pub workers: usize,
    /// Of those that make file systems and the like: each keeps a processor and a disk busy.
    pub makers: usize,
}

impl Width {
    /// Small operations mostly wait for disks and networks, so there are `most` of them whatever the number of
    /// processors.
    pub fn of_machine(most: usize) -> Self {
        Self {
            workers: most,
            makers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
    /// That many of any kind.
    pub fn all(workers: usize) -> Self {
        Self {
            workers,
            makers: workers,
        }
    }
}

/// What can start, by number, and how many makers may.
struct Ready {
    makers: BinaryHeap<Reverse<u32>>,
    others: BinaryHeap<Reverse<u32>>,
    free_makers: usize,
}

impl Ready {
    fn push(&mut self, operation: &Operation) {
        let heap = match operation.kind.is_making() {
            true => &mut self.makers,
            false => &mut self.others,
        };
        heap.push(Reverse(operation.id.0));
    }

    /// The first in plan order that may start.
    fn pop(&mut self) -> Option<u32> {
        let maker = self.makers.peek().filter(|_| self.free_makers > 0);
        // Of two the greater of the reversed numbers is the smaller one; nothing is less than anything.
        if maker > self.others.peek() {
            self.free_makers -= 1;
            return self.makers.pop().map(|id| id.0);
        }
        self.others.pop().map(|id| id.0)
    }

    fn ended(&mut self, operation: &Operation) {
        self.free_makers += usize::from(operation.kind.is_making());
    }
}

struct State {
    ready: Ready,
    waiting: Vec<usize>,
    records: Vec<Option<Record>>,
    running: usize,
    stop: bool,
}

struct Run<'a> {
    plan: &'a Plan,
    followers: Vec<Vec<u32>>,
    state: Mutex<State>,
    wake: Condvar,
    start: Instant,
    stop: &'a AtomicBool,
    observer: &'a dyn Observer,
}

/// Runs every operation of `plan` through `act`, `width` of them at a time. Setting `stop`
/// (from a signal handler) lets running operations end and starts no new ones. Returns one record
/// per operation, in plan order.
pub fn run(
    plan: &Plan,
    width: Width,
    stop: &AtomicBool,
    observer: &dyn Observer,
    act: &(dyn Fn(&Operation) -> anyhow::Result<Done> + Sync),
) -> Vec<Record> {
    let run = Run::new(plan, width, stop, observer);
    std::thread::scope(|scope| {
        let start = |_: &usize| {
            let worker = std::thread::Builder::new().spawn_scoped(scope, || run.work(act));
            worker.is_ok()
        };
        let workers = 0..width.workers.clamp(1, plan.operations.len().max(1));
        // If no thread can be started, this one does all the work.
        if workers.filter(start).count() == 0 {
            run.work(act);
        }
    });
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
        let waiting: Vec<usize> = plan.operations.iter().map(|o| o.after.len()).collect();
        let mut ready = Ready {
            makers: BinaryHeap::new(),
            others: BinaryHeap::new(),
            free_makers: width.makers.max(1),
        };
        let free = plan.operations.iter().filter(|o| o.after.is_empty());
        free.for_each(|operation| ready.push(operation));
        let state = State {
            ready,
            waiting,
            records: (0..count).map(|_| None).collect(),
            running: 0,
            stop: false,
        };
        Self {
            plan,
            followers,
            state: Mutex::new(state),
            wake: Condvar::new(),
            start: Instant::now(),
            stop,
            observer,
        }
    }

    /// A worker that panicked has aborted the process or poisoned nothing we cannot read.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, act: &(dyn Fn(&Operation) -> anyhow::Result<Done> + Sync)) {
        while let Some(operation) = self.next() {
            self.observer.started(operation);
            let started = self.start.elapsed();
            let outcome = match act(operation) {
                Ok(done) => Outcome::Done(done),
                Err(error) => Outcome::Failed(error),
            };
            let duration = self.start.elapsed().saturating_sub(started);
            let record = Record {
                id: operation.id,
                outcome,
                started,
                duration,
            };
            self.observer.finished(operation, &record);
            self.finish(record);
        }
    }

    /// Waits for an operation to be ready; `None` when nothing will be any more.
    fn next(&self) -> Option<&'a Operation> {
        let mut state = self.lock();
        loop {
            if state.stop || self.stop.load(Ordering::Relaxed) {
                break;
            }
            if let Some(id) = state.ready.pop() {
                state.running += 1;
                return self.plan.operations.get(id as usize);
            }
            if state.running == 0 {
                break;
            }
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        // Whoever sees the end tells those that sleep; a signal handler cannot.
        self.wake.notify_all();
        None
    }

    fn finish(&self, record: Record) {
        let mut state = self.lock();
        state.running -= 1;
        let id = record.id.0 as usize;
        // The end of a maker lets another one start, besides what waited for it.
        let mut freed = usize::from(self.plan.operations[id].kind.is_making());
        let done = matches!(record.outcome, Outcome::Done(_));
        state.records[id] = Some(record);
        state.ready.ended(&self.plan.operations[id]);
        if done {
            for follower in &self.followers[id] {
                state.waiting[*follower as usize] -= 1;
                if state.waiting[*follower as usize] == 0 {
                    state.ready.push(&self.plan.operations[*follower as usize]);
                    freed += 1;
                }
            }
        } else {
            state.stop = true;
            // Running operations that listen, such as endless fetches, end as well.
            self.stop.store(true, Ordering::Relaxed);
        }
        drop(state);
        // This worker takes one of the freed operations itself; waking all for each of thousands of
        // small files costs more than writing them.
        (1..freed).for_each(|_| self.wake.notify_one());
    }

    fn into_records(self) -> Vec<Record> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let not_started = |index: usize| Record {
            id: OpId(u32::try_from(index).unwrap_or(u32::MAX)),
            outcome: Outcome::NotStarted,
            started: Duration::ZERO,
            duration: Duration::ZERO,
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

    fn run_order(plan: &Plan, fail: Option<u32>) -> (Vec<u32>, Vec<Record>) {
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
                .all(|r| matches!(r.outcome, Outcome::Done(_)))
        );
    }

    #[test]
    fn nothing_starts_after_a_failure() {
        let plan = plan(&[&[], &[0], &[1]]);
        let (order, records) = run_order(&plan, Some(1));
        assert_eq!(order, [0, 1]);
        assert!(
            matches!(&records[1].outcome, Outcome::Failed(e) if e.to_string() == "told to fail")
        );
        assert!(matches!(records[2].outcome, Outcome::NotStarted));
    }

    /// A plan of so many file systems, the last `others` of which are syncs.
    fn makers(count: u32, others: u32) -> Plan {
        let make = OpKind::MakeFilesystem(MakeFilesystem {
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
        });
        let mut plan = plan(&vec![&[][..]; count as usize]);
        let makers = plan.operations.iter_mut().take((count - others) as usize);
        makers.for_each(|operation| operation.kind = make.clone());
        plan
    }

    #[test]
    fn makers_are_limited_and_hold_up_nobody_else() {
        let (running, most, all) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let width = Width {
            workers: 6,
            makers: 2,
        };
        let records = run(
            &makers(12, 4),
            width,
            &AtomicBool::new(false),
            &Unobserved,
            &|operation| {
                all.fetch_add(1, Ordering::SeqCst);
                if operation.kind.is_making() {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    // The others, behind all makers in plan order, start while the first makers run.
                    let deadline = Instant::now() + Duration::from_secs(60);
                    while all.load(Ordering::SeqCst) < 6 && Instant::now() < deadline {
                        std::thread::yield_now();
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                }
                anyhow::ensure!(
                    all.load(Ordering::SeqCst) >= 6 || !operation.kind.is_making(),
                    "nobody else started"
                );
                Ok(Done::default())
            },
        );
        assert!(
            records
                .iter()
                .all(|r| matches!(r.outcome, Outcome::Done(_))),
            "{records:#?}"
        );
        assert_eq!(most.load(Ordering::SeqCst), 2);
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
                .all(|r| matches!(r.outcome, Outcome::NotStarted))
        );
    }

    #[test]
    fn an_empty_plan_ends_at_once() {
        assert!(run_order(&plan(&[]), None).1.is_empty());
    }
}
