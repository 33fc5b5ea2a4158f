//! Changes to users.

use super::databases::NO_GROUP_PASSWORD;
use super::fields::{check_name, check_user};
use super::table::members;
use super::{
    AccountFile, AccountKind, AccountRefusal, Change, Databases, NO_PASSWORD, UserRecord,
    UserRequest,
};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Shell for a root entry that already exists, such as the one of [`Databases::seed`].
const ROOT_SHELL: &str = "/bin/bash";

impl Databases {
    /// Carries out a change to a user. The record of a deleted user is of its former entry.
    ///
    /// # Errors
    /// The reason why it cannot be done; the databases then stay as they are.
    pub fn apply_user(&mut self, request: &UserRequest) -> Result<UserRecord, AccountRefusal> {
        self.atomically(|databases| databases.change_user(request))
    }

    fn change_user(&mut self, request: &UserRequest) -> Result<UserRecord, AccountRefusal> {
        if *request == UserRequest::new(&request.name, Change::Modify) {
            // Only the home is created or moved: the databases stay as they are.
            return self.record(&request.name);
        }
        self.check_files()?;
        check_user(request)?;
        self.check_entry(AccountKind::User, &request.name)?;
        self.seed();
        let record = match request.change {
            Change::Create => self.create_user(request),
            Change::Modify => self.modify_user(request),
            Change::Delete => self.delete_user(&request.name),
            Change::Adopt => self.adopt_user(&request.name),
        }?;
        self.check_lines()?;
        Ok(record)
    }

    fn record(&self, name: &str) -> Result<UserRecord, AccountRefusal> {
        let user = self.user(name);
        let user =
            user.ok_or_else(|| AccountRefusal::new("there is no such user", "plan again"))?;
        Ok(UserRecord {
            uid: user.uid,
            gid: user.gid,
            home: user.home,
        })
    }

    fn create_user(&mut self, request: &UserRequest) -> Result<UserRecord, AccountRefusal> {
        check_name(&request.name)?;
        // An existing root entry is filled in; any other user must be new.
        let present = self.user(&request.name).filter(|present| present.uid == 0);
        if present.is_none() && self.user(&request.name).is_some() {
            return Err(AccountRefusal::new(
                "there is a user of that name",
                "remove one of the two",
            ));
        }
        let uid = match (request.uid, &present) {
            (Some(uid), _) => self.claim_uid(uid, &request.name)?,
            (None, Some(present)) => present.uid,
            (None, None) => self.free_uid(request.system)?,
        };
        let gid = match (&request.primary_group, &present) {
            (Some(group), _) => self.group_id(group)?,
            (None, Some(present)) => present.gid,
            (None, None) => self.own_group(request, uid)?,
        };
        let home = match &request.home {
            Some(home) => home.clone(),
            None => self.policy.home(&request.name),
        };
        let shell = match (&request.shell, &present) {
            (Some(shell), _) => shell.clone(),
            (None, Some(_)) => ROOT_SHELL.to_owned(),
            (None, None) => self.policy.shell(),
        };
        let unset_comment = if present.is_some() { "root" } else { "" };
        let comment = request.gecos.as_deref().unwrap_or(unset_comment);
        let hash = request.password_hash.as_deref().unwrap_or(NO_PASSWORD);
        self.set_groups(&request.name, &request.groups, false)?;
        let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
        self.passwd.put([
            &request.name,
            "x",
            &uid_text,
            &gid_text,
            comment,
            &home,
            &shell,
        ]);
        self.put_shadow(&request.name, hash, request.system);
        if present.is_none() {
            self.assign_ranges(&request.name, request.uid, request.system)?;
        }
        Ok(UserRecord { uid, gid, home })
    }

    pub(super) fn put_shadow(&mut self, name: &str, hash: &str, system: bool) {
        let days = |key, default| match system {
            true => String::new(),
            false => self.policy.days(key, default),
        };
        let (min, max) = (days("PASS_MIN_DAYS", "0"), days("PASS_MAX_DAYS", "99999"));
        let warn = days("PASS_WARN_AGE", "7");
        let today = self.policy.today.to_string();
        let inactive = match system {
            true => String::new(),
            false => self.policy.inactive(),
        };
        let expire = self.policy.text("EXPIRE", "");
        self.shadow.put([
            name, hash, &today, &min, &max, &warn, &inactive, &expire, "",
        ]);
    }

    fn free_uid(&self, system: bool) -> Result<u32, AccountRefusal> {
        let min_max = |range: &RangeInclusive<u32>| self.passwd.min_max(2, range);
        let is_taken = |uid| self.user_by_uid(uid).is_some();
        self.policy.choose_id("UID", system, min_max, is_taken)
    }

    fn claim_uid(&self, uid: u32, name: &str) -> Result<u32, AccountRefusal> {
        match self.user_by_uid(uid) {
            Some(other) if other != name => Err(AccountRefusal::new(
                format!("uid {uid} belongs to user {other:?}"),
                format!("give another uid, or none to have one chosen; or change user {other:?}"),
            )),
            _ => Ok(uid),
        }
    }

    /// The number of a group given by name or number.
    fn group_id(&self, group: &str) -> Result<u32, AccountRefusal> {
        let found = self.named_group(group).map(|(_, gid)| gid);
        found.ok_or_else(|| missing_group(group))
    }

    /// The primary group of a user that names none: one of its own, numbered like the user where
    /// possible, or the one all such users share.
    fn own_group(&mut self, request: &UserRequest, uid: u32) -> Result<u32, AccountRefusal> {
        if !request.user_group || !self.policy.has_user_groups() {
            return Ok(self.shared_group());
        }
        if let Some(gid) = self.group.number(&request.name, 2) {
            // Left by a run that was killed before it wrote the user.
            let members = self.group.field(&request.name, 3).unwrap_or_default();
            let is_used = self.primary_user(gid, "").is_some() || !members.is_empty();
            if !is_used && gid == uid {
                return Ok(gid);
            }
        }
        if self.group(&request.name).is_some() {
            let name = &request.name;
            return Err(AccountRefusal::new(
                format!(
                    "group {name:?} exists, so that the user cannot have a new one of its name"
                ),
                format!("add \"primaryGroup\": {name:?} to be in it, or \"noUserGroup\": true"),
            ));
        }
        let (first, last) = self.policy.range("GID", request.system);
        let suits = (first..=last).contains(&uid) && self.group_by_gid(uid).is_none();
        let gid = if suits {
            uid
        } else {
            self.free_gid(request.system)?
        };
        self.put_group(&request.name, gid, None);
        if self.gshadow.entry(&request.name).is_none() {
            // As useradd does, unlike groupadd.
            self.group.set(&request.name, 1, NO_GROUP_PASSWORD);
        }
        Ok(gid)
    }

    fn shared_group(&mut self) -> u32 {
        let group = self.policy.shared_group();
        if let Some((_, gid)) = self.named_group(&group) {
            return gid;
        }
        let gid = group.parse().unwrap_or(100);
        if self.group("users").is_none() {
            self.put_group("users", gid, None);
        }
        gid
    }

    /// Makes a user a member of groups, and of no others if `only`.
    fn set_groups(
        &mut self,
        user: &str,
        groups: &[String],
        only: bool,
    ) -> Result<(), AccountRefusal> {
        let mut wanted = BTreeSet::new();
        for group in groups {
            let (name, _) = self
                .named_group(group)
                .ok_or_else(|| missing_group(group))?;
            wanted.insert(name.to_owned());
        }
        let foreign = wanted.iter().find(|name| self.group.entry(name).is_none());
        if let Some(group) = foreign {
            return Err(AccountRefusal::new(
                format!("group {group:?} is not in /etc/group, where members are added"),
                "plan again",
            ));
        }
        for group in &wanted {
            self.check_entry(AccountKind::Group, group)?;
        }
        if only {
            self.check_foreign_groups(user, &wanted)?;
        }
        self.set_member(AccountFile::Group, 3, (user, only), &wanted)?;
        self.set_member(AccountFile::Gshadow, 3, (user, only), &wanted)
    }

    fn set_member(
        &mut self,
        file: AccountFile,
        index: usize,
        (user, only): (&str, bool),
        wanted: &BTreeSet<String>,
    ) -> Result<(), AccountRefusal> {
        let table = self.table_mut(file);
        let edited = table.set_member(index, user, wanted, only);
        edited.map_err(|(group, damage)| {
            let path = file.path();
            AccountRefusal::new(
                format!("it is in group {group:?}, whose entry in {path} {damage}"),
                format!("correct {path} in the target"),
            )
        })
    }

    /// Refuses to leave groups that are outside `/etc` and cannot be changed.
    fn check_foreign_groups(
        &self,
        user: &str,
        wanted: &BTreeSet<String>,
    ) -> Result<(), AccountRefusal> {
        let groups = self.groups_of(user);
        let mut lost = groups.into_iter().filter(|group| !wanted.contains(*group));
        let foreign = lost.find(|group| self.group.entry(group).is_none());
        match foreign {
            None => Ok(()),
            Some(group) => Err(AccountRefusal::new(
                format!(
                    "it is in group {group:?}, which the image has outside /etc, and cannot leave it"
                ),
                format!("add {group:?} to its groups"),
            )),
        }
    }

    fn leave_groups(&mut self, user: &str) -> Result<(), AccountRefusal> {
        let none = BTreeSet::new();
        self.set_member(AccountFile::Group, 3, (user, true), &none)?;
        self.set_member(AccountFile::Gshadow, 2, (user, true), &none)?;
        self.set_member(AccountFile::Gshadow, 3, (user, true), &none)
    }

    fn modify_user(&mut self, request: &UserRequest) -> Result<UserRecord, AccountRefusal> {
        let name = request.name.as_str();
        if self.passwd.entry(name).is_none() {
            return Err(AccountRefusal::new(
                "there is no such user in /etc/passwd",
                "plan again",
            ));
        }
        if let Some(uid) = request.uid {
            self.claim_uid(uid, name)?;
            self.passwd.set(name, 2, &uid.to_string());
        }
        if let Some(group) = &request.primary_group {
            let gid = self.group_id(group)?;
            self.passwd.set(name, 3, &gid.to_string());
        }
        for (index, value) in [(4, &request.gecos), (5, &request.home), (6, &request.shell)] {
            if let Some(value) = value {
                self.passwd.set(name, index, value);
            }
        }
        if !request.groups.is_empty() {
            self.set_groups(name, &request.groups, true)?;
        }
        if let Some(hash) = &request.password_hash {
            if self.shadow.entry(name).is_none() {
                self.put_shadow(name, hash, false);
            }
            self.passwd.set(name, 1, "x");
            self.shadow.set(name, 1, hash);
            self.shadow.set(name, 2, &self.policy.today.to_string());
        }
        self.record(name)
    }

    /// Removes a user, and its own group if that has no other members.
    fn delete_user(&mut self, name: &str) -> Result<UserRecord, AccountRefusal> {
        let record = self.record(name)?;
        if self.passwd.entry(name).is_none() {
            return Err(AccountRefusal::new(
                "the image has it outside /etc, where it cannot be deleted",
                "lock it instead: \"passwordHash\": \"\" and \"shell\": \"/sbin/nologin\"",
            ));
        }
        self.passwd.remove(name);
        self.shadow.remove(name);
        if self.user(name).is_some() {
            return Err(AccountRefusal::new(
                "the image has it outside /etc as well, where it cannot be deleted",
                "lock it instead: \"passwordHash\": \"\" and \"shell\": \"/sbin/nologin\"",
            ));
        }
        self.leave_groups(name)?;
        self.remove_ranges(name);
        let is_own = self.group.number(name, 2) == Some(record.gid);
        let others = self.group.field(name, 3).unwrap_or_default();
        let is_used = !members(others).is_empty() || self.primary_user(record.gid, name).is_some();
        if self.policy.has_user_groups() && is_own && !is_used {
            self.group.remove(name);
            self.gshadow.remove(name);
        }
        Ok(record)
    }

    // ---- users of the image

    /// True if a user is not in `/etc/passwd`, and can be put there by [`Change::Adopt`].
    pub fn can_adopt_user(&self, name: &str) -> bool {
        match self.user(name) {
            Some(user) => user.layer.is_some(),
            None => self.sysusers.user(name).is_some(),
        }
    }

    /// Where an adopted user is taken from.
    pub fn source_of_user(&self, name: &str) -> Option<&str> {
        match self.user(name) {
            Some(user) => user.layer,
            None => self.sysusers.user(name).map(|entry| entry.file.as_str()),
        }
    }

    fn adopt_user(&mut self, name: &str) -> Result<UserRecord, AccountRefusal> {
        let Some(present) = self.user(name) else {
            return self.make_sysusers_user(name);
        };
        if present.layer.is_some() {
            let (uid, gid) = (present.uid.to_string(), present.gid.to_string());
            let hash = present.password_hash.as_deref().unwrap_or(NO_PASSWORD);
            self.passwd.put([
                name,
                "x",
                &uid,
                &gid,
                &present.gecos,
                &present.home,
                &present.shell,
            ]);
            if self.shadow.entry(name).is_none() {
                self.put_shadow(name, hash, true);
            }
        }
        self.record(name)
    }

    fn make_sysusers_user(&mut self, name: &str) -> Result<UserRecord, AccountRefusal> {
        let Some(entry) = self.sysusers.user(name).cloned() else {
            return Err(AccountRefusal::new(
                "neither the target nor its sysusers.d has it",
                "plan again",
            ));
        };
        let group = entry.group.as_deref().unwrap_or(name);
        let gid = match self.named_group(group) {
            Some((_, gid)) => gid,
            None => self.adopt_group(group)?,
        };
        let uid = match entry.uid.filter(|uid| self.user_by_uid(*uid).is_none()) {
            Some(uid) => uid,
            None => self.free_uid(true)?,
        };
        let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
        self.passwd.put([
            name,
            "x",
            &uid_text,
            &gid_text,
            &entry.gecos,
            &entry.home,
            &entry.shell,
        ]);
        if self.shadow.entry(name).is_none() {
            self.put_shadow(name, "!*", true);
        }
        self.record(name)
    }
}

fn missing_group(group: &str) -> AccountRefusal {
    AccountRefusal::new(
        format!("there is no group {group:?}"),
        format!(
            "add it to passwd.groups, or correct the name; a group that is created with another user exists only \
             after that user, so list that user first, or add {group:?} to passwd.groups"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{AccountTable, GroupRequest, TableLayout};

    fn seeded() -> Databases {
        let mut databases = Databases::default();
        databases.policy.today = 20000;
        databases.seed();
        databases
    }

    fn user(name: &str) -> UserRequest {
        UserRequest::new(name, Change::Create)
    }

    fn group(name: &str, gid: Option<u32>, change: Change) -> GroupRequest {
        GroupRequest {
            gid,
            ..GroupRequest::new(name, change)
        }
    }

    fn text(table: &crate::accounts::AccountTable) -> String {
        String::from_utf8(table.bytes()).expect("text")
    }

    #[test]
    fn an_empty_target_gets_usable_databases() {
        let mut databases = seeded();
        let wheel = group("wheel", Some(10), Change::Create);
        databases.apply_group(&wheel).expect("a group");
        let core = UserRequest {
            groups: vec!["wheel".into()],
            password_hash: Some("$6$hash".into()),
            ..user("core")
        };
        let record = databases.apply_user(&core).expect("a user");
        assert_eq!(
            record,
            UserRecord {
                uid: 1000,
                gid: 1000,
                home: "/home/core".into()
            }
        );
        assert_eq!(
            text(&databases.passwd),
            "root:x:0:0:root:/root:/bin/bash\ncore:x:1000:1000::/home/core:/bin/sh\n"
        );
        assert_eq!(
            text(&databases.group),
            "root:x:0:\nwheel:x:10:core\ncore:x:1000:\n"
        );
        assert_eq!(
            text(&databases.shadow),
            "root:*:20000:0:99999:7:::\ncore:$6$hash:20000:0:99999:7:::\n"
        );
        assert_eq!(
            text(&databases.gshadow),
            "root:*::\nwheel:!::core\ncore:!::\n"
        );
        databases
            .apply_user(&UserRequest::new("core", Change::Delete))
            .expect("it is there");
        databases
            .apply_group(&group("wheel", None, Change::Delete))
            .expect("nobody needs it");
        assert_eq!(databases, seeded());
    }

    #[test]
    fn members_in_damaged_lines_are_not_forgotten() {
        let mut databases = seeded();
        databases.apply_user(&user("a")).expect("a user");
        let before = [text(&databases.group).as_bytes(), b"wheel:x:10:a,\0\n"].concat();
        databases.group = AccountTable::parse(TableLayout::GROUP, Some(&before));
        let delete = UserRequest::new("a", Change::Delete);
        let refused = databases.clone().apply_user(&delete).expect_err("wheel");
        assert_eq!(
            refused.cause,
            "it is in group \"wheel\", whose entry in /etc/group has a NUL character"
        );
        let other = databases.apply_user(&user("b"));
        other.expect("it is not in wheel");
    }

    #[test]
    fn values_of_the_target_are_checked_like_those_of_the_config() {
        for home in ["/a:b", "/a\0b"] {
            let mut databases = seeded();
            databases.policy.useradd = [("HOME".to_owned(), home.to_owned())].into();
            let refused = databases.apply_user(&user("a")).expect_err("its home");
            assert!(refused.cause.contains("/etc/passwd"), "{refused:?}");
            assert!(
                refused.remedy.contains("/etc/default/useradd"),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn root_is_filled_in() {
        let mut databases = seeded();
        let request = UserRequest {
            shell: Some("/bin/zsh".into()),
            password_hash: Some("h".into()),
            ..user("root")
        };
        databases.apply_user(&request).expect("root");
        assert_eq!(text(&databases.passwd), "root:x:0:0:root:/root:/bin/zsh\n");
        assert_eq!(text(&databases.shadow), "root:h:20000:0:99999:7:::\n");
        assert_eq!(text(&databases.group), "root:x:0:\n");
    }

    #[test]
    fn conflicts_are_errors() {
        let create = Change::Create;
        type Case<'a> = (&'a str, UserRequest);
        let cases: [Case<'_>; 4] = [
            (
                "uid 0 belongs to user \"root\"",
                UserRequest {
                    uid: Some(0),
                    ..user("a")
                },
            ),
            (
                "there is no group \"none\"",
                UserRequest {
                    groups: vec!["none".into()],
                    ..user("a")
                },
            ),
            (
                "there is no group \"77\"",
                UserRequest {
                    primary_group: Some("77".into()),
                    ..user("a")
                },
            ),
            (
                "group \"staff\" exists, so that the user cannot have a new one of its name",
                user("staff"),
            ),
        ];
        for (want, request) in cases {
            let mut databases = seeded();
            let staff = group("staff", Some(50), create);
            databases.apply_group(&staff).expect("a group");
            let error = databases.apply_user(&request).expect_err(want);
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn users_are_modified() {
        let mut databases = seeded();
        for (name, gid) in [("a", 10), ("b", 11)] {
            let request = group(name, Some(gid), Change::Create);
            databases.apply_group(&request).expect("a group");
        }
        let core = UserRequest {
            groups: vec!["a".into()],
            ..user("core")
        };
        databases.apply_user(&core).expect("a user");
        let request = UserRequest {
            uid: Some(2000),
            gecos: Some("Core".into()),
            primary_group: Some("11".into()),
            groups: vec!["b".into()],
            ..UserRequest::new("core", Change::Modify)
        };
        databases.apply_user(&request).expect("a change");
        assert_eq!(
            text(&databases.passwd).lines().last(),
            Some("core:x:2000:11:Core:/home/core:/bin/sh")
        );
        assert_eq!(
            text(&databases.group),
            "root:x:0:\na:x:10:\nb:x:11:core\ncore:x:1000:\n"
        );
        let error = databases
            .apply_group(&group("b", None, Change::Delete))
            .expect_err("it is in use");
        assert_eq!(
            error.to_string(),
            "it is the primary group of user \"core\""
        );
    }

    /// If the databases were copied or searched for each user, this would read hundreds of millions of lines.
    #[test]
    fn many_users_take_no_more_time_than_a_few() {
        let mut databases = seeded();
        let wheel = group("wheel", Some(10), Change::Create);
        databases.apply_group(&wheel).expect("a group");
        let all = 8_000;
        for n in 0..all {
            let refused = databases.apply_user(&UserRequest {
                groups: vec!["none".into()],
                ..user(&format!("u{n}"))
            });
            refused.expect_err("no such group");
            databases
                .apply_user(&user(&format!("u{n}")))
                .expect("a user");
        }
        assert_eq!(databases.user_by_uid(1000 + all - 1), Some("u7999"));
        for n in 0..all / 2 {
            let delete = UserRequest::new(&format!("u{n}"), Change::Delete);
            databases.apply_user(&delete).expect("it is there");
        }
        assert_eq!(databases.passwd.entries().count(), 4001);
        assert_eq!(databases.group.entries().count(), 4002);
    }

    #[test]
    fn refused_changes_leave_no_trace() {
        let mut databases = seeded();
        databases.apply_user(&user("a")).expect("a user");
        let before = [text(&databases.group).as_bytes(), b"wheel:x:10:a,\0\n"].concat();
        databases.group = AccountTable::parse(TableLayout::GROUP, Some(&before));
        let clean = databases.clone();
        let delete = UserRequest::new("a", Change::Delete);
        databases.apply_user(&delete).expect_err("wheel");
        assert_eq!(databases, clean);
        assert_eq!(databases.user_by_uid(1000), Some("a"));
    }

    #[test]
    fn system_users_and_shared_groups() {
        let mut databases = seeded();
        let daemon = UserRequest {
            system: true,
            ..user("daemon")
        };
        databases.apply_user(&daemon).expect("a user");
        let guest = UserRequest {
            user_group: false,
            ..user("guest")
        };
        databases.apply_user(&guest).expect("a user");
        assert_eq!(
            text(&databases.passwd).lines().skip(1).collect::<Vec<_>>(),
            [
                "daemon:x:999:999::/home/daemon:/bin/sh",
                "guest:x:1000:100::/home/guest:/bin/sh"
            ]
        );
        assert_eq!(databases.shadow.field("daemon", 3), Some(""));
        assert_eq!(databases.group.number("users", 2), Some(100));
    }
}
