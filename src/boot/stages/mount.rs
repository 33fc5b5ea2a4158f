//! The mount stage: the file systems of the config below the target root.

use super::{StageContext, StageResult, options};
use crate::boot::labels;
use crate::boot::stage_failure::StageFailure;
use crate::config::Config;
use crate::config::model::Storage;
use crate::execute::Keys;
use crate::facts::Observed;
use crate::observe::{self, root::View};
use crate::paths::clean;
use crate::plan::op::{OpKind, Phase};
use crate::plan::{self, FirstBoot, Part, Plan};
use anyhow::Context;

pub(super) fn body(context: &mut StageContext<'_>) -> StageResult {
    let config = filesystems_only(context.document.config());
    if plan::mounts::points(&config).is_empty() {
        return StageResult::default();
    }
    match observe_points(context, &config) {
        Ok(observed) => plan_and_run(context, &observed),
        Err(error) => StageResult::failed(StageFailure::of("look at the mount points", &error)),
    }
}

/// What concerns mounting; the tree need not be compared yet.
fn filesystems_only(config: &Config) -> Config {
    Config {
        storage: Storage {
            filesystems: config.storage.filesystems.clone(),
            ..Storage::default()
        },
        ..Config::default()
    }
}

fn observe_points(context: &StageContext<'_>, config: &Config) -> anyhow::Result<Observed> {
    let root = context.root();
    // What lies below a mount point that is itself mounted by this stage is seen as the root has it; a
    // directory that turns out to be missing is made all the same.
    let view = View::default();
    Ok(Observed {
        tools: observe::tools(),
        root: observe::root::observe(config, &root, context.fetcher, &view)
            .context("nothing was mounted")?,
        ..Observed::default()
    })
}

fn plan_and_run(context: &mut StageContext<'_>, observed: &Observed) -> StageResult {
    let first_boot = FirstBoot {
        labels: labels::decide(
            &observed.root.selinux,
            context.environment.selinux_relabel,
            context.log,
        ),
        ..FirstBoot::default()
    };
    let options = options(Part::Mounts, Some(first_boot));
    let plan = match context.plan(context.document, observed, &options) {
        Ok(plan) => plan,
        Err(failure) => return StageResult::failed(failure),
    };
    let (body, yielded) = context.run(&plan, Keys::default());
    let invented = invented(&plan, &yielded.made);
    if !invented.is_empty() {
        let noted = context.state.notated_directories.get_or_insert_default();
        noted.extend(invented);
    }
    body
}

/// Directories that were not there before; they may belong into somebody's home.
fn invented(plan: &Plan, made: &[u32]) -> Vec<String> {
    let operations = plan.operations.iter();
    let made = operations.filter(|op| op.phase == Phase::Mount && made.contains(&op.id.0));
    made.filter_map(|operation| match &operation.kind {
        OpKind::Directory(act) => Some(clean(&act.path)),
        _ => None,
    })
    .collect()
}
