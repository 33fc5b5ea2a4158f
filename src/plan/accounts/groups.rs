//! Groups of the config.

use super::compare::compare_group;
use super::{AccountPlanner, id, non_empty};
use crate::accounts::{AccountKind, Change, GroupRequest};
use crate::config::Origin;
use crate::config::model::PasswdGroup;
use crate::plan::op::{GroupAct, Subject};
use crate::plan::{Claim, Effect, OpKind, Phase};

impl AccountPlanner<'_, '_> {
    pub(super) fn plan_group(&mut self, index: usize, desired: &PasswdGroup) {
        let origin = self.draft.origin(&format!("$.passwd.groups.{index}"));
        let present = self.draft.accounts.databases.group(&desired.name);
        match (desired.should_exist, present) {
            (Some(false), None) => {
                let subject = Subject::Group(desired.name.clone());
                self.already_right(subject, "already absent", origin);
            }
            (Some(false), Some(present)) => {
                if let Some(layer) = present.layer {
                    return self.keep_in_image(Subject::Group(present.name), layer, origin);
                }
                let request = GroupRequest::new(&desired.name, Change::Delete);
                self.push_group(request, Vec::new(), None, origin);
            }
            (_, None) => {
                let mut request = GroupRequest::new(&desired.name, Change::Create);
                request.gid = id(desired.gid);
                request.system = desired.system == Some(true);
                request.password_hash = non_empty(&desired.password_hash);
                self.push_group(request, Vec::new(), None, origin);
            }
            (_, Some(present)) => {
                let mut request = GroupRequest::new(&desired.name, Change::Modify);
                let differs = compare_group(desired, &present, &mut request);
                if differs.is_empty() {
                    let subject = Subject::Group(desired.name.clone());
                    return self.already_right(subject, "same fields", origin);
                }
                if self.adopt_group(&desired.name, &origin) {
                    self.push_group(request, differs, None, origin);
                }
            }
        }
    }

    /// Applies a request to the predicted databases and drafts it. Returns false if it is refused.
    pub(super) fn push_group(
        &mut self,
        request: GroupRequest,
        differs: Vec<String>,
        source: Option<String>,
        origin: Option<Origin>,
    ) -> bool {
        let (act, effect) = match request.change {
            Change::Create => ("create", Effect::Create),
            Change::Modify => ("change", Effect::Change),
            Change::Delete => ("delete", Effect::Destroy),
            Change::Adopt => ("copy to /etc", Effect::Create),
        };
        match self.draft.accounts.apply_group(&request) {
            Ok(result) => {
                let kind = OpKind::Group(GroupAct {
                    request,
                    differs,
                    source,
                    result,
                });
                let claims = vec![Claim::change_accounts()];
                self.draft
                    .push(Phase::Accounts, effect, kind, origin, claims);
                true
            }
            Err(why) => {
                self.draft
                    .accounts
                    .mark_refused(AccountKind::Group, &request.name);
                self.refuse(act, format!("group {}", request.name), why, origin);
                false
            }
        }
    }
}
