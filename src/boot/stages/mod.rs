//! What each stage does once there is a config: looks, plans its part, runs the plan.

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

/// All a stage works with.
pub(crate) struct StageContext<'a> {
    /// Flags.
    pub args: &'a StageArgs,
    pub environment: &'a Environment,
    /// True for the downstream differences of Flatcar that others must not get.
    pub flatcar: bool,
    pub log: &'a Log,
    /// Base and user config in one.
    pub document: &'a Document,
    /// What passes between stages.
    pub state: &'a mut State,
    /// With the transport settings of the config.
    pub fetcher: &'a Fetcher,
    /// The console.
    pub progress: &'a ConsoleProgress,
}

/// What a stage did.
#[derive(Debug, Default)]
pub(crate) struct StageResult {
    /// Digest of the plan, if there was one.
    pub plan_digest: Option<String>,
    /// Digests of plans before it, of which only a part ran.
    pub earlier_plans: Vec<String>,
    pub operations: Vec<OperationReport>,
    /// Warnings of the plan.
    pub warnings: Vec<Warning>,
    pub failure: Option<StageFailure>,
    /// What needs a network, in the stage that has none.
    pub needs_network: Option<NetworkNeed>,
    /// The distribution was asked for a network.
    pub asked_for_network: bool,
}

impl StageResult {
    /// A body that never began.
    pub(crate) fn of(failure: StageFailure) -> Self {
        Self::failed(failure)
    }

    fn failed(failure: impl Into<StageFailure>) -> Self {
        Self {
            failure: Some(failure.into()),
            ..Self::default()
        }
    }

    /// This one ran a part of a plan.
    fn ahead_of(self, plan: &Plan) -> Self {
        Self {
            plan_digest: None,
            earlier_plans: vec![digest(plan)],
            ..self
        }
    }

    /// This one and what came behind it.
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
pub(crate) fn body(context: &mut StageContext<'_>) -> StageResult {
    match context.args.stage {
        Stage::FetchOffline => offline(context),
        // The config was obtained before; that was all.
        Stage::Fetch => StageResult::default(),
        Stage::Kargs => kargs(context),
        Stage::Disks => disks::body(context),
        Stage::Mount => mount::body(context),
        Stage::Files => files::body(context),
        Stage::Umount => context.look_plan_and_run(StagePart::Unmounts, "look at the mounts"),
    }
}

/// Whether later stages can do without a network.
fn offline(context: &StageContext<'_>) -> StageResult {
    match needs_network(context.document.config()) {
        Ok(need) => StageResult {
            needs_network: need,
            ..StageResult::default()
        },
        Err(error) => StageResult::failed(StageFailure::of(
            "judge the resources of the config",
            &error.into(),
        )),
    }
}

fn kargs(context: &mut StageContext<'_>) -> StageResult {
    let wish = &context.document.config().kernel_arguments;
    if wish.should_exist.is_empty() && wish.should_not_exist.is_empty() {
        return StageResult::default();
    }
    context.look_plan_and_run(StagePart::KernelArguments, "look at the machine")
}

impl StageContext<'_> {
    /// What the stage works on.
    fn machine(&self) -> RunTarget {
        let root = TargetRoot::new(&self.args.root);
        RunTarget::new(root, Devices::default(), self.fetcher.clone())
    }

    /// Looks, plans one part that a first boot adds nothing to, and runs the plan. `look` says what the look is for.
    fn look_plan_and_run(&mut self, part: StagePart, look: &str) -> StageResult {
        let machine = self.machine();
        let planner = planner(part, None);
        match planner.plan(self.document, &machine) {
            Ok(plan) => self.run(&plan, &machine, &VolumeKeys::default()).0,
            Err(error) => StageResult::failed(self.failure(error, look)),
        }
    }

    /// Plans by what was seen.
    fn plan(
        &self,
        planner: &Planner,
        document: &Document,
        observed: &Observed,
    ) -> Result<Plan, StageFailure> {
        planner
            .plan_by(document, observed)
            .map_err(|refusals| self.refused(&refusals))
    }

    /// The failure of a plan that could not be made; `look` names what was being looked at.
    fn failure(&self, error: RoundError, look: &str) -> StageFailure {
        match error {
            RoundError::Unobservable(error) => StageFailure::of(look, &error),
            RoundError::Refused(refusals) => self.refused(&refusals),
        }
    }

    /// Every refusal is logged, the first one stands for all.
    fn refused(&self, refusals: &[Failure]) -> StageFailure {
        refusals
            .iter()
            .for_each(|refusal| self.log.critical(refusal));
        StageFailure::refused(refusals)
    }

    /// Runs a plan. Besides what it did: the operations that made a directory.
    fn run(&self, plan: &Plan, machine: &RunTarget, keys: &VolumeKeys) -> (StageResult, Vec<u32>) {
        let ran = run(
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
            plan_digest: Some(ran.plan_digest),
            operations: ran.operations,
            warnings: plan.warnings.clone(),
            failure: ran.result.err(),
            ..StageResult::default()
        };
        (result, ran.made)
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
