//! Executes a plan on a machine.

use super::RunTarget;
use crate::execute::scheduler::{self, Observer, OperationRecord, Width};
use crate::execute::{self, Context, VolumeKeys};
use crate::fetch::FetchEvents;
use crate::plan::Plan;
use std::sync::atomic::AtomicBool;

/// Maximum number of jobs: more concurrent transfers or mkfs processes help no machine known to us.
pub(crate) const MAX_JOBS: usize = 16;

/// How a plan is executed, and who is notified.
pub(crate) struct Execution<'a> {
    /// How many operations run at a time.
    pub width: Width,
    /// Nothing new starts once it is set.
    pub stop: &'a AtomicBool,
    /// Notified of operations.
    pub observer: &'a dyn Observer,
    /// Notified of fetches, and ends them when the run is over.
    pub events: &'a (dyn FetchEvents + Sync),
    /// Keys of the volumes that the run creates or opens.
    pub keys: &'a VolumeKeys,
}

impl Execution<'_> {
    /// Executes a plan; returns one record per operation.
    pub(crate) fn run(&self, plan: &Plan, machine: &RunTarget) -> Vec<OperationRecord> {
        let context = Context {
            keys: self.keys,
            root: &machine.root,
            devices: &machine.devices,
            fetcher: &machine.fetcher,
            events: self.events,
            copies: execute::Copies::default(),
            directories: execute::Directories::default(),
        };
        scheduler::run(plan, self.width, self.stop, self.observer, &|operation| {
            execute::execute(&operation.kind, &context)
        })
    }
}
