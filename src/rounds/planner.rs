//! Plans of one config for one machine, each based on what is known by then.

use super::error::RoundError;
use super::{RunTarget, observation};
use crate::config::Document;
use crate::disk::DeviceRef;
use crate::facts::{KernelFacts, Observed};
use crate::host::devices::DeviceAccess;
use crate::plan::{self, Failure, Options, Plan, prerequisites};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Executes plans for a [`Planner`].
pub(crate) trait Runner {
    /// Executes `plan`, which may be only the part of another one that has to run first. Returns true if every
    /// operation is done.
    fn run(&mut self, plan: &Plan, part_of: Option<&Plan>) -> bool;
    /// A part that ran has made more visible: `now` replaces `before`.
    fn replanned(&mut self, before: &Plan, now: &Plan);
}

/// Observes, plans and runs, and keeps what was found out on the way.
pub(crate) struct Planner {
    options: Options,
    access: DeviceAccess,
    /// Volumes and arrays that earlier parts opened to inspect them.
    opened: BTreeSet<DeviceRef>,
    /// Volumes whose keys were found outside of the target root.
    found_keys: BTreeSet<String>,
}

impl Planner {
    /// A planner for a run or, with [`DeviceAccess::Read`], for a plan that is only shown.
    pub(crate) fn new(options: Options, access: DeviceAccess) -> Self {
        Self {
            options,
            access,
            opened: BTreeSet::new(),
            found_keys: BTreeSet::new(),
        }
    }

    /// The options of the plans.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Adds volumes for which there are keys outside of the target root.
    pub(crate) fn add_keys(&mut self, volumes: impl IntoIterator<Item = String>) {
        self.found_keys.extend(volumes);
    }

    /// Observes the machine as it is now.
    ///
    /// # Errors
    /// If it cannot be observed, or a file system that is kept cannot be mounted as the config requests.
    pub(crate) fn observe(
        &self,
        document: &Document,
        machine: &RunTarget,
    ) -> Result<Observed, RoundError> {
        let mut observed = Observed {
            opened: self.opened.clone(),
            ..observation::observe_scope(document, machine, &self.options)?
        };
        observed.kept_keys.extend(self.found_keys.iter().cloned());
        Ok(observed)
    }

    /// Plans with given observations.
    ///
    /// # Errors
    /// All refusals.
    pub(crate) fn plan_from(
        &self,
        document: &Document,
        observed: &Observed,
    ) -> Result<Plan, Vec<Failure>> {
        let mut plan = plan::build(document, observed, &self.options)?;
        self.check_drivers(&mut plan, observed.kernel.as_ref())?;
        Ok(plan)
    }

    /// Observes the machine as it is now, and plans.
    ///
    /// # Errors
    /// If it cannot be observed, or the config is refused.
    pub(crate) fn plan(
        &self,
        document: &Document,
        machine: &RunTarget,
    ) -> Result<Plan, RoundError> {
        let observed = self.observe(document, machine)?;
        self.plan_from(document, &observed)
            .map_err(RoundError::Refused)
    }

    /// Drivers that the kernel lacks are refused for a run, and warned about for a plan that is only shown.
    fn check_drivers(
        &self,
        plan: &mut Plan,
        kernel: Option<&KernelFacts>,
    ) -> Result<(), Vec<Failure>> {
        if self.access == DeviceAccess::Read {
            let warnings = plan::drivers::warnings(plan, kernel);
            plan.warnings.extend(warnings);
            return Ok(());
        }
        match plan::drivers::refusals(plan, kernel) {
            refusals if refusals.is_empty() => Ok(()),
            refusals => Err(refusals),
        }
    }

    /// Runs a plan. Existing volumes and arrays that have to be opened to be inspected come first, then everything is
    /// planned again. Returns the last plan, of which all or a part ran: what `runner` has seen.
    ///
    /// # Errors
    /// If a part has run and then the machine cannot be observed, or the config is refused after all.
    pub(crate) fn run(
        &mut self,
        document: Cow<'_, Document>,
        machine: &RunTarget,
        mut plan: Plan,
        runner: &mut dyn Runner,
    ) -> Result<Plan, RoundError> {
        while let Some(part) = prerequisites::first_part(&plan, &self.opened) {
            if !runner.run(&part, Some(&plan)) {
                return Ok(plan);
            }
            self.opened.extend(prerequisites::opened_by(&part));
            let next = self.plan(&document, machine)?;
            runner.replanned(&plan, &next);
            plan = next;
        }
        // It is most of the memory for a large config, and nothing is planned any more.
        drop(document);
        runner.run(&plan, None);
        Ok(plan)
    }
}
