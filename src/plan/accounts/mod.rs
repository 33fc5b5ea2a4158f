//! Users, groups and ssh keys.
//!
//! Every request of the config is applied, in order, to a copy of the databases by the code that executes it later:
//! what that refuses is refused here. An existing account is compared field by field, and only what differs is changed.
//! Accounts come before the nodes of the tree, which may belong to them or be in a new home.

mod adopt;
mod compare;
mod groups;
mod homes;
mod keys;
mod predicted;
mod users;

pub use keys::key_text;
pub use predicted::PredictedAccounts;

use super::op::{AlreadyRight, Subject};
use super::paths::PlannedTree;
use super::{Draft, Effect, ErrorCode, Failure, OpKind, Operation, Phase};
use crate::accounts::{AccountFile, AccountRefusal};
use crate::config::Origin;
use crate::config::model::{Config, NodeOwner};
use crate::layout::ACCOUNTS_DIRECTORY;
use crate::paths::ResolveError;
use std::collections::HashMap;

/// Drafts all operations on accounts.
pub fn plan(draft: &mut Draft<'_>) {
    let config = draft.document.config();
    let planned = PlannedTree::of(draft);
    let refused_before = draft.refusals().len();
    let mut planner = AccountPlanner {
        directories: directories(config, &planned),
        homes: HashMap::new(),
        config,
        draft,
        planned,
        handed_over: HashMap::new(),
    };
    for (index, group) in config.passwd.groups.iter().enumerate() {
        planner.plan_group(index, group);
    }
    for (index, user) in config.passwd.users.iter().enumerate() {
        planner.plan_user(index, user);
    }
    planner.adopt_owners();
    planner.refuse_without_directory();
    if planner.draft.refusals().len() == refused_before {
        planner.refuse_contradictions();
    }
}

/// Directories that the config requests, by resolved path; true if owned by a name.
fn directories(config: &Config, planned: &PlannedTree<'_>) -> HashMap<String, bool> {
    let by_name = |owner: &NodeOwner| owner.id.is_none() && owner.name.is_some();
    config
        .storage
        .directories
        .iter()
        .filter_map(|directory| {
            let path = planned.resolve(&directory.path).ok()?;
            Some((path, by_name(&directory.user) || by_name(&directory.group)))
        })
        .collect()
}

struct AccountPlanner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    config: &'a Config,
    planned: PlannedTree<'a>,
    directories: HashMap<String, bool>,
    /// Homes whose content follows a change of the user's ids, with the former ids, by user.
    handed_over: HashMap<String, HandedOver>,
    /// Names of the users for whom homes are created or handed over, by place.
    homes: HashMap<String, String>,
}

/// A home whose content follows a change of ids.
struct HandedOver {
    place: String,
    /// Where it is now.
    from: String,
    uid: u32,
    gid: u32,
}

impl AccountPlanner<'_, '_> {
    /// Refuses to change accounts if the directory of the databases is not one. Accounts are created before a directory
    /// of the config replaces what is there.
    fn refuse_without_directory(&mut self) {
        let Err(ResolveError::NotADirectory { at }) =
            self.planned.resolve(AccountFile::Passwd.path())
        else {
            return;
        };
        let writes = |op: &&Operation| op.phase == Phase::Accounts && op.effect != Effect::Keep;
        let Some(first) = self.draft.operations().iter().find(writes) else {
            return;
        };
        let origin = first.origin.clone();
        self.draft.refuse(Failure {
            act: "write the account databases in".into(),
            object: ACCOUNTS_DIRECTORY.into(),
            cause: format!("{at} is not a directory"),
            origin,
            remedy: format!("make {at} a directory in the image or tree"),
            code: Some(ErrorCode::ACCOUNT),
        });
    }

    fn already_right(&mut self, subject: Subject, because: &str, origin: Option<Origin>) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject,
            because: because.into(),
        });
        self.draft
            .push(Phase::Accounts, Effect::Keep, kind, origin, Vec::new());
    }

    fn refuse(&mut self, act: &str, object: String, why: AccountRefusal, origin: Option<Origin>) {
        self.draft.refuse(Failure {
            act: act.into(),
            object,
            cause: why.cause,
            origin,
            remedy: why.remedy,
            code: Some(ErrorCode::ACCOUNT),
        });
    }
}

fn id(desired: Option<i64>) -> Option<u32> {
    desired.and_then(|id| u32::try_from(id).ok())
}

fn non_empty(desired: &Option<String>) -> Option<String> {
    desired.clone().filter(|text| !text.is_empty())
}
