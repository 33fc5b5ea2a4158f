//! The mount stage: the file systems of the config below the target root.

use super::{Body, Stand, options};
use crate::boot::labels;
use crate::boot::trouble::Trouble;
use crate::config::Config;
use crate::config::model::Storage;
use crate::execute::Keys;
use crate::facts::Observed;
use crate::facts::paths::clean;
use crate::observe::{self, root::View};
use crate::plan::op::{OpKind, Phase};
use crate::plan::{self, FirstBoot, Part, Plan};
use anyhow::Context;

pub(super) fn body(stand: &mut Stand<'_>) -> Body {
    let config = filesystems_only(stand.document.config());
    if plan::mounts::points(&config).is_empty() {
        return Body::default();
    }
    match observe_points(stand, &config) {
        Ok(observed) => plan_and_run(stand, &observed),
        Err(error) => Body::failed(Trouble::of("look at the mount points", &error)),
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

fn observe_points(stand: &Stand<'_>, config: &Config) -> anyhow::Result<Observed> {
    let root = stand.root();
    // What lies below a mount point that is itself mounted by this stage is seen as the root has it; a
    // directory that turns out to be missing is made all the same.
    let view = View::default();
    Ok(Observed {
        tools: observe::tools(),
        root: observe::root::observe(config, &root, stand.fetcher, &view)
            .context("nothing was mounted")?,
        ..Observed::default()
    })
}

fn plan_and_run(stand: &mut Stand<'_>, observed: &Observed) -> Body {
    let first_boot = FirstBoot {
        labels: labels::decide(
            &observed.root.selinux,
            stand.environment.selinux_relabel,
            stand.log,
        ),
        ..FirstBoot::default()
    };
    let options = options(Part::Mounts, Some(first_boot));
    let plan = match stand.plan(stand.document, observed, &options) {
        Ok(plan) => plan,
        Err(trouble) => return Body::failed(trouble),
    };
    let (body, yielded) = stand.run(&plan, Keys::default());
    let invented = invented(&plan, &yielded.made);
    if !invented.is_empty() {
        let noted = stand.state.notated_directories.get_or_insert_default();
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
