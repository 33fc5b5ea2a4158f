//! Changes to groups.

use super::databases::NO_GROUP_PASSWORD;
use super::fields::{check_hash, check_id, check_name};
use super::{AccountKind, AccountRefusal, Change, Databases, GroupRecord, GroupRequest};
use std::ops::RangeInclusive;

impl Databases {
    /// Carries out a change to a group.
    ///
    /// # Errors
    /// The reason why it cannot be done; the databases then stay as they are.
    pub fn apply_group(&mut self, request: &GroupRequest) -> Result<GroupRecord, AccountRefusal> {
        self.atomically(|databases| databases.change_group(request))
    }

    fn change_group(&mut self, request: &GroupRequest) -> Result<GroupRecord, AccountRefusal> {
        self.check_files()?;
        check_id(request.gid)?;
        check_hash(request.password_hash.as_deref())?;
        self.check_entry(AccountKind::Group, &request.name)?;
        self.seed();
        let gid = match request.change {
            Change::Create => self.create_group(request)?,
            Change::Modify => self.modify_group(request)?,
            Change::Delete => self.delete_group(&request.name)?,
            Change::Adopt => self.adopt_group(&request.name)?,
        };
        self.check_lines()?;
        Ok(GroupRecord { gid })
    }

    fn create_group(&mut self, request: &GroupRequest) -> Result<u32, AccountRefusal> {
        check_name(&request.name)?;
        if self.group(&request.name).is_some() {
            return Err(AccountRefusal::new(
                "there is a group of that name",
                "remove one of the two",
            ));
        }
        let gid = match request.gid {
            Some(gid) => self.claim_gid(gid)?,
            None => self.free_gid(request.system)?,
        };
        self.put_group(&request.name, gid, request.password_hash.as_deref());
        Ok(gid)
    }

    pub(super) fn free_gid(&self, system: bool) -> Result<u32, AccountRefusal> {
        let min_max = |range: &RangeInclusive<u32>| self.group.min_max(2, range);
        let is_taken = |gid| self.group_by_gid(gid).is_some();
        self.policy.choose_id("GID", system, min_max, is_taken)
    }

    fn claim_gid(&self, gid: u32) -> Result<u32, AccountRefusal> {
        match self.group_by_gid(gid) {
            None => Ok(gid),
            Some(other) => Err(AccountRefusal::new(
                format!("gid {gid} belongs to group {other:?}"),
                format!("give another gid, or none to have one chosen; or use group {other:?}"),
            )),
        }
    }

    pub(super) fn put_group(&mut self, name: &str, gid: u32, hash: Option<&str>) {
        // A target without gshadow is left without it, unless there is a hash to store.
        let has_secrets =
            self.gshadow.exists() || !self.group.exists() || hash.is_some_and(|h| h != "*");
        self.group.put([name, "x", &gid.to_string(), ""]);
        if has_secrets {
            self.gshadow
                .put([name, hash.unwrap_or(NO_GROUP_PASSWORD), "", ""]);
        }
    }

    fn modify_group(&mut self, request: &GroupRequest) -> Result<u32, AccountRefusal> {
        let name = request.name.as_str();
        let old = self.present_gid(name)?;
        let gid = request.gid.unwrap_or(old);
        if gid != old {
            self.claim_gid(gid)?;
            self.group.set(name, 2, &gid.to_string());
            self.passwd.replace(3, old, gid);
        }
        if let Some(hash) = &request.password_hash {
            if self.gshadow.entry(name).is_none() {
                let members = self.group.field(name, 3).unwrap_or_default().to_owned();
                self.gshadow.put([name, NO_GROUP_PASSWORD, "", &members]);
            }
            self.group.set(name, 1, "x");
            self.gshadow.set(name, 1, hash);
        }
        Ok(gid)
    }

    fn present_gid(&self, name: &str) -> Result<u32, AccountRefusal> {
        let gid = self.group.number(name, 2);
        gid.ok_or_else(|| AccountRefusal::new("there is no such group in /etc/group", "plan again"))
    }

    fn delete_group(&mut self, name: &str) -> Result<u32, AccountRefusal> {
        let gid = self.present_gid(name)?;
        if let Some(user) = self.primary_user(gid, "") {
            return Err(AccountRefusal::new(
                format!("it is the primary group of user {user:?}"),
                format!(
                    "give user {user:?} another primaryGroup in an earlier run, or keep the group"
                ),
            ));
        }
        self.group.remove(name);
        self.gshadow.remove(name);
        if self.group(name).is_some() {
            return Err(AccountRefusal::new(
                "the image has it outside /etc as well, where it cannot be deleted",
                "keep the group",
            ));
        }
        Ok(gid)
    }

    // ---- groups of the image

    /// True if a group is not in `/etc/group`, and can be put there by [`Change::Adopt`].
    pub fn can_adopt_group(&self, name: &str) -> bool {
        match self.layer_of_group(name) {
            Some(layer) => layer.is_some(),
            None => self.sysusers.group(name).is_some(),
        }
    }

    /// Where an adopted group is taken from.
    pub fn source_of_group(&self, name: &str) -> Option<&str> {
        match self.layer_of_group(name) {
            Some(layer) => layer,
            None => self.sysusers.group(name).map(|entry| entry.file.as_str()),
        }
    }

    pub(super) fn adopt_group(&mut self, name: &str) -> Result<u32, AccountRefusal> {
        let Some(present) = self.group(name) else {
            return self.make_sysusers_group(name);
        };
        if present.layer.is_none() {
            return Ok(present.gid);
        }
        let members = present.members.join(",");
        self.put_group(name, present.gid, None);
        self.group.set(name, 3, &members);
        self.gshadow.set(name, 3, &members);
        Ok(present.gid)
    }

    fn make_sysusers_group(&mut self, name: &str) -> Result<u32, AccountRefusal> {
        let wanted = match self.sysusers.group(name) {
            Some(entry) => entry.gid,
            None => {
                return Err(AccountRefusal::new(
                    "neither the target nor its sysusers.d has it",
                    "plan again",
                ));
            }
        };
        let gid = match wanted.filter(|gid| self.group_by_gid(*gid).is_none()) {
            Some(gid) => gid,
            None => self.free_gid(true)?,
        };
        self.put_group(name, gid, None);
        Ok(gid)
    }
}
