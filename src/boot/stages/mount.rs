//! The mount stage: the file systems of the config below the target root.

use super::{StageContext, StageResult, planner};
use crate::boot::labels;
use crate::execute::VolumeKeys;
use crate::paths::clean;
use crate::plan::op::{OpKind, Phase};
use crate::plan::{self, FirstBoot, Plan, StagePart};

/// What the look is for, in failures.
const LOOK: &str = "look at the mount points";

pub(super) fn body(context: &mut StageContext<'_>) -> StageResult {
    if plan::mounts::points(context.document.config()).is_empty() {
        return StageResult::default();
    }
    let machine = context.machine();
    let observed = match planner(StagePart::Mounts, None).look(context.document, &machine) {
        Ok(observed) => observed,
        Err(error) => return StageResult::failed(context.failure(error, LOOK)),
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
    let (result, made) = context.run(&plan, &machine, &VolumeKeys::default());
    let invented = invented(&plan, &made);
    if !invented.is_empty() {
        let noted = context.state.notated_directories.get_or_insert_default();
        noted.extend(invented);
    }
    result
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
