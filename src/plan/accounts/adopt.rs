//! Accounts that the image has outside `/etc`, or that systemd-sysusers would create when the target boots: those that
//! have to be changed, joined or needed by name are copied to `/etc` first.

use super::AccountPlanner;
use super::compare::{compare_group, compare_user};
use crate::accounts::{AccountKind, AccountRefusal, Change, GroupRequest, UserRequest};
use crate::config::Origin;
use crate::config::model::{NodeOwner, PasswdUser};
use crate::plan::Warning;
use crate::plan::op::Subject;

impl AccountPlanner<'_, '_> {
    /// Keeps an account that should not exist but is only in a file of the image: nothing of it is in `/etc`, as
    /// requested.
    pub(super) fn keep_in_image(&mut self, subject: Subject, layer: &str, origin: Option<Origin>) {
        let hint = match &subject {
            Subject::User(_) => {
                "lock it instead: \"passwordHash\": \"\" and \"shell\": \"/sbin/nologin\""
            }
            _ => "",
        };
        self.draft.warn(Warning {
            what: subject.to_string(),
            cause: format!("it stays, since the image has it in {layer}"),
            origin: origin.clone(),
            hint: hint.into(),
        });
        self.already_right(subject, "not in /etc, as requested", origin);
    }

    /// Copies a group to `/etc` if it is not there. Returns false if that is refused.
    pub(super) fn adopt_group(&mut self, name: &str, origin: &Option<Origin>) -> bool {
        let databases = &self.draft.accounts.databases;
        if !databases.can_adopt_group(name) {
            return true;
        }
        let source = databases.source_of_group(name).map(str::to_owned);
        let request = GroupRequest::new(name, Change::Adopt);
        self.push_group(request, Vec::new(), source, origin.clone())
    }

    /// Copies a user to `/etc` if it is not there. Returns false if that is refused.
    pub(super) fn adopt_user(&mut self, name: &str, origin: &Option<Origin>) -> bool {
        let databases = &self.draft.accounts.databases;
        if !databases.can_adopt_user(name) {
            return true;
        }
        let source = databases.source_of_user(name).map(str::to_owned);
        let request = UserRequest::new(name, Change::Adopt);
        self.push_adopted_user(request, source, origin.clone())
    }

    /// Copies the groups that a user will be in: supplementary groups to join, and a primary group that only sysusers.d
    /// declares. Returns false if something is or was refused.
    pub(super) fn adopt_groups_of(
        &mut self,
        request: &UserRequest,
        origin: &Option<Origin>,
    ) -> bool {
        let joined = request.groups.iter();
        for group in joined.chain(&request.primary_group) {
            if self.draft.accounts.is_refused(AccountKind::Group, group) {
                return false;
            }
        }
        for group in &request.groups {
            let databases = &self.draft.accounts.databases;
            let name = databases.named_group(group).map(|(name, _)| name);
            let name = name.unwrap_or(group).to_owned();
            if !self.adopt_group(&name, origin) {
                return false;
            }
        }
        match &request.primary_group {
            Some(group) if self.draft.accounts.databases.named_group(group).is_none() => {
                self.adopt_group(group, origin)
            }
            _ => true,
        }
    }

    /// Creates users and groups that only sysusers.d declares and that own nodes of the config.
    pub(super) fn adopt_owners(&mut self) {
        let storage = &self.config.storage;
        let directories = storage.directories.iter().map(|d| (&d.user, &d.group));
        let files = storage.files.iter().map(|f| (&f.user, &f.group));
        let links = storage.links.iter().map(|l| (&l.user, &l.group));
        let lists = [
            ("directories", directories.collect::<Vec<_>>()),
            ("files", files.collect()),
            ("links", links.collect()),
        ];
        for (list, owners) in lists {
            for (index, (user, group)) in owners.into_iter().enumerate() {
                let place = || format!("$.storage.{list}.{index}");
                if let Some(name) = self.missing_owner(AccountKind::User, user) {
                    let origin = self.draft.origin(&place());
                    self.adopt_user(name, &origin);
                }
                if let Some(name) = self.missing_owner(AccountKind::Group, group) {
                    let origin = self.draft.origin(&place());
                    self.adopt_group(name, &origin);
                }
            }
        }
    }

    fn missing_owner<'o>(&self, kind: AccountKind, owner: &'o NodeOwner) -> Option<&'o str> {
        let name = owner.name.as_deref().filter(|name| !name.is_empty())?;
        let databases = &self.draft.accounts.databases;
        let is_missing = owner.id.is_none() && databases.id(kind, name).is_none();
        is_missing.then_some(name)
    }

    /// Refuses requests that a later one undoes: another plan would always find something to do.
    pub(super) fn refuse_contradictions(&mut self) {
        let passwd = &self.config.passwd;
        for (index, desired) in passwd.groups.iter().enumerate() {
            let present = self.draft.accounts.databases.group(&desired.name);
            let mut scratch = GroupRequest::new(&desired.name, Change::Modify);
            let differs = match (desired.should_exist, present) {
                (Some(false), None) => continue,
                (Some(false), Some(present)) if present.layer.is_some() => continue,
                (Some(false), Some(_)) => vec!["it exists".to_owned()],
                (_, Some(present)) => compare_group(desired, &present, &mut scratch),
                (_, None) => vec!["it is gone".to_owned()],
            };
            self.refuse_contradiction("groups", index, format!("group {}", desired.name), differs);
        }
        for (index, desired) in passwd.users.iter().enumerate() {
            let differs = self.user_contradictions(desired);
            self.refuse_contradiction("users", index, format!("user {}", desired.name), differs);
        }
    }

    fn user_contradictions(&self, desired: &PasswdUser) -> Vec<String> {
        let databases = &self.draft.accounts.databases;
        let mut scratch = UserRequest::new(&desired.name, Change::Modify);
        match (desired.should_exist, databases.user(&desired.name)) {
            (Some(false), None) => Vec::new(),
            (Some(false), Some(present)) if present.layer.is_some() => Vec::new(),
            (Some(false), Some(_)) => vec!["it exists".to_owned()],
            (_, Some(present)) => compare_user(desired, &present, databases, &mut scratch),
            (_, None) => vec!["it is gone".to_owned()],
        }
    }

    fn refuse_contradiction(
        &mut self,
        list: &str,
        index: usize,
        object: String,
        differs: Vec<String>,
    ) {
        if differs.is_empty() {
            return;
        }
        let origin = self.draft.origin(&format!("$.passwd.{list}.{index}"));
        let why = AccountRefusal {
            cause: format!(
                "a later entry of the config undoes it: {}",
                differs.join(", ")
            ),
            remedy: "make the two agree, or remove one".into(),
        };
        self.refuse("set up", object, why, origin);
    }
}
