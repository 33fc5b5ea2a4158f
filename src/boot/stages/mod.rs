//! What each stage does once there is a config: looks, plans its part, runs the plan.

mod arrays;
mod disks;
mod files;
mod kept_keys;
mod mount;
mod result_file;

use super::args::{Stage, StageArgs};
use super::console::Progress;
use super::environment::Environment;
use super::run::{RunContext, RunResult, run};
use super::stage_failure::StageFailure;
use super::state::State;
use crate::config::Document;

use crate::execute::{KeyStore, Keys, record};
use crate::facts::Observed;
use crate::fetch::{Fetcher, NetworkNeed, needs_network};
use crate::host::TargetRoot;
use crate::log::Log;
use crate::observe;
use crate::plan::digest::digest;
use crate::plan::{self, FirstBoot, Mounts, Options, Part, Plan, Scope, Target, Warning};
use crate::report::OperationReport;

/// All a stage works with.
pub struct StageContext<'a> {
    /// Flags.
    pub args: &'a StageArgs,
    /// Environment.
    pub environment: &'a Environment,
    /// True for the downstream differences of Flatcar that others must not get.
    pub flatcar: bool,
    /// The log.
    pub log: &'a Log,
    /// Base and user config in one.
    pub document: &'a Document,
    /// What passes between stages.
    pub state: &'a mut State,
    /// With the transport settings of the config.
    pub fetcher: &'a Fetcher,
    /// The console.
    pub progress: &'a Progress,
}

/// What a stage did.
#[derive(Debug, Default)]
pub struct StageResult {
    /// Digest of the plan, if there was one.
    pub plan_digest: Option<String>,
    /// Digests of plans before it, of which only a part ran.
    pub earlier_plans: Vec<String>,
    /// Every operation.
    pub operations: Vec<OperationReport>,
    /// Warnings of the plan.
    pub warnings: Vec<Warning>,
    /// Why it failed.
    pub failure: Option<StageFailure>,
    /// What needs a network, in the stage that has none.
    pub needs_network: Option<NetworkNeed>,
    /// The distribution was asked for a network.
    pub asked_for_network: bool,
}

impl StageResult {
    /// A body that never began.
    pub fn of(failure: StageFailure) -> Self {
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
pub fn body(context: &mut StageContext<'_>) -> StageResult {
    match context.args.stage {
        Stage::FetchOffline => offline(context),
        // The config was obtained before; that was all.
        Stage::Fetch => StageResult::default(),
        Stage::Kargs => kargs(context),
        Stage::Disks => disks::body(context),
        Stage::Mount => mount::body(context),
        Stage::Files => files::body(context),
        Stage::Umount => context.plan_and_run(&Observed::default(), Part::Unmounts, None),
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
    let observed = Observed {
        tools: observe::tools(),
        body_faults: observe::bodies::observe(context.document.config(), context.fetcher),
        ..Observed::default()
    };
    context.plan_and_run(&observed, Part::KernelArguments, None)
}

impl StageContext<'_> {
    /// The target root.
    fn root(&self) -> TargetRoot {
        TargetRoot::new(&self.args.root)
    }

    /// Plans one part and runs the plan.
    fn plan_and_run(
        &mut self,
        observed: &Observed,
        part: Part,
        first_boot: Option<FirstBoot>,
    ) -> StageResult {
        match self.plan(self.document, observed, &options(part, first_boot)) {
            Ok(plan) => self.run(&plan, Keys::default()).0,
            Err(failure) => StageResult::failed(failure),
        }
    }

    /// Plans; every refusal is logged, the first one stands for all.
    fn plan(
        &self,
        document: &Document,
        observed: &Observed,
        options: &Options,
    ) -> Result<Plan, StageFailure> {
        plan::build(document, observed, options).map_err(|refusals| {
            refusals
                .iter()
                .for_each(|refusal| self.log.critical(refusal));
            StageFailure::refused(&refusals)
        })
    }

    /// Runs a plan. Besides what it did: its keys and the directories it made.
    fn run(&mut self, plan: &Plan, keys: Keys) -> (StageResult, RunArtifacts) {
        let root = self.root();
        let RunResult {
            plan_digest,
            operations,
            keys,
            result,
            made,
        } = run(
            plan,
            keys,
            &RunContext {
                stage: self.args.stage,
                log: self.log,
                root: &root,
                fetcher: self.fetcher,
                progress: self.progress,
            },
        );
        let body = StageResult {
            plan_digest: Some(plan_digest),
            operations,
            warnings: plan.warnings.clone(),
            failure: result.err(),
            ..StageResult::default()
        };
        (body, RunArtifacts { keys, made })
    }
}

/// What later stages need of a run.
struct RunArtifacts {
    keys: KeyStore,
    made: Vec<u32>,
}

fn options(part: Part, first_boot: Option<FirstBoot>) -> Options {
    Options {
        scope: Scope::Stage(part),
        mounts: Mounts::All,
        ignore_unsupported: false,
        target: Target::Present,
        first_boot,
    }
}
