//! The account databases as values: read from text, changed, written as text. Pure.
//!
//! Results are those of the shadow tools with the policy of the target (`login.defs`,
//! `/etc/default/useradd`); what a target leaves open gets the defaults distributions ship.

use crate::plan::op::{AccountChange, GroupAct, UserAct};
use anyhow::{Context, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Hash field of an account nobody can log in to with a password.
const NO_PASSWORD: &str = "*";
/// Hash field of a group nobody can join with a password.
const NO_GROUP_PASSWORD: &str = "!";
/// Group of users without a group of their own.
const USERS_GID: u32 = 100;

/// The four databases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Databases {
    pub passwd: Table,
    pub group: Table,
    pub shadow: Table,
    pub gshadow: Table,
}

/// One database: lines of fields, the name first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    pub(super) fn parse(text: &str) -> Self {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect();
        Self(text.lines().map(fields).collect())
    }
    pub(super) fn text(&self) -> String {
        self.0
            .iter()
            .map(|fields| fields.join(":") + "\n")
            .collect()
    }
    fn line(&self, name: &str) -> Option<&Vec<String>> {
        self.0.iter().find(|fields| fields[0] == name)
    }
    fn field(&self, name: &str, index: usize) -> Option<&str> {
        self.line(name)?.get(index).map(String::as_str)
    }
    fn number(&self, name: &str, index: usize) -> Option<u32> {
        self.field(name, index)?.parse().ok()
    }
    /// Adds a line, in place of one of that name.
    fn put<const N: usize>(&mut self, fields: [&str; N]) {
        let line: Vec<String> = fields.map(str::to_owned).to_vec();
        match self.0.iter_mut().find(|other| other[0] == line[0]) {
            Some(other) => *other = line,
            None => self.0.push(line),
        }
    }
    fn set(&mut self, name: &str, index: usize, value: &str) {
        let lines = self.0.iter_mut().filter(|fields| fields[0] == name);
        for field in lines.filter_map(|fields| fields.get_mut(index)) {
            value.clone_into(field);
        }
    }
    fn remove(&mut self, name: &str) {
        self.0.retain(|fields| fields[0] != name);
    }
    fn numbers(&self, index: usize) -> BTreeSet<u32> {
        let field = |fields: &Vec<String>| fields.get(index)?.parse().ok();
        self.0.iter().filter_map(field).collect()
    }
    fn name_of(&self, index: usize, number: u32) -> Option<&str> {
        let text = number.to_string();
        let mut lines = self.0.iter();
        lines
            .find(|fields| fields.get(index) == Some(&text))
            .map(|fields| fields[0].as_str())
    }
    /// Changes the comma-separated list in the last field of every line.
    fn edit_lists(&mut self, index: usize, edit: impl Fn(&str, &mut Vec<String>)) {
        for fields in &mut self.0 {
            let name = fields[0].clone();
            if let Some(field) = fields.get_mut(index) {
                let mut list = crate::host::accounts::split_members(field);
                edit(&name, &mut list);
                *field = list.join(",");
            }
        }
    }
}

/// What the target says about new accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct Policy {
    /// `login.defs`
    pub login_defs: BTreeMap<String, String>,
    /// `/etc/default/useradd`
    pub useradd: BTreeMap<String, String>,
    /// Days since 1970, for the date of the last password change.
    pub today: u64,
}

impl Policy {
    fn text(&self, key: &str, default: &str) -> String {
        let value = self.useradd.get(key).filter(|value| !value.is_empty());
        value.cloned().unwrap_or_else(|| default.to_owned())
    }
    fn number(&self, key: &str, default: u32) -> u32 {
        let value = self.login_defs.get(key);
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }
    fn octal(&self, key: &str) -> Option<u32> {
        u32::from_str_radix(self.login_defs.get(key)?, 8).ok()
    }
    fn days(&self, key: &str, default: &str) -> String {
        let value = self.login_defs.get(key).map_or(default, String::as_str);
        if value.starts_with('-') { "" } else { value }.to_owned()
    }
    /// Home of a new user.
    pub(super) fn home(&self, user: &str) -> String {
        match user {
            "root" => "/root".into(),
            _ => format!("{}/{user}", self.text("HOME", "/home")),
        }
    }
    /// Mode of a new home.
    pub(super) fn home_mode(&self) -> u32 {
        let from_mask = || self.octal("UMASK").map(|mask| 0o777 & !mask);
        self.octal("HOME_MODE").or_else(from_mask).unwrap_or(0o700)
    }
    /// Directory whose content a new home starts with.
    pub(super) fn skeleton(&self) -> String {
        self.text("SKEL", "/etc/skel")
    }
    fn has_user_groups(&self) -> bool {
        self.login_defs
            .get("USERGROUPS_ENAB")
            .is_none_or(|value| value == "yes")
    }
    /// Ids for new accounts, both ends included.
    fn range(&self, kind: &str, system: bool) -> (u32, u32) {
        let first = self.number(&format!("{kind}_MIN"), 1000);
        if system {
            let last = self.number(&format!("SYS_{kind}_MAX"), first.saturating_sub(1));
            (self.number(&format!("SYS_{kind}_MIN"), 101), last)
        } else {
            (first, self.number(&format!("{kind}_MAX"), 60000))
        }
    }
    fn free(&self, kind: &str, system: bool, used: &BTreeSet<u32>) -> anyhow::Result<u32> {
        let range = self.range(kind, system);
        free_id(range, system, used)
            .with_context(|| format!("no {kind} left between {} and {}", range.0, range.1))
    }
}

/// A free id: above the highest one used, for system accounts below the lowest; gaps are filled
/// only when that end is reached, so that the id of a deleted account is not soon used again.
fn free_id((first, last): (u32, u32), system: bool, used: &BTreeSet<u32>) -> Option<u32> {
    if first > last {
        return None;
    }
    let mut in_range = used.range(first..=last);
    let next = if system {
        in_range
            .next()
            .map_or(Some(last), |lowest| lowest.checked_sub(1))
    } else {
        in_range
            .next_back()
            .map_or(Some(first), |highest| highest.checked_add(1))
    };
    let mut all: Box<dyn Iterator<Item = u32>> = match system {
        true => Box::new((first..=last).rev()),
        false => Box::new(first..=last),
    };
    next.filter(|id| (first..=last).contains(id))
        .or_else(|| all.find(|id| !used.contains(id)))
}

/// What is left to do in the tree after a user changed in the databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserRecord {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

impl Databases {
    /// Entries for root, where there are none: without them nobody owns the system.
    pub(super) fn seed(&mut self, policy: &Policy) {
        if self.passwd.line("root").is_none() {
            self.passwd
                .put(["root", "x", "0", "0", "root", "/root", "/bin/bash"]);
        }
        if self.group.line("root").is_none() {
            self.group.put(["root", "x", "0", ""]);
        }
        if self.gshadow.line("root").is_none() {
            self.gshadow.put(["root", NO_PASSWORD, "", ""]);
        }
        if self.shadow.line("root").is_none() {
            self.put_shadow("root", NO_PASSWORD, false, policy);
        }
    }

    /// What the databases say of a user.
    pub(super) fn user(&self, name: &str) -> Option<UserRecord> {
        Some(UserRecord {
            uid: self.passwd.number(name, 2)?,
            gid: self.passwd.number(name, 3)?,
            home: self.passwd.field(name, 5)?.to_owned(),
        })
    }

    // ---- groups

    /// Carries out a group operation.
    pub(super) fn apply_group(&mut self, act: &GroupAct, policy: &Policy) -> anyhow::Result<()> {
        match act.change {
            AccountChange::Create => {
                let gid = match act.gid {
                    Some(gid) => self.claim_gid(gid)?,
                    None => policy.free("GID", act.system, &self.group.numbers(2))?,
                };
                self.put_group(&act.name, gid, act.password_hash.as_deref());
            }
            AccountChange::Modify => self.modify_group(act)?,
            AccountChange::Delete => {
                let gid = self.group.number(&act.name, 2);
                if let Some(user) = gid.and_then(|gid| self.passwd.name_of(3, gid)) {
                    bail!("it is the primary group of user {user:?}");
                }
                self.group.remove(&act.name);
                self.gshadow.remove(&act.name);
            }
        }
        Ok(())
    }

    fn claim_gid(&self, gid: u32) -> anyhow::Result<u32> {
        if let Some(other) = self.group.name_of(2, gid) {
            bail!("gid {gid} belongs to group {other:?}");
        }
        Ok(gid)
    }

    fn put_group(&mut self, name: &str, gid: u32, hash: Option<&str>) {
        self.group.put([name, "x", &gid.to_string(), ""]);
        self.gshadow
            .put([name, hash.unwrap_or(NO_GROUP_PASSWORD), "", ""]);
    }

    fn modify_group(&mut self, act: &GroupAct) -> anyhow::Result<()> {
        let old = self
            .group
            .number(&act.name, 2)
            .context("there is no such group")?;
        if let Some(gid) = act.gid {
            self.claim_gid(gid)?;
            self.group.set(&act.name, 2, &gid.to_string());
            let users = self.passwd.0.iter_mut();
            for fields in users.filter(|fields| fields.get(3) == Some(&old.to_string())) {
                fields[3] = gid.to_string();
            }
        }
        if let Some(hash) = &act.password_hash {
            if self.gshadow.line(&act.name).is_none() {
                self.gshadow.put([&act.name, NO_GROUP_PASSWORD, "", ""]);
            }
            self.gshadow.set(&act.name, 1, hash);
        }
        Ok(())
    }

    /// The number of a group given by name or number.
    fn group_id(&self, group: &str) -> anyhow::Result<u32> {
        let by_name = self.group.number(group, 2);
        let by_number = || {
            let number = group.parse().ok()?;
            self.group.name_of(2, number).map(|_| number)
        };
        by_name
            .or_else(by_number)
            .with_context(|| format!("there is no group {group:?}"))
    }

    // ---- users

    /// Adds a user, with a group of its own if wanted.
    pub(super) fn create_user(
        &mut self,
        act: &UserAct,
        policy: &Policy,
    ) -> anyhow::Result<UserRecord> {
        // A root entry of our own making is filled in; nobody else may be there.
        let present = self.user(&act.name).filter(|present| present.uid == 0);
        ensure!(
            present.is_some() || self.passwd.line(&act.name).is_none(),
            "there is such a user"
        );
        let uid = match (act.uid, &present) {
            (Some(uid), _) => self.claim_uid(uid, &act.name)?,
            (None, Some(present)) => present.uid,
            (None, None) => policy.free("UID", act.system, &self.passwd.numbers(2))?,
        };
        let gid = match (&act.primary_group, &present) {
            (Some(group), _) => self.group_id(group)?,
            (None, Some(present)) => present.gid,
            (None, None) => self.own_group(act, uid, policy)?,
        };
        let home = act.home.clone().unwrap_or_else(|| policy.home(&act.name));
        let default_shell = match &present {
            Some(_) => "/bin/bash".to_owned(),
            None => policy.text("SHELL", "/bin/sh"),
        };
        let shell = act.shell.clone().unwrap_or(default_shell);
        let default_comment = if present.is_some() { "root" } else { "" };
        let comment = act.gecos.as_deref().unwrap_or(default_comment);
        let hash = act.password_hash.as_deref().unwrap_or(NO_PASSWORD);
        self.join_groups(&act.name, &act.groups)?;
        let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
        self.passwd
            .put([&act.name, "x", &uid_text, &gid_text, comment, &home, &shell]);
        self.put_shadow(&act.name, hash, act.system, policy);
        Ok(UserRecord { uid, gid, home })
    }

    fn put_shadow(&mut self, name: &str, hash: &str, system: bool, policy: &Policy) {
        let days = |key, default| match system {
            true => String::new(),
            false => policy.days(key, default),
        };
        let (least, most) = (days("PASS_MIN_DAYS", "0"), days("PASS_MAX_DAYS", "99999"));
        let warn = days("PASS_WARN_AGE", "7");
        let today = policy.today.to_string();
        let inactive = policy.text("INACTIVE", "");
        let inactive = if inactive.starts_with('-') {
            ""
        } else {
            &inactive
        };
        self.shadow
            .put([name, hash, &today, &least, &most, &warn, inactive, "", ""]);
    }

    fn claim_uid(&self, uid: u32, name: &str) -> anyhow::Result<u32> {
        match self.passwd.name_of(2, uid) {
            Some(other) if other != name => bail!("uid {uid} belongs to user {other:?}"),
            _ => Ok(uid),
        }
    }

    /// The primary group of a user that names none: one of its own, numbered like the user where
    /// possible, or the one all such users share.
    fn own_group(&mut self, act: &UserAct, uid: u32, policy: &Policy) -> anyhow::Result<u32> {
        if !act.user_group || !policy.has_user_groups() {
            let gid = policy.text("GROUP", "").parse().unwrap_or(USERS_GID);
            if self.group.name_of(2, gid).is_none() && self.group.line("users").is_none() {
                self.put_group("users", gid, None);
            }
            return Ok(gid);
        }
        if let Some(gid) = self.group.number(&act.name, 2) {
            // Left by a run that was killed before it wrote the user.
            let members = self.group.field(&act.name, 3).unwrap_or_default();
            let used = self.passwd.name_of(3, gid).is_some() || !members.is_empty();
            ensure!(
                !used && gid == uid,
                "there is a group of that name; give it as primaryGroup, or set noUserGroup"
            );
            return Ok(gid);
        }
        let used = self.group.numbers(2);
        let gid = match used.contains(&uid) {
            false => uid,
            true => policy.free("GID", act.system, &used)?,
        };
        self.put_group(&act.name, gid, None);
        Ok(gid)
    }

    fn join_groups(&mut self, user: &str, groups: &[String]) -> anyhow::Result<()> {
        let mut wanted = BTreeSet::new();
        for group in groups {
            let gid = self.group_id(group)?;
            wanted.extend(self.group.name_of(2, gid).map(str::to_owned));
        }
        let join = |group: &str, members: &mut Vec<String>| {
            if wanted.contains(group) && !members.iter().any(|member| member == user) {
                members.push(user.to_owned());
            }
        };
        self.group.edit_lists(3, join);
        self.gshadow.edit_lists(3, join);
        Ok(())
    }

    fn leave_groups(&mut self, user: &str) {
        let leave = |_: &str, members: &mut Vec<String>| members.retain(|member| member != user);
        self.group.edit_lists(3, leave);
        self.gshadow.edit_lists(2, leave);
        self.gshadow.edit_lists(3, leave);
    }

    /// Changes the fields that are set.
    pub(super) fn modify_user(
        &mut self,
        act: &UserAct,
        policy: &Policy,
    ) -> anyhow::Result<UserRecord> {
        let name = act.name.as_str();
        ensure!(self.passwd.line(name).is_some(), "there is no such user");
        if let Some(uid) = act.uid {
            self.claim_uid(uid, name)?;
            self.passwd.set(name, 2, &uid.to_string());
        }
        if let Some(group) = &act.primary_group {
            let gid = self.group_id(group)?;
            self.passwd.set(name, 3, &gid.to_string());
        }
        for (index, value) in [(4, &act.gecos), (5, &act.home), (6, &act.shell)] {
            if let Some(value) = value {
                self.passwd.set(name, index, value);
            }
        }
        if !act.groups.is_empty() {
            self.leave_groups(name);
            self.join_groups(name, &act.groups)?;
        }
        if let Some(hash) = &act.password_hash {
            if self.shadow.line(name).is_none() {
                self.put_shadow(name, hash, false, policy);
            }
            self.passwd.set(name, 1, "x");
            self.shadow.set(name, 1, hash);
            self.shadow.set(name, 2, &policy.today.to_string());
        }
        self.user(name).context("its entry is damaged")
    }

    /// Removes a user, and its own group if nobody else is in it.
    pub(super) fn delete_user(&mut self, name: &str, policy: &Policy) {
        let gid = self.group.number(name, 2);
        self.passwd.remove(name);
        self.shadow.remove(name);
        self.leave_groups(name);
        let empty = self.group.field(name, 3).is_some_and(str::is_empty);
        let unused = gid.is_some_and(|gid| self.passwd.name_of(3, gid).is_none());
        if policy.has_user_groups() && empty && unused {
            self.group.remove(name);
            self.gshadow.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::op::AccountBackend;

    fn policy() -> Policy {
        Policy {
            today: 20000,
            ..Policy::default()
        }
    }

    fn seeded() -> Databases {
        let mut databases = Databases::default();
        databases.seed(&policy());
        databases
    }

    fn user(name: &str, change: AccountChange) -> UserAct {
        UserAct {
            name: name.into(),
            change,
            differs: vec![],
            adopts: vec![],
            uid: None,
            gecos: None,
            home: None,
            create_home: true,
            primary_group: None,
            groups: vec![],
            user_group: true,
            no_log_init: false,
            shell: None,
            system: false,
            password_hash: None,
            backend: AccountBackend::Native,
        }
    }

    fn group(name: &str, gid: Option<u32>, change: AccountChange) -> GroupAct {
        GroupAct {
            name: name.into(),
            change,
            differs: vec![],
            gid,
            system: false,
            password_hash: None,
            backend: AccountBackend::Native,
        }
    }

    #[test]
    fn nothing_becomes_usable_databases() {
        let mut databases = seeded();
        let wheel = group("wheel", Some(10), AccountChange::Create);
        databases.apply_group(&wheel, &policy()).expect("a group");
        let core = UserAct {
            groups: vec!["wheel".into()],
            password_hash: Some("$6$hash".into()),
            ..user("core", AccountChange::Create)
        };
        let record = databases.create_user(&core, &policy()).expect("a user");
        assert_eq!(
            record,
            UserRecord {
                uid: 1000,
                gid: 1000,
                home: "/home/core".into()
            }
        );
        assert_eq!(
            databases.passwd.text(),
            "root:x:0:0:root:/root:/bin/bash\ncore:x:1000:1000::/home/core:/bin/sh\n"
        );
        assert_eq!(
            databases.group.text(),
            "root:x:0:\nwheel:x:10:core\ncore:x:1000:\n"
        );
        assert_eq!(
            databases.shadow.text(),
            "root:*:20000:0:99999:7:::\ncore:$6$hash:20000:0:99999:7:::\n"
        );
        assert_eq!(
            databases.gshadow.text(),
            "root:*::\nwheel:!::core\ncore:!::\n"
        );
        databases.delete_user("core", &policy());
        databases
            .apply_group(&group("wheel", None, AccountChange::Delete), &policy())
            .expect("nobody needs it");
        assert_eq!(databases, seeded());
    }

    #[test]
    fn ids_follow_ranges() {
        for (system, used, want) in [
            (false, vec![], Some(1000)),
            (false, vec![0, 999, 1000, 1005], Some(1006)),
            (false, vec![1000, 1009], Some(1001)),
            (true, vec![], Some(999)),
            (true, vec![0, 1000, 998], Some(997)),
            (true, vec![990], Some(999)),
            (true, (990..=999).collect(), None),
        ] {
            let used: BTreeSet<u32> = used.into_iter().collect();
            let range = if system { (990, 999) } else { (1000, 1009) };
            assert_eq!(free_id(range, system, &used), want, "{system} {used:?}");
        }
    }

    #[test]
    fn root_is_filled_in() {
        let mut databases = seeded();
        let act = UserAct {
            shell: Some("/bin/zsh".into()),
            password_hash: Some("h".into()),
            ..user("root", AccountChange::Create)
        };
        databases.create_user(&act, &policy()).expect("root");
        assert_eq!(databases.passwd.text(), "root:x:0:0:root:/root:/bin/zsh\n");
        assert_eq!(databases.shadow.text(), "root:h:20000:0:99999:7:::\n");
        assert_eq!(databases.group.text(), "root:x:0:\n");
    }

    #[test]
    fn conflicts_are_errors() {
        let create = AccountChange::Create;
        type Case<'a> = (&'a str, UserAct);
        let cases: [Case<'_>; 4] = [
            (
                "uid 0 belongs to user \"root\"",
                UserAct {
                    uid: Some(0),
                    ..user("a", create)
                },
            ),
            (
                "there is no group \"none\"",
                UserAct {
                    groups: vec!["none".into()],
                    ..user("a", create)
                },
            ),
            (
                "there is no group \"77\"",
                UserAct {
                    primary_group: Some("77".into()),
                    ..user("a", create)
                },
            ),
            (
                "there is a group of that name; give it as primaryGroup, or set noUserGroup",
                user("staff", create),
            ),
        ];
        for (want, act) in cases {
            let mut databases = seeded();
            let staff = group("staff", Some(50), create);
            databases.apply_group(&staff, &policy()).expect("a group");
            let error = databases.create_user(&act, &policy()).expect_err(want);
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn users_are_modified() {
        let mut databases = seeded();
        for (name, gid) in [("a", 10), ("b", 11)] {
            let act = group(name, Some(gid), AccountChange::Create);
            databases.apply_group(&act, &policy()).expect("a group");
        }
        let core = UserAct {
            groups: vec!["a".into()],
            ..user("core", AccountChange::Create)
        };
        databases.create_user(&core, &policy()).expect("a user");
        let act = UserAct {
            uid: Some(2000),
            gecos: Some("Core".into()),
            primary_group: Some("11".into()),
            groups: vec!["b".into()],
            ..user("core", AccountChange::Modify)
        };
        databases.modify_user(&act, &policy()).expect("a change");
        assert_eq!(
            databases.passwd.text().lines().last(),
            Some("core:x:2000:11:Core:/home/core:/bin/sh")
        );
        assert_eq!(
            databases.group.text(),
            "root:x:0:\na:x:10:\nb:x:11:core\ncore:x:1000:\n"
        );
        let error = databases
            .apply_group(&group("b", None, AccountChange::Delete), &policy())
            .expect_err("it is in use");
        assert_eq!(
            error.to_string(),
            "it is the primary group of user \"core\""
        );
    }

    #[test]
    fn system_users_and_shared_groups() {
        let mut databases = seeded();
        let daemon = UserAct {
            system: true,
            ..user("daemon", AccountChange::Create)
        };
        databases.create_user(&daemon, &policy()).expect("a user");
        let guest = UserAct {
            user_group: false,
            ..user("guest", AccountChange::Create)
        };
        databases.create_user(&guest, &policy()).expect("a user");
        assert_eq!(
            databases.passwd.text().lines().skip(1).collect::<Vec<_>>(),
            [
                "daemon:x:999:999::/home/daemon:/bin/sh",
                "guest:x:1000:100::/home/guest:/bin/sh"
            ]
        );
        assert_eq!(databases.shadow.field("daemon", 3), Some(""));
        assert_eq!(databases.group.number("users", 2), Some(100));
    }
}
