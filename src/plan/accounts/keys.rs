//! Ssh keys of users.
//!
//! They are written with the permissions of the user, below a home that is opened as root, since access to directories
//! above it does not matter. In a home owned by root, the directory for the keys is created first and given to the
//! user. If the user still may not write, or the ssh server would not accept what is there, the keys are refused.

use super::AccountPlanner;
use crate::accounts::{AccountRefusal, User};
use crate::config::Origin;
use crate::config::model::PasswdUser;
use crate::facts::root::ContentFacts;
use crate::facts::{NodeFacts, NodeKind};
use crate::paths::{ancestors, child, clean, is_at_or_below, parent};
use crate::plan::op::{SshKeys, Subject};
use crate::plan::paths::refuse_path;
use crate::plan::{Claim, Effect, OpKind, Phase};

/// Permission to change the entries of a directory.
const WRITE_AND_SEARCH: u32 = 0o3;
/// Permission to pass through a directory.
const SEARCH: u32 = 0o1;
/// Restricted deletion: only the owner of an entry may replace it.
const STICKY: u32 = 0o1000;

/// Text of a key file: one key per line.
pub fn key_text(keys: &[String]) -> String {
    let mut text = keys.join("\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

impl AccountPlanner<'_, '_> {
    pub(super) fn plan_ssh_keys(&mut self, desired: &PasswdUser, origin: Option<Origin>) {
        let Some(user) = self.draft.accounts.databases.user(&desired.name) else {
            return;
        };
        let file = self.draft.observed.root.accounts.key_file.below_home();
        let written = clean(&format!("{}/{file}", user.home));
        let found = self.resolve_directory(&user.home);
        let found = found.and_then(|home| Ok((home, self.planned.resolve(&written)?)));
        let (home, path) = match found {
            Ok(found) => found,
            Err(cause) => return refuse_path(self.draft, &written, &cause, origin),
        };
        if self.keys_are_right(&path, &user) {
            return self.already_right(
                Subject::User(desired.name.clone()),
                "same ssh keys",
                origin,
            );
        }
        let obstacle = self
            .obstacle_to_home(desired, &user, &home)
            .or_else(|| self.obstacle_to_keys(&user, &home, file));
        if let Some(why) = obstacle {
            let object = format!("ssh keys of user {}", desired.name);
            return self.refuse("write", object, why, origin);
        }
        let claims = self.key_claims(&home, &path);
        let effect = match self.planned.exists(&path) {
            true => Effect::Change,
            false => Effect::Create,
        };
        let kind = OpKind::SshKeys(SshKeys {
            user: desired.name.clone(),
            home,
            keys: desired.ssh_authorized_keys.len(),
            text: key_text(&desired.ssh_authorized_keys),
            file: file.into(),
        });
        self.planned
            .push(self.draft, Phase::Accounts, effect, kind, origin, claims);
    }

    fn key_claims(&self, home: &str, path: &str) -> Vec<Claim> {
        let mut claims = vec![Claim::use_accounts()];
        claims.extend(self.planned.claims(path));
        if !self.planned.exists(home) {
            claims.push(Claim::use_path(home));
        }
        let below_home = self.planned.missing_above(path).into_iter();
        let made = below_home.filter(|above| above != home && is_at_or_below(above, home));
        claims.extend(made.map(|above| Claim::make_path(&above)));
        claims
    }

    fn keys_are_right(&self, path: &str, user: &User) -> bool {
        self.planned.node(path).is_some_and(|node| {
            let same = matches!(
                node.kind,
                NodeKind::File {
                    content: ContentFacts::AsRequested,
                    ..
                }
            );
            same && (node.fixed_permissions
                || (self.owner(user, path, node).0 == user.uid && node.mode == 0o600))
        })
    }

    /// Why there is no home for keys, or none that the ssh server would accept.
    fn obstacle_to_home(
        &self,
        desired: &PasswdUser,
        user: &User,
        home: &str,
    ) -> Option<AccountRefusal> {
        let entry = self.directories.contains_key(home);
        let remedy = format!(
            "add {home} to storage.directories with \"user\": {{\"name\": {:?}}}",
            user.name
        );
        let refused = |cause: String, remedy: String| Some(AccountRefusal { cause, remedy });
        if !self.planned.exists(home) && !entry {
            let drop = match desired.no_create_home {
                Some(true) => "remove noCreateHome, or ",
                _ => "",
            };
            let cause = format!("home {home} does not exist and is not created");
            return refused(cause, format!("{drop}{remedy}"));
        }
        if home == "/" && user.uid != 0 {
            let cause = "its home is the root directory".to_owned();
            return refused(cause, "give it a homeDir of its own".into());
        }
        if let Some(owner) = self.homes.get(home).filter(|_| user.uid != 0)
            && *owner != user.name
        {
            let cause = format!("home {home} is created for user {owner}");
            return refused(cause, "give each of the two a homeDir of its own".into());
        }
        let node = self.planned.node(home)?;
        let (owner, _) = self.owner(user, home, node);
        if node.fixed_permissions && user.uid != 0 {
            let cause = format!("the file system of home {home} keeps no owners");
            return refused(cause, "give it a homeDir elsewhere".into());
        }
        // The root of a new file system, or a home that is handed over.
        let is_adopted = node.inode == (0, 0) || self.homes.contains_key(home);
        if owner != user.uid && owner != 0 && user.uid != 0 && !entry && !is_adopted {
            let cause = format!(
                "home {home} belongs to uid {owner}, and the ssh server accepts only files owned by the user or by root"
            );
            return refused(cause, format!("{remedy}, or remove it"));
        }
        None
    }

    /// Why the user cannot write the file below the home.
    fn obstacle_to_keys(&self, user: &User, home: &str, file: &str) -> Option<AccountRefusal> {
        let (below, name) = file.rsplit_once('/').unwrap_or(("", file));
        // A home that the config lists gets its permissions before this; one that is moved or handed over keeps its
        // mode.
        let is_as_found = !self.directories.contains_key(home);
        if is_as_found && !self.may_enter(user, home) {
            return refuse_keys(format!("the user may not enter home {home}"));
        }
        let mut here = home.to_owned();
        for part in below.split('/').filter(|part| !part.is_empty()) {
            let path = child(&here, part);
            if !self.planned.exists(&path) {
                // The first one is created as root, for the user; everything in it is created by the user.
                let is_allowed = here == home || self.has_permission(user, &here, WRITE_AND_SEARCH);
                return match is_allowed {
                    true => None,
                    false => refuse_keys(format!("the user may not write to {here}")),
                };
            }
            let place = match self.resolve_directory(&path) {
                Ok(place) => place,
                Err(cause) => return refuse_keys(cause.to_string()),
            };
            if !self.planned.exists(&place) {
                return refuse_keys(format!("{path} is a link to {place}, which does not exist"));
            }
            let is_inside = is_at_or_below(&place, home);
            if !is_inside {
                let closed =
                    ancestors(&place).find(|above| !self.has_permission(user, above, SEARCH));
                if let Some(closed) = closed {
                    return refuse_keys(format!(
                        "{path} leads through {closed}, which the user may not enter"
                    ));
                }
            }
            here = place;
        }
        self.obstacle_to_key_file(user, &here, name)
    }

    /// Why the user cannot write file `name` in the directory `here`, which is a resolved path.
    fn obstacle_to_key_file(&self, user: &User, here: &str, name: &str) -> Option<AccountRefusal> {
        if self.planned.is_made(here) && self.planned.node(here).is_none() {
            return None;
        }
        let path = child(here, name);
        let present = self.planned.node(&path);
        if let Some(NodeKind::Directory { .. }) = present.map(|node| &node.kind) {
            return refuse_keys(format!("{path} is a directory"));
        }
        let is_users = |path: &str, node: &NodeFacts| self.owner(user, path, node).0 == user.uid;
        let is_kept = |above: &NodeFacts, node: &NodeFacts| {
            above.mode & STICKY != 0 && !is_users(here, above) && !is_users(&path, node)
        };
        let above = self.planned.node(here);
        let kept = above.zip(present).is_some_and(|(a, n)| is_kept(a, n)) && user.uid != 0;
        match !kept && self.has_permission(user, here, WRITE_AND_SEARCH) {
            true => None,
            false => refuse_keys(format!("the user may not write to {here}")),
        }
    }

    /// Owner and group of a node once the home of the user has followed a change of ids.
    fn owner(&self, user: &User, path: &str, node: &NodeFacts) -> (u32, u32) {
        let home = self.handed_over.get(&user.name);
        let swap = |id, before, after| if id == before { after } else { id };
        match home.filter(|home| is_at_or_below(path, &home.place)) {
            Some(home) => (
                swap(node.uid, home.uid, user.uid),
                swap(node.gid, home.gid, user.gid),
            ),
            None => (node.uid, node.gid),
        }
    }

    /// True if a user may enter a home; one that is moved keeps its present mode.
    fn may_enter(&self, user: &User, home: &str) -> bool {
        let moved = self.handed_over.get(&user.name);
        let from = moved.filter(|moved| moved.place == home && moved.from != home);
        match from {
            Some(moved) => {
                let node = self.draft.observed.root.nodes.get(&moved.from);
                node.is_none_or(|node| self.grants(user, home, node, SEARCH))
            }
            None => self.planned.node(home).is_none() || self.has_permission(user, home, SEARCH),
        }
    }

    /// True if a user has permissions on a directory as owner, by group or as anybody. Directories that do not exist
    /// yet are created by root, without write permission for others.
    fn has_permission(&self, user: &User, path: &str, wanted: u32) -> bool {
        let Some(node) = self.planned.node(path) else {
            return wanted & !0o5 == 0;
        };
        let is_allowed = parent(path).is_some() || wanted == SEARCH || user.uid == 0;
        is_allowed && self.grants(user, path, node, wanted)
    }

    fn grants(&self, user: &User, path: &str, node: &NodeFacts, wanted: u32) -> bool {
        let (uid, gid) = self.owner(user, path, node);
        let granted = match node.mode {
            _ if user.uid == 0 => return true,
            mode if uid == user.uid => mode >> 6,
            mode if gid == user.gid => mode >> 3,
            mode => mode,
        };
        granted & wanted == wanted
    }
}

/// Refuses keys because of what exists in the target.
fn refuse_keys(cause: String) -> Option<AccountRefusal> {
    Some(AccountRefusal {
        cause,
        remedy: "remove or replace what is in the way, or give it to the user".into(),
    })
}
