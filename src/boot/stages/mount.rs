//! The mount stage: mounts the file systems of the config below the target root.

use super::{StageContext, StageResult, planner};
use crate::boot::labels;
use crate::execute::VolumeKeys;
use crate::paths::clean;
use crate::plan::op::{OpKind, Phase};
use crate::plan::{self, FirstBoot, Plan, StagePart};

/// Describes the observation in failures.
const ACT: &str = "examine the mount points";

pub(super) fn run_body(context: &mut StageContext<'_>) -> StageResult {
    if plan::mounts::points(context.document.config()).is_empty() {
        return StageResult::default();
    }
    let machine = context.machine();
    let observed = match planner(StagePart::Mounts, None).observe(context.document, &machine) {
        Ok(observed) => observed,
        Err(error) => return StageResult::failed(context.failure(error, ACT)),
    };
    let first_boot = FirstBoot {
        labels: labels::decide(
            &observed.root.selinux,
            context.environment.selinux_relabel,
            context.log,
        ),
        ..FirstBoot::default()
    };
    let planner = planner(StagePart::Mounts, Some(first_boot));
    let plan = match context.plan(&planner, context.document, &observed) {
        Ok(plan) => plan,
        Err(failure) => return StageResult::failed(failure),
    };
    let (result, created) = context.run(&plan, &machine, &VolumeKeys::default());
    let directories = created_directories(&plan, &created);
    if !directories.is_empty() {
        let notated = context.state.notated_directories.get_or_insert_default();
        notated.extend(directories);
    }
    result
}

/// Paths of the created directories. The files stage sets the owner of those that belong in a home directory.
fn created_directories(plan: &Plan, created: &[u32]) -> Vec<String> {
    let operations = plan.operations.iter();
    let operations = operations.filter(|op| op.phase == Phase::Mount && created.contains(&op.id.0));
    operations
        .filter_map(|operation| match &operation.kind {
            OpKind::Directory(act) => Some(clean(&act.path)),
            _ => None,
        })
        .collect()
}
