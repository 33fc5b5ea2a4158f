//! Plans of one config for one machine, each by what is known by then.

use super::error::RoundError;
use super::{RunTarget, look};
use crate::config::Document;
use crate::disk::DeviceRef;
use crate::facts::{KernelFacts, Observed};
use crate::host::devices::DeviceAccess;
use crate::plan::{self, Failure, Options, Plan, prerequisites};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Executes plans for a [`Planner`].
pub(crate) trait Runner {
    /// Executes `plan`, which may be only the part of another one that has to run ahead of the rest. True if every operation
    /// is done.
    fn run(&mut self, plan: &Plan, part_of: Option<&Plan>) -> bool;
    /// What ran has shown more: `now` takes the place of `before`.
    fn replanned(&mut self, before: &Plan, now: &Plan);
}

/// Observes, plans and runs, with what was found out on the way.
pub(crate) struct Planner {
    options: Options,
    access: DeviceAccess,
    /// What earlier parts put together to look into it.
    opened: BTreeSet<DeviceRef>,
    /// Volumes whose keys were found elsewhere than in the target root.
    found_keys: BTreeSet<String>,
}

impl Planner {
    /// A planner for a run or, with [`DeviceAccess::Read`], for a look.
    pub(crate) fn new(options: Options, access: DeviceAccess) -> Self {
        Self {
            options,
            access,
            opened: BTreeSet::new(),
            found_keys: BTreeSet::new(),
        }
    }

    /// What is planned.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Tells of keys that open these volumes and are not in the target root.
    pub(crate) fn add_keys(&mut self, volumes: impl IntoIterator<Item = String>) {
        self.found_keys.extend(volumes);
    }

    /// Looks at the machine as it is now.
    ///
    /// # Errors
    /// It cannot be observed, or a file system that is kept cannot be mounted as the config asks for.
    pub(crate) fn look(
        &self,
        document: &Document,
        machine: &RunTarget,
    ) -> Result<Observed, RoundError> {
        let mut observed = Observed {
            opened: self.opened.clone(),
            ..look::look(document, machine, &self.options)?
        };
        observed.kept_keys.extend(self.found_keys.iter().cloned());
        Ok(observed)
    }

    /// Plans by what was seen.
    ///
    /// # Errors
    /// Every refusal.
    pub(crate) fn plan_by(
        &self,
        document: &Document,
        observed: &Observed,
    ) -> Result<Plan, Vec<Failure>> {
        let mut plan = plan::build(document, observed, &self.options)?;
        self.check_drivers(&mut plan, observed.kernel.as_ref())?;
        Ok(plan)
    }

    /// Looks at the machine as it is now, and plans.
    ///
    /// # Errors
    /// It cannot be observed, or the config is refused.
    pub(crate) fn plan(
        &self,
        document: &Document,
        machine: &RunTarget,
    ) -> Result<Plan, RoundError> {
        let observed = self.look(document, machine)?;
        self.plan_by(document, &observed)
            .map_err(RoundError::Refused)
    }

    /// A run needs what the kernel lacks; a look tells it.
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

    /// Runs a plan. What exists but has to be put together to be looked into comes first, then all is planned again.
    /// Returns the last plan, of which all or a part ran: what `runner` has seen.
    ///
    /// # Errors
    /// When a part has run, the machine cannot be observed, or the config is refused after all.
    pub(crate) fn run(
        &mut self,
        document: Cow<'_, Document>,
        machine: &RunTarget,
        mut plan: Plan,
        runner: &mut dyn Runner,
    ) -> Result<Plan, RoundError> {
        while let Some(part) = prerequisites::ahead(&plan, &self.opened) {
            if !runner.run(&part, Some(&plan)) {
                return Ok(plan);
            }
            self.opened.extend(prerequisites::opened_by(&part));
            let next = self.plan(&document, machine)?;
            runner.replanned(&plan, &next);
            plan = next;
        }
        // Of a large config it is most of the memory, and nothing is planned any more.
        drop(document);
        runner.run(&plan, None);
        Ok(plan)
    }
}
