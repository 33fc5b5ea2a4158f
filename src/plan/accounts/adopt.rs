//! Accounts that the image has outside `/etc`, or that systemd-sysusers would make when the target boots:
//! what has to be changed, joined or needed by name is copied to `/etc` first.

use super::AccountPlanner;
use super::compare::{compare_group, compare_user};
use crate::accounts::{AccountRefusal, Change, GroupRequest, Space, UserRequest};
use crate::config::Origin;
use crate::config::model::{NodeOwner, PasswdUser};
use crate::plan::Warning;
use crate::plan::op::Subject;

impl AccountPlanner<'_, '_> {
    /// An account that shall not exist, and is only in a file of the image: nothing of it is in `/etc`, as asked for.
    pub(super) fn stays_in_image(&mut self, subject: Subject, layer: &str, origin: Option<Origin>) {
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
        self.right(subject, "not in /etc, as requested", origin);
    }

    /// Copies a group to `/etc` if it is not there. False if that is refused.
    pub(super) fn adopt_group(&mut self, name: &str, origin: &Option<Origin>) -> bool {
        let databases = &self.draft.accounts.databases;
        if !databases.can_adopt_group(name) {
            return true;
        }
        let source = databases.source_of_group(name).map(str::to_owned);
        let request = GroupRequest::new(name, Change::Adopt);
        self.push_group(request, Vec::new(), source, origin.clone())
    }

    /// Copies a user to `/etc` if it is not there. False if that is refused.
    pub(super) fn adopt_user(&mut self, name: &str, origin: &Option<Origin>) -> bool {
        let databases = &self.draft.accounts.databases;
        if !databases.can_adopt_user(name) {
            return true;
        }
        let source = databases.source_of_user(name).map(str::to_owned);
        let request = UserRequest::new(name, Change::Adopt);
        self.push_adopted_user(request, source, origin.clone())
    }

    /// Copies what a user is to be in: supplementary groups to be joined, and a primary group that only
    /// sysusers.d names. False if something is refused, or was.
    pub(super) fn adopt_groups_of(
        &mut self,
        request: &UserRequest,
        origin: &Option<Origin>,
    ) -> bool {
        let joined = request.groups.iter();
        for group in joined.chain(&request.primary_group) {
            if self.draft.accounts.is_refused(Space::Group, group) {
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

    /// Makes users and groups that only sysusers.d names and that nodes of the config belong to.
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
                if let Some(name) = self.missing_owner(Space::User, user) {
                    let origin = self.draft.origin(&place());
                    self.adopt_user(name, &origin);
                }
                if let Some(name) = self.missing_owner(Space::Group, group) {
                    let origin = self.draft.origin(&place());
                    self.adopt_group(name, &origin);
                }
            }
        }
    }

    fn missing_owner<'o>(&self, space: Space, owner: &'o NodeOwner) -> Option<&'o str> {
        let name = owner.name.as_deref().filter(|name| !name.is_empty())?;
        let databases = &self.draft.accounts.databases;
        let is_missing = owner.id.is_none() && databases.id(space, name).is_none();
        is_missing.then_some(name)
    }

    /// Refuses requests that a later one undoes: planning again would never find nothing to do.
    pub(super) fn refuse_contradictions(&mut self) {
        let passwd = &self.config.passwd;
        for (index, wish) in passwd.groups.iter().enumerate() {
            let present = self.draft.accounts.databases.group(&wish.name);
            let mut scratch = GroupRequest::new(&wish.name, Change::Modify);
            let differs = match (wish.should_exist, present) {
                (Some(false), None) => continue,
                (Some(false), Some(present)) if present.layer.is_some() => continue,
                (Some(false), Some(_)) => vec!["it exists".to_owned()],
                (_, Some(present)) => compare_group(wish, &present, &mut scratch),
                (_, None) => vec!["it is gone".to_owned()],
            };
            self.refuse_undone("groups", index, format!("group {}", wish.name), differs);
        }
        for (index, wish) in passwd.users.iter().enumerate() {
            let differs = self.undone_of_user(wish);
            self.refuse_undone("users", index, format!("user {}", wish.name), differs);
        }
    }

    fn undone_of_user(&self, wish: &PasswdUser) -> Vec<String> {
        let databases = &self.draft.accounts.databases;
        let mut scratch = UserRequest::new(&wish.name, Change::Modify);
        match (wish.should_exist, databases.user(&wish.name)) {
            (Some(false), None) => Vec::new(),
            (Some(false), Some(present)) if present.layer.is_some() => Vec::new(),
            (Some(false), Some(_)) => vec!["it exists".to_owned()],
            (_, Some(present)) => compare_user(wish, &present, databases, &mut scratch),
            (_, None) => vec!["it is gone".to_owned()],
        }
    }

    fn refuse_undone(&mut self, list: &str, index: usize, object: String, differs: Vec<String>) {
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
