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
use super::run::{Ran, Surroundings, run};
use super::state::State;
use super::trouble::Trouble;
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
pub struct Stand<'a> {
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
pub struct Body {
    /// Digest of the plan, if there was one.
    pub plan_digest: Option<String>,
    /// Digests of plans before it, of which only a part ran.
    pub earlier_plans: Vec<String>,
    /// Every operation.
    pub operations: Vec<OperationReport>,
    /// Warnings of the plan.
    pub warnings: Vec<Warning>,
    /// Why it failed.
    pub trouble: Option<Trouble>,
    /// What needs a network, in the stage that has none.
    pub needs_network: Option<NetworkNeed>,
    /// The distribution was asked for a network.
    pub asked_for_network: bool,
}

impl Body {
    /// A body that never began.
    pub fn of(trouble: Trouble) -> Self {
        Self::failed(trouble)
    }

    fn failed(trouble: impl Into<Trouble>) -> Self {
        Self {
            trouble: Some(trouble.into()),
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
pub fn body(stand: &mut Stand<'_>) -> Body {
    match stand.args.stage {
        Stage::FetchOffline => offline(stand),
        // The config was obtained before; that was all.
        Stage::Fetch => Body::default(),
        Stage::Kargs => kargs(stand),
        Stage::Disks => disks::body(stand),
        Stage::Mount => mount::body(stand),
        Stage::Files => files::body(stand),
        Stage::Umount => stand.plan_and_run(&Observed::default(), Part::Unmounts, None),
    }
}

/// Whether later stages can do without a network.
fn offline(stand: &Stand<'_>) -> Body {
    match needs_network(stand.document.config()) {
        Ok(need) => Body {
            needs_network: need,
            ..Body::default()
        },
        Err(error) => Body::failed(Trouble::of(
            "judge the resources of the config",
            &error.into(),
        )),
    }
}

fn kargs(stand: &mut Stand<'_>) -> Body {
    let wish = &stand.document.config().kernel_arguments;
    if wish.should_exist.is_empty() && wish.should_not_exist.is_empty() {
        return Body::default();
    }
    let observed = Observed {
        tools: observe::tools(),
        body_faults: observe::bodies::observe(stand.document.config(), stand.fetcher),
        ..Observed::default()
    };
    stand.plan_and_run(&observed, Part::KernelArguments, None)
}

impl Stand<'_> {
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
    ) -> Body {
        match self.plan(self.document, observed, &options(part, first_boot)) {
            Ok(plan) => self.run(&plan, Keys::default()).0,
            Err(trouble) => Body::failed(trouble),
        }
    }

    /// Plans; every refusal is logged, the first one stands for all.
    fn plan(
        &self,
        document: &Document,
        observed: &Observed,
        options: &Options,
    ) -> Result<Plan, Trouble> {
        plan::build(document, observed, options).map_err(|refusals| {
            refusals
                .iter()
                .for_each(|refusal| self.log.critical(refusal));
            Trouble::refused(&refusals)
        })
    }

    /// Runs a plan. Besides what it did: its keys and the directories it made.
    fn run(&mut self, plan: &Plan, keys: Keys) -> (Body, Yield) {
        let root = self.root();
        let Ran {
            plan_digest,
            operations,
            keys,
            result,
            made,
        } = run(
            plan,
            keys,
            &Surroundings {
                stage: self.args.stage,
                log: self.log,
                root: &root,
                fetcher: self.fetcher,
                progress: self.progress,
            },
        );
        let body = Body {
            plan_digest: Some(plan_digest),
            operations,
            warnings: plan.warnings.clone(),
            trouble: result.err(),
            ..Body::default()
        };
        (body, Yield { keys, made })
    }
}

/// What later stages need of a run.
struct Yield {
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
