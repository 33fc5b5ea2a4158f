//! Users of the config.

use super::compare::{compare_user, hash};
use super::{AccountPlanner, HandedOver, changes_accounts, id, non_empty};
use crate::accounts::{AccountRefusal, Change, Space, User, UserRecord, UserRequest};
use crate::config::Origin;
use crate::config::model::PasswdUser;
use crate::plan::op::{HomeAct, Subject, UserAct};
use crate::plan::paths::refuse_path;
use crate::plan::{Claim, Effect, OpKind, Phase};

impl AccountPlanner<'_, '_> {
    pub(super) fn user(&mut self, index: usize, wish: &PasswdUser) {
        let origin = self.draft.origin(&format!("$.passwd.users.{index}"));
        let present = self.draft.accounts.databases.user(&wish.name);
        match (wish.should_exist, present) {
            (Some(false), None) => {
                let subject = Subject::User(wish.name.clone());
                return self.right(subject, "already absent", origin);
            }
            (Some(false), Some(present)) => {
                return match present.layer {
                    Some(layer) => self.stays_in_image(Subject::User(present.name), layer, origin),
                    None => self.delete_user(&present, origin),
                };
            }
            (_, None) => self.create_user(wish, &origin),
            (_, Some(present)) => self.modify_user(wish, &present, &origin),
        }
        let is_refused = self.draft.accounts.is_refused(Space::User, &wish.name);
        if !wish.ssh_authorized_keys.is_empty() && !is_refused {
            self.ssh_keys(wish, origin);
        }
    }

    fn delete_user(&mut self, present: &User, origin: Option<Origin>) {
        let request = UserRequest::new(&present.name, Change::Delete);
        let home_act = self.home_of_deleted(present);
        let Some(result) = self.apply_user(&request, &origin) else {
            return;
        };
        let mut claims = vec![changes_accounts()];
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
            self.draft.destroys(id, loss);
        }
    }

    fn create_user(&mut self, wish: &PasswdUser, origin: &Option<Origin>) {
        let mut request = UserRequest::new(&wish.name, Change::Create);
        request.uid = id(wish.uid);
        request.gecos = non_empty(&wish.gecos);
        request.home = non_empty(&wish.home_dir);
        request.primary_group = non_empty(&wish.primary_group);
        request.groups.clone_from(&wish.groups);
        request.user_group = wish.no_user_group != Some(true);
        request.shell = non_empty(&wish.shell);
        request.system = wish.system == Some(true);
        request.password_hash = wish.password_hash.as_deref().map(hash);
        if !self.adopt_groups_of(&request, origin) {
            return self.give_up(wish);
        }
        let Some(result) = self.apply_user(&request, origin) else {
            return self.give_up(wish);
        };
        let (home_act, claims) = match self.home_of_created(wish, &result.home) {
            Ok(found) => found,
            Err(cause) => {
                self.give_up(wish);
                return refuse_path(self.draft, &result.home, &cause, origin.clone());
            }
        };
        if let Err(why) = self.check_skeleton(&home_act) {
            self.give_up(wish);
            let object = format!("home of user {}", wish.name);
            return self.refuse("create", object, why, origin.clone());
        }
        self.note_home(&wish.name, &home_act);
        let kind = OpKind::User(Box::new(UserAct {
            adopts: self.adopts(wish, &result.home),
            home_act,
            ..plain_act(request, result)
        }));
        let (phase, effect) = (Phase::Accounts, Effect::Create);
        self.planned
            .push(self.draft, phase, effect, kind, origin.clone(), claims);
    }

    fn modify_user(&mut self, wish: &PasswdUser, present: &User, origin: &Option<Origin>) {
        let mut request = UserRequest::new(&wish.name, Change::Modify);
        let databases = &self.draft.accounts.databases;
        let mut differs = compare_user(wish, present, databases, &mut request);
        let result = if differs.is_empty() {
            Some(record(present))
        } else if self.adopt_user(&wish.name, origin) && self.adopt_groups_of(&request, origin) {
            self.apply_user(&request, origin)
        } else {
            None
        };
        let Some(result) = result else {
            return self.give_up(wish);
        };
        let (home_act, claims) = match self.home_of_modified(wish, present, &result) {
            Ok(found) => found,
            Err(why) => {
                self.give_up(wish);
                let object = format!("home of user {}", wish.name);
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
            self.handed_over.insert(wish.name.clone(), home);
        }
        let adopts = self.adopts(wish, &result.home);
        if differs.is_empty() && adopts.is_empty() {
            let subject = Subject::User(wish.name.clone());
            return self.right(subject, "same fields", origin.clone());
        }
        self.note_home(&wish.name, &home_act);
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

    /// Drafts the copy of a user of the image, made in the predicted databases.
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
        let claims = vec![changes_accounts()];
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
                self.draft.accounts.note_refused(Space::User, &request.name);
                self.refuse(act, format!("user {}", request.name), why, origin.clone());
                None
            }
        }
    }

    /// Notes that a user and the group that would come with it are not there, for a reason that has been
    /// reported.
    fn give_up(&mut self, wish: &PasswdUser) {
        let accounts = &mut self.draft.accounts;
        accounts.note_refused(Space::User, &wish.name);
        if wish.no_user_group != Some(true) && non_empty(&wish.primary_group).is_none() {
            accounts.note_refused(Space::Group, &wish.name);
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

/// What a home cannot be done to, and what to do about it.
pub(super) fn home_refused(cause: String, remedy: &str) -> AccountRefusal {
    AccountRefusal {
        cause,
        remedy: remedy.into(),
    }
}
