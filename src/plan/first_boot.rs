//! What a first boot writes to the target in addition to its config: names of arrays, keys and crypttab of encrypted
//! volumes, files of the platform, the result file, and a placeholder for the report.

mod arrays;

use super::keys::{self, CrypttabVolume, UnlockKey};
use super::op::*;
use super::paths::PlannedTree;
use super::{
    Access, Claim, ClaimedResource, Draft, Effect, ErrorCode, Failure, OpKind, Phase, relabel,
};
use crate::config::Origin;
use crate::config::model;
use crate::facts::NodeKind;
use crate::layout::{REPORT_FILE, RESULT_FILE};

pub use arrays::Array;

/// What the files stage of a first boot needs in addition to the config.
#[derive(Debug, Clone, Default)]
pub struct FirstBoot {
    /// Directories that mounting had to create, as paths inside the target.
    pub mount_directories: Vec<String>,
    /// Arrays to find on later boots.
    pub arrays: Vec<Array>,
    /// Encrypted volumes to unlock on later boots.
    pub volumes: Vec<CrypttabVolume>,
    /// Keys of volumes in Crypto Express adapters, by file name.
    pub volume_keys: Vec<(String, UnlockKey)>,
    /// Files the platform hands over.
    pub platform_files: Vec<model::File>,
    /// Text of the result file.
    pub result: String,
    /// Whether new nodes get SELinux labels.
    pub labels: relabel::Labels,
}

/// Drafts all of it.
pub fn plan(draft: &mut Draft<'_>) {
    let Some(first_boot) = &draft.options.first_boot else {
        return;
    };
    keys::plan(draft, &first_boot.volumes);
    keys::plan_repository(draft, &first_boot.volume_keys);
    let planned = PlannedTree::of(draft);
    let mut planner = FirstBootPlanner { draft, planned };
    planner.plan_arrays(&first_boot.arrays);
    for file in &first_boot.platform_files {
        planner.plan_platform_file(file);
    }
    planner.plan_result(first_boot.result.clone());
    // The report is complete only when everything is done; its file gets a name and a label before.
    planner.plan_text_file(REPORT_FILE, String::new());
}

/// Drafts what completes a first boot once everything else is written and synced.
pub fn complete(draft: &mut Draft<'_>) {
    if let Some(first_boot) = &draft.options.first_boot {
        keys::hand_over_last(draft, &first_boot.volumes);
    }
}

struct FirstBootPlanner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    planned: PlannedTree<'a>,
}

impl FirstBootPlanner<'_, '_> {
    fn plan_platform_file(&mut self, file: &model::File) {
        let Some(path) = self.resolve(&file.path, &None) else {
            return;
        };
        let overwrite = file.overwrite == Some(true);
        if self.planned.exists(&path) && !overwrite {
            return self.refuse_occupied(&path);
        }
        let kind = OpKind::File(FileAct {
            path: path.as_str().into(),
            base: Base::Empty,
            parts: vec![Content::fetched(&file.contents)],
            permissions: Permissions::of_mode(
                file.mode
                    .and_then(|mode| u32::try_from(mode).ok())
                    .unwrap_or(0o644),
            ),
            replace: self.planned.exists(&path),
            differs: Vec::new(),
            unit: None,
            finishes: false,
        });
        self.push(Phase::Records, Effect::Create, &path, kind, None);
    }

    /// Records that the machine was provisioned, so it comes last: it has the same claim as operations that end the use
    /// of the root.
    fn plan_result(&mut self, text: String) {
        let last = self.draft.operations().len();
        self.plan_text_file(RESULT_FILE, text);
        let release = Claim::new(Access::Release, ClaimedResource::Mount("/".into()));
        let written = self.draft.operations.iter_mut().skip(last);
        written
            .filter(|operation| matches!(operation.kind, OpKind::File(_)))
            .for_each(|operation| operation.claims.push(release.clone()));
    }

    fn plan_text_file(&mut self, wanted: &str, text: String) {
        let Some(path) = self.resolve(wanted, &None) else {
            return;
        };
        let node = self.planned.node(&path);
        if node.is_some_and(|node| matches!(node.kind, NodeKind::Directory { .. })) {
            return self.refuse_occupied(&path);
        }
        let effect = if node.is_some() {
            Effect::Change
        } else {
            Effect::Create
        };
        let kind = OpKind::File(FileAct {
            path: path.as_str().into(),
            base: Base::Empty,
            parts: vec![Content::text(&text)],
            permissions: Permissions::of_mode(0o600),
            replace: node.is_some(),
            differs: Vec::new(),
            unit: None,
            finishes: false,
        });
        self.push(Phase::Records, effect, &path, kind, None);
    }

    fn resolve(&mut self, path: &str, origin: &Option<Origin>) -> Option<String> {
        self.planned.resolve_or_refuse(self.draft, path, origin)
    }

    fn push(
        &mut self,
        phase: Phase,
        effect: Effect,
        path: &str,
        kind: OpKind,
        origin: Option<Origin>,
    ) {
        if !self
            .planned
            .make_parents(self.draft, phase, path, origin.as_ref())
        {
            return;
        }
        let claims = self.planned.claims(path);
        self.planned
            .push(self.draft, phase, effect, kind, origin, claims);
    }

    fn refuse_occupied(&mut self, path: &str) {
        self.draft.refuse(Failure {
            act: "write".into(),
            object: path.into(),
            cause: "something else is there".into(),
            origin: None,
            remedy: "remove it from the image".into(),
            code: Some(ErrorCode::EXISTS),
        });
    }
}
