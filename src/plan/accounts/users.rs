//! Users of the config.

use super::compare::{compare_user, hash};
use super::{AccountPlanner, HandedOver, id, non_empty};
use crate::accounts::{AccountKind, AccountRefusal, Change, User, UserRecord, UserRequest};
use crate::config::Origin;
use crate::config::model::PasswdUser;
use crate::plan::op::{HomeAct, Subject, UserAct};
use crate::plan::paths::refuse_path;
use crate::plan::{Claim, Effect, OpKind, Phase};

impl AccountPlanner<'_, '_> {
    pub(super) fn plan_user(&mut self, index: usize, desired: &PasswdUser) {
        let origin = self.draft.origin(&format!("$.passwd.users.{index}"));
        let present = self.draft.accounts.databases.user(&desired.name);
        match (desired.should_exist, present) {
            (Some(false), None) => {
                let subject = Subject::User(desired.name.clone());
                return self.already_right(subject, "already absent", origin);
            }
            (Some(false), Some(present)) => {
                return match present.layer {
                    Some(layer) => self.keep_in_image(Subject::User(present.name), layer, origin),
                    None => self.delete_user(&present, origin),
                };
            }
            (_, None) => self.create_user(desired, &origin),
            (_, Some(present)) => self.modify_user(desired, &present, &origin),
        }
        let is_refused = self
            .draft
            .accounts
            .is_refused(AccountKind::User, &desired.name);
        if !desired.ssh_authorized_keys.is_empty() && !is_refused {
            self.plan_ssh_keys(desired, origin);
        }
    }

    fn delete_user(&mut self, present: &User, origin: Option<Origin>) {
        let request = UserRequest::new(&present.name, Change::Delete);
        let home_act = self.home_of_deleted(present);
        let Some(result) = self.apply_user(&request, &origin) else {
            return;
        };
        let mut claims = vec![Claim::change_accounts()];
        claims.extend(home_act.vacated().map(Claim::make_path));
        let loss = home_act
            .vacated()
            .map(|_| format!("home {} of user {}", present.home, present.name));
        let kind = OpKind::User(Box::new(UserAct {
            home_act,
            ..plain_act(request, result)
        }));
        let effect = Effect::Destroy;
        let id = self
            .planned
            .push(self.draft, Phase::Accounts, effect, kind, origin, claims);
        if let Some(loss) = loss {
            self.draft.record_loss(id, loss);
        }
    }

    fn create_user(&mut self, desired: &PasswdUser, origin: &Option<Origin>) {
        let mut request = UserRequest::new(&desired.name, Change::Create);
        request.uid = id(desired.uid);
        request.gecos = non_empty(&desired.gecos);
        request.home = non_empty(&desired.home_dir);
        request.primary_group = non_empty(&desired.primary_group);
        request.groups.clone_from(&desired.groups);
        request.user_group = desired.no_user_group != Some(true);
        request.shell = non_empty(&desired.shell);
        request.system = desired.system == Some(true);
        request.password_hash = desired.password_hash.as_deref().map(hash);
        if !self.adopt_groups_of(&request, origin) {
            return self.mark_user_refused(desired);
        }
        let Some(result) = self.apply_user(&request, origin) else {
            return self.mark_user_refused(desired);
        };
        let (home_act, claims) = match self.home_of_created(desired, &result.home) {
            Ok(found) => found,
            Err(cause) => {
                self.mark_user_refused(desired);
                return refuse_path(self.draft, &result.home, &cause, origin.clone());
            }
        };
        if let Err(why) = self.check_skeleton(&home_act) {
            self.mark_user_refused(desired);
            let object = format!("home of user {}", desired.name);
            return self.refuse("create", object, why, origin.clone());
        }
        self.record_home(&desired.name, &home_act);
        let kind = OpKind::User(Box::new(UserAct {
            adopts: self.mount_directories_in(desired, &result.home),
            home_act,
            ..plain_act(request, result)
        }));
        let (phase, effect) = (Phase::Accounts, Effect::Create);
        self.planned
            .push(self.draft, phase, effect, kind, origin.clone(), claims);
    }

    fn modify_user(&mut self, desired: &PasswdUser, present: &User, origin: &Option<Origin>) {
        let mut request = UserRequest::new(&desired.name, Change::Modify);
        let databases = &self.draft.accounts.databases;
        let mut differs = compare_user(desired, present, databases, &mut request);
        let result = if differs.is_empty() {
            Some(record(present))
        } else if self.adopt_user(&desired.name, origin) && self.adopt_groups_of(&request, origin) {
            self.apply_user(&request, origin)
        } else {
            None
        };
        let Some(result) = result else {
            return self.mark_user_refused(desired);
        };
        let (home_act, claims) = match self.home_of_modified(desired, present, &result) {
            Ok(found) => found,
            Err(why) => {
                self.mark_user_refused(desired);
                let object = format!("home of user {}", desired.name);
                return self.refuse("change", object, why, origin.clone());
            }
        };
        if matches!(home_act, HomeAct::Make { .. }) {
            differs.push("home is missing".into());
        }
        let follows = match &home_act {
            HomeAct::Move { from, place } => Some((from, place)),
            HomeAct::HandOver { place } => Some((place, place)),
            _ => None,
        };
        if let Some((from, place)) = follows {
            let home = HandedOver {
                place: place.clone(),
                from: from.clone(),
                uid: present.uid,
                gid: present.gid,
            };
            self.handed_over.insert(desired.name.clone(), home);
        }
        let adopts = self.mount_directories_in(desired, &result.home);
        if differs.is_empty() && adopts.is_empty() {
            let subject = Subject::User(desired.name.clone());
            return self.already_right(subject, "same fields", origin.clone());
        }
        self.record_home(&desired.name, &home_act);
        let kind = OpKind::User(Box::new(UserAct {
            differs,
            adopts,
            home_act,
            ..plain_act(request, result)
        }));
        let (phase, effect) = (Phase::Accounts, Effect::Change);
        self.planned
            .push(self.draft, phase, effect, kind, origin.clone(), claims);
    }

    /// Applies a request to the predicted databases and drafts the copy of a user of the image. Returns false if it is
    /// refused.
    pub(super) fn push_adopted_user(
        &mut self,
        request: UserRequest,
        source: Option<String>,
        origin: Option<Origin>,
    ) -> bool {
        let Some(result) = self.apply_user(&request, &origin) else {
            return false;
        };
        let kind = OpKind::User(Box::new(UserAct {
            source,
            ..plain_act(request, result)
        }));
        let claims = vec![Claim::change_accounts()];
        self.draft
            .push(Phase::Accounts, Effect::Create, kind, origin, claims);
        true
    }

    fn apply_user(&mut self, request: &UserRequest, origin: &Option<Origin>) -> Option<UserRecord> {
        let act = match request.change {
            Change::Create => "create",
            Change::Modify => "change",
            Change::Delete => "delete",
            Change::Adopt => "copy to /etc",
        };
        match self.draft.accounts.apply_user(request) {
            Ok(result) => Some(result),
            Err(why) => {
                self.draft
                    .accounts
                    .mark_refused(AccountKind::User, &request.name);
                self.refuse(act, format!("user {}", request.name), why, origin.clone());
                None
            }
        }
    }

    /// Marks a user, and the group that would be created with it, as refused for a reason that has been reported.
    fn mark_user_refused(&mut self, desired: &PasswdUser) {
        let accounts = &mut self.draft.accounts;
        accounts.mark_refused(AccountKind::User, &desired.name);
        if desired.no_user_group != Some(true) && non_empty(&desired.primary_group).is_none() {
            accounts.mark_refused(AccountKind::Group, &desired.name);
        }
    }
}

fn record(user: &User) -> UserRecord {
    UserRecord {
        uid: user.uid,
        gid: user.gid,
        home: user.home.clone(),
    }
}

fn plain_act(request: UserRequest, result: UserRecord) -> UserAct {
    UserAct {
        request,
        differs: Vec::new(),
        adopts: Vec::new(),
        source: None,
        result,
        home_act: HomeAct::Leave,
    }
}

/// Refuses an operation on a home.
pub(super) fn home_refused(cause: String, remedy: &str) -> AccountRefusal {
    AccountRefusal {
        cause,
        remedy: remedy.into(),
    }
}
