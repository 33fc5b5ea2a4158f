//! The body of each stage, once there is a config: observe, plan its part, run the plan.

mod arrays;
mod disks;
mod files;
mod kept_keys;
mod mount;
mod result_file;

use super::args::{Stage, StageArgs};
use super::run::{RunContext, run};
use super::stage_failure::StageFailure;
use super::state::State;
use crate::acquire::environment::Environment;
use crate::config::Document;
use crate::narration::console::ConsoleProgress;

use crate::acquire::{NetworkNeed, needs_network};
use crate::execute::VolumeKeys;
use crate::facts::Observed;
use crate::fetch::Fetcher;
use crate::host::devices::DeviceAccess;
use crate::host::{Devices, TargetRoot};
use crate::log::Log;
use crate::plan::digest::digest;
use crate::plan::{
    Failure, FirstBoot, Mounts, Options, Plan, Scope, StagePart, TargetState, Warning,
};
use crate::report::OperationReport;
use crate::report::record;
use crate::rounds::{Planner, RoundError, RunTarget};

/// The context of a stage's body.
pub(crate) struct StageContext<'a> {
    /// The parsed flags.
    pub args: &'a StageArgs,
    pub environment: &'a Environment,
    /// True on Flatcar, for the special cases that only apply there.
    pub is_flatcar: bool,
    pub log: &'a Log,
    /// The merged base and user config.
    pub document: &'a Document,
    /// State passed between stages.
    pub state: &'a mut State,
    /// Has the transport settings of the config.
    pub fetcher: &'a Fetcher,
    /// Progress on the consoles.
    pub progress: &'a ConsoleProgress,
}

/// The result of a stage.
#[derive(Debug, Default)]
pub(crate) struct StageResult {
    /// Digest of the plan, if there was one.
    pub plan_digest: Option<String>,
    /// Digests of earlier plans, of which only a part ran.
    pub earlier_plans: Vec<String>,
    pub operations: Vec<OperationReport>,
    /// Warnings of the plan.
    pub warnings: Vec<Warning>,
    pub failure: Option<StageFailure>,
    /// What needs a network, in the stage without one.
    pub needs_network: Option<NetworkNeed>,
    /// True if a network was requested from the distribution.
    pub requested_network: bool,
}

impl StageResult {
    /// The result of a stage that failed without running a plan.
    pub(crate) fn failed(failure: impl Into<StageFailure>) -> Self {
        Self {
            failure: Some(failure.into()),
            ..Self::default()
        }
    }

    /// Marks this as the result of running a part of `plan`.
    fn of_part(self, plan: &Plan) -> Self {
        Self {
            plan_digest: None,
            earlier_plans: vec![digest(plan)],
            ..self
        }
    }

    /// Combines this result with the one that followed it.
    fn then(mut self, next: Self) -> Self {
        record::append(&mut self.operations, next.operations);
        self.earlier_plans.extend(next.earlier_plans);
        Self {
            operations: self.operations,
            earlier_plans: self.earlier_plans,
            ..next
        }
    }
}

/// Runs the body of the stage.
pub(crate) fn run_body(context: &mut StageContext<'_>) -> StageResult {
    match context.args.stage {
        Stage::FetchOffline => offline(context),
        // The config has been obtained; there is nothing else to do.
        Stage::Fetch => StageResult::default(),
        Stage::Kargs => kargs(context),
        Stage::Disks => disks::run_body(context),
        Stage::Mount => mount::run_body(context),
        Stage::Files => files::run_body(context),
        Stage::Umount => context.observe_plan_and_run(StagePart::Unmounts, "examine the mounts"),
    }
}

/// Determines whether later stages need a network.
fn offline(context: &StageContext<'_>) -> StageResult {
    match needs_network(context.document.config()) {
        Ok(need) => StageResult {
            needs_network: need,
            ..StageResult::default()
        },
        Err(error) => StageResult::failed(StageFailure::of(
            "check the resources of the config",
            &error.into(),
        )),
    }
}

fn kargs(context: &mut StageContext<'_>) -> StageResult {
    let arguments = &context.document.config().kernel_arguments;
    if arguments.should_exist.is_empty() && arguments.should_not_exist.is_empty() {
        return StageResult::default();
    }
    context.observe_plan_and_run(StagePart::KernelArguments, "examine the machine")
}

impl StageContext<'_> {
    /// The target of the stage.
    fn machine(&self) -> RunTarget {
        let root = TargetRoot::new(&self.args.root);
        RunTarget::new(root, Devices::default(), self.fetcher.clone())
    }

    /// Observes, plans one part that needs nothing else of a first boot, and runs the plan. `act` describes the
    /// observation in failures.
    fn observe_plan_and_run(&mut self, part: StagePart, act: &str) -> StageResult {
        let machine = self.machine();
        let planner = planner(part, None);
        match planner.plan(self.document, &machine) {
            Ok(plan) => self.run(&plan, &machine, &VolumeKeys::default()).0,
            Err(error) => StageResult::failed(self.failure(error, act)),
        }
    }

    /// Makes a plan from what was observed.
    fn plan(
        &self,
        planner: &Planner,
        document: &Document,
        observed: &Observed,
    ) -> Result<Plan, StageFailure> {
        planner
            .plan_from(document, observed)
            .map_err(|refusals| self.refused(&refusals))
    }

    /// Converts a failure to make a plan; `act` describes the observation.
    fn failure(&self, error: RoundError, act: &str) -> StageFailure {
        match error {
            RoundError::Unobservable(error) => StageFailure::of(act, &error),
            RoundError::Refused(refusals) => self.refused(&refusals),
        }
    }

    /// Logs every refusal, and returns the first one with the number of the others.
    fn refused(&self, refusals: &[Failure]) -> StageFailure {
        refusals
            .iter()
            .for_each(|refusal| self.log.critical(refusal));
        StageFailure::refused(refusals)
    }

    /// Runs a plan; returns its result and the ids of the operations that created a directory.
    fn run(&self, plan: &Plan, machine: &RunTarget, keys: &VolumeKeys) -> (StageResult, Vec<u32>) {
        let run_result = run(
            plan,
            &RunContext {
                stage: self.args.stage,
                log: self.log,
                progress: self.progress,
                machine,
                keys,
            },
        );
        let result = StageResult {
            plan_digest: Some(run_result.plan_digest),
            operations: run_result.operations,
            warnings: plan.warnings.clone(),
            failure: run_result.result.err(),
            ..StageResult::default()
        };
        (result, run_result.created_directories)
    }
}

/// A planner for one part of a first boot.
fn planner(part: StagePart, first_boot: Option<FirstBoot>) -> Planner {
    let options = Options {
        scope: Scope::Stage(part),
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: TargetState::Present,
        first_boot,
    };
    Planner::new(options, DeviceAccess::Write)
}
