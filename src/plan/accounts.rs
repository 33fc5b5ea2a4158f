//! Users, groups and ssh keys.
//!
//! An existing account is compared field by field; only what differs is changed. Accounts come
//! before the nodes of the tree, which may belong to them or lie in a new home.

use super::op::*;
use super::paths::{Ground, refuse_path};
use super::{Access, Claim, Draft, Effect, OpKind, Phase, Refusal, Resource};
use crate::config::Origin;
use crate::config::model::{Config, PasswdGroup, PasswdUser};
use crate::facts::accounts::{GroupFacts, UserFacts};
use crate::facts::paths::{clean, is_at_or_below};
use crate::facts::root::ContentFacts;
use crate::facts::{AccountFacts, NodeKind};
use std::collections::{BTreeSet, HashMap};

/// Text of the hash field of an account nobody can log in to with a password.
const NO_PASSWORD: &str = "*";

/// Drafts all operations on accounts.
pub fn plan(draft: &mut Draft<'_>) {
    let config = draft.document.config();
    if config.passwd.groups.is_empty() && config.passwd.users.is_empty() {
        return;
    }
    let facts = &draft.observed.root.accounts;
    let ground = Ground::of(draft);
    let mut planner = Planner {
        backend: backend(facts),
        directories: directories(config, &ground),
        config,
        facts,
        draft,
        ground,
    };
    for (index, group) in config.passwd.groups.iter().enumerate() {
        planner.group(index, group);
    }
    for (index, user) in config.passwd.users.iter().enumerate() {
        planner.user(index, user);
    }
}

/// The shadow tools where the target has databases and their policy; else we write the databases,
/// since the tools would fall back to defaults no distribution uses.
pub fn backend(facts: &AccountFacts) -> AccountBackend {
    if facts.has_databases && facts.has_policy {
        AccountBackend::ShadowTools
    } else {
        AccountBackend::Native
    }
}

/// Directories the config asks for, by resolved path; true if owned by a name.
fn directories(config: &Config, ground: &Ground<'_>) -> HashMap<String, bool> {
    let by_name =
        |owner: &crate::config::model::NodeOwner| owner.id.is_none() && owner.name.is_some();
    config
        .storage
        .directories
        .iter()
        .filter_map(|directory| {
            let path = ground.resolve(&directory.path).ok()?;
            Some((path, by_name(&directory.user) || by_name(&directory.group)))
        })
        .collect()
}

struct Planner<'d, 'a> {
    draft: &'d mut Draft<'a>,
    config: &'a Config,
    facts: &'a AccountFacts,
    ground: Ground<'a>,
    directories: HashMap<String, bool>,
    backend: AccountBackend,
}

impl<'a> Planner<'_, 'a> {
    // ---- groups

    fn group(&mut self, index: usize, wish: &PasswdGroup) {
        let origin = self.draft.origin(&format!("$.passwd.groups.{index}"));
        let subject = Subject::Group(wish.name.clone());
        let present = self.facts.groups.get(&wish.name);
        match (wish.should_exist, present) {
            (Some(false), None) => self.right(subject, "there is none, as wanted", origin),
            (Some(false), Some(_)) => {
                let act = self.group_act(wish, AccountChange::Delete);
                self.push_group("groupdel", Effect::Destroy, act, origin);
            }
            (_, None) => {
                let mut act = self.group_act(wish, AccountChange::Create);
                act.gid = id(wish.gid);
                act.system = wish.system == Some(true);
                act.password_hash = non_empty(&wish.password_hash);
                self.push_group("groupadd", Effect::Create, act, origin);
            }
            (_, Some(present)) => {
                let mut act = self.group_act(wish, AccountChange::Modify);
                compare_group(wish, present, &mut act);
                if act.differs.is_empty() {
                    return self.right(subject, "same fields", origin);
                }
                self.push_group("groupmod", Effect::Change, act, origin);
            }
        }
    }

    fn group_act(&self, wish: &PasswdGroup, change: AccountChange) -> GroupAct {
        GroupAct {
            name: wish.name.clone(),
            change,
            differs: Vec::new(),
            gid: None,
            system: false,
            password_hash: None,
            backend: self.backend,
        }
    }

    fn push_group(&mut self, tool: &str, effect: Effect, act: GroupAct, origin: Option<Origin>) {
        if self.has_tool(tool, &format!("group {}", act.name), &origin) {
            let claims = vec![Claim::new(Access::Change, Resource::Accounts)];
            self.draft
                .push(Phase::Accounts, effect, OpKind::Group(act), origin, claims);
        }
    }

    // ---- users

    fn user(&mut self, index: usize, wish: &PasswdUser) {
        let origin = self.draft.origin(&format!("$.passwd.users.{index}"));
        let present = self.facts.users.get(&wish.name);
        match (wish.should_exist, present) {
            (Some(false), None) => {
                let subject = Subject::User(wish.name.clone());
                return self.right(subject, "there is none, as wanted", origin);
            }
            (Some(false), Some(present)) => return self.delete_user(wish, present, origin),
            (_, None) => self.create_user(wish, origin.clone()),
            (_, Some(present)) => self.modify_user(wish, present, origin.clone()),
        }
        if !wish.ssh_authorized_keys.is_empty() {
            self.ssh_keys(wish, present, origin);
        }
    }

    fn delete_user(&mut self, wish: &PasswdUser, present: &UserFacts, origin: Option<Origin>) {
        if !self.has_tool("userdel", &format!("user {}", wish.name), &origin) {
            return;
        }
        let mut act = self.user_act(wish, AccountChange::Delete);
        let home = self.ground.resolve(&present.home).ok();
        act.home = Some(present.home.clone());
        let mut claims = vec![Claim::new(Access::Change, Resource::Accounts)];
        claims.extend(home.as_deref().map(Claim::make_path));
        let kind = OpKind::User(act);
        let effect = Effect::Destroy;
        let id = self
            .ground
            .push(self.draft, Phase::Accounts, effect, kind, origin, claims);
        if home.is_some_and(|home| self.draft.observed.root.nodes.contains_key(&home)) {
            let loss = format!("home {} of user {}", present.home, wish.name);
            self.draft.destroys(id, loss);
        }
    }

    fn create_user(&mut self, wish: &PasswdUser, origin: Option<Origin>) {
        if !self.has_tool("useradd", &format!("user {}", wish.name), &origin) {
            return;
        }
        let mut act = self.user_act(wish, AccountChange::Create);
        act.uid = id(wish.uid);
        act.gecos = non_empty(&wish.gecos);
        act.home = non_empty(&wish.home_dir);
        act.create_home = wish.no_create_home != Some(true);
        act.primary_group = non_empty(&wish.primary_group);
        act.groups.clone_from(&wish.groups);
        act.user_group = wish.no_user_group != Some(true);
        act.no_log_init = wish.no_log_init == Some(true);
        act.shell = non_empty(&wish.shell);
        act.system = wish.system == Some(true);
        act.password_hash = wish.password_hash.as_deref().map(hash);
        let home = clean(&self.home(wish, None));
        act.adopts = self.adopts(wish, &home);
        let mut claims = vec![Claim::new(Access::Change, Resource::Accounts)];
        if act.create_home {
            match self.ground.resolve(&home) {
                Ok(home) => claims.extend(self.home_claims(&home)),
                Err(cause) => return refuse_path(self.draft, &home, &cause, origin),
            }
        }
        let kind = OpKind::User(act);
        self.ground.push(
            self.draft,
            Phase::Accounts,
            Effect::Create,
            kind,
            origin,
            claims,
        );
    }

    fn modify_user(&mut self, wish: &PasswdUser, present: &UserFacts, origin: Option<Origin>) {
        let mut act = self.user_act(wish, AccountChange::Modify);
        compare_user(wish, present, self.facts, &mut act);
        let home = clean(&self.home(wish, Some(present)));
        act.adopts = self.adopts(wish, &home);
        let place = self.ground.resolve(&home).ok();
        if self.lacks_home(wish, present, place.as_deref()) {
            act.differs.push("home is missing".into());
            act.create_home = true;
        }
        if act.differs.is_empty() && act.adopts.is_empty() {
            let subject = Subject::User(wish.name.clone());
            return self.right(subject, "same fields", origin);
        }
        if !self.has_tool("usermod", &format!("user {}", wish.name), &origin) {
            return;
        }
        let mut claims = vec![Claim::new(Access::Change, Resource::Accounts)];
        if let Some(place) = place.filter(|_| act.home.is_some() || act.create_home) {
            claims.extend(self.home_claims(&place));
        }
        let (kind, effect) = (OpKind::User(act), Effect::Change);
        self.ground
            .push(self.draft, Phase::Accounts, effect, kind, origin, claims);
    }

    /// True for a person whose home a run that was killed did not get to make. System accounts
    /// often name a home that is not meant to exist.
    fn lacks_home(&self, wish: &PasswdUser, present: &UserFacts, place: Option<&str>) -> bool {
        let first = self.facts.login_defs.get("UID_MIN");
        let first = first.and_then(|text| text.parse().ok()).unwrap_or(1000);
        let moves = non_empty(&wish.home_dir).is_some_and(|home| home != present.home);
        wish.no_create_home != Some(true)
            && present.uid >= first
            && !moves
            && place.is_some_and(|place| !self.ground.exists(place))
    }

    fn user_act(&self, wish: &PasswdUser, change: AccountChange) -> UserAct {
        UserAct {
            name: wish.name.clone(),
            change,
            differs: Vec::new(),
            adopts: Vec::new(),
            uid: None,
            gecos: None,
            home: None,
            create_home: false,
            primary_group: None,
            groups: Vec::new(),
            user_group: false,
            no_log_init: false,
            shell: None,
            system: false,
            password_hash: None,
            backend: self.backend,
        }
    }

    /// The home a user has when the operation has run.
    fn home(&self, wish: &PasswdUser, present: Option<&UserFacts>) -> String {
        non_empty(&wish.home_dir)
            .or_else(|| present.map(|present| present.home.clone()))
            .unwrap_or_else(|| self.facts.default_home(&wish.name))
    }

    /// Claims for making a home: missing directories above it are made with it, unless the config
    /// asks for them. A directory owned by a name comes after the accounts and so after the home.
    fn home_claims(&self, home: &str) -> Vec<Claim> {
        let mut claims = vec![Claim::make_path(home)];
        let above = self.ground.missing_above(home);
        let named = above
            .iter()
            .any(|path| self.directories.get(path) == Some(&true));
        let asked = above
            .iter()
            .rposition(|path| self.directories.contains_key(path));
        let made_elsewhere = if named {
            0
        } else {
            asked.map_or(0, |at| at + 1)
        };
        let (elsewhere, with_home) = above.split_at(made_elsewhere);
        claims.extend(elsewhere.last().map(|path| Claim::use_path(path)));
        claims.extend(with_home.iter().map(|path| Claim::make_path(path)));
        claims
    }

    /// Directories from the home down to mount points below it that do not exist yet: mounting
    /// makes them, owned by root.
    fn adopts(&self, wish: &PasswdUser, home: &str) -> Vec<String> {
        if wish.no_create_home == Some(true) {
            return Vec::new();
        }
        if let Some(first_boot) = &self.draft.options.first_boot {
            let invented = first_boot.invented_directories.iter();
            let below = invented.filter(|path| is_at_or_below(path, home));
            return below.cloned().collect();
        }
        let mut adopts = BTreeSet::new();
        let points = self
            .config
            .storage
            .filesystems
            .iter()
            .filter_map(|fs| fs.path.as_deref());
        for point in points {
            let point = clean(point);
            if !is_at_or_below(&point, home) {
                continue;
            }
            let above = crate::facts::paths::ancestors(&point);
            for path in std::iter::once(point.as_str()).chain(above) {
                if is_at_or_below(path, home) && !self.draft.observed.root.nodes.contains_key(path)
                {
                    adopts.insert(path.to_owned());
                }
            }
        }
        adopts.into_iter().collect()
    }

    // ---- ssh keys

    fn ssh_keys(&mut self, wish: &PasswdUser, present: Option<&UserFacts>, origin: Option<Origin>) {
        let home = clean(&self.home(wish, present));
        let file = self.facts.key_file.below_home();
        let written = clean(&format!("{home}/{file}"));
        let path = match self.ground.resolve(&written) {
            Ok(path) => path,
            Err(cause) => return refuse_path(self.draft, &written, &cause, origin),
        };
        if present.is_some_and(|user| self.keys_are_right(&path, user)) {
            return self.right(Subject::User(wish.name.clone()), "same ssh keys", origin);
        }
        let mut claims = vec![Claim::new(Access::Use, Resource::Accounts)];
        claims.extend(self.ground.claims(&path));
        if !self.ground.exists(&home) {
            claims.push(Claim::use_path(&home));
        }
        let below_home = self.ground.missing_above(&path).into_iter();
        let made = below_home.filter(|above| *above != home && is_at_or_below(above, &home));
        claims.extend(made.map(|above| Claim::make_path(&above)));
        let effect = match self.ground.exists(&path) {
            true => Effect::Change,
            false => Effect::Create,
        };
        let kind = OpKind::SshKeys(SshKeys {
            user: wish.name.clone(),
            keys: wish.ssh_authorized_keys.len(),
            text: key_text(&wish.ssh_authorized_keys),
            file: file.into(),
        });
        self.ground
            .push(self.draft, Phase::Accounts, effect, kind, origin, claims);
    }

    fn keys_are_right(&self, path: &str, user: &UserFacts) -> bool {
        self.ground.node(path).is_some_and(|node| {
            let same = matches!(
                node.kind,
                NodeKind::File {
                    content: ContentFacts::AsWanted,
                    ..
                }
            );
            same && (node.fixed_permissions || (node.uid == user.uid && node.mode == 0o600))
        })
    }

    // ---- common

    fn has_tool(&mut self, tool: &str, object: &str, origin: &Option<Origin>) -> bool {
        let needed = self.backend == AccountBackend::ShadowTools;
        if !needed || self.draft.observed.tools.contains(tool) {
            return true;
        }
        self.draft.refuse(Refusal {
            act: "cannot change".into(),
            object: object.into(),
            cause: format!("no program {tool} on PATH"),
            origin: origin.clone(),
            remedy: "install the shadow tools (package passwd or shadow-utils) where kindling runs"
                .into(),
        });
        false
    }

    fn right(&mut self, subject: Subject, because: &str, origin: Option<Origin>) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject,
            because: because.into(),
        });
        self.draft
            .push(Phase::Accounts, Effect::Keep, kind, origin, Vec::new());
    }
}

/// Text of a key file: one key a line.
pub fn key_text(keys: &[String]) -> String {
    let mut text = keys.join("\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn id(wish: Option<i64>) -> Option<u32> {
    wish.and_then(|id| u32::try_from(id).ok())
}

fn non_empty(wish: &Option<String>) -> Option<String> {
    wish.clone().filter(|text| !text.is_empty())
}

fn hash(wish: &str) -> String {
    if wish.is_empty() { NO_PASSWORD } else { wish }.to_owned()
}

/// Puts the fields that differ into `act`.
fn compare_group(wish: &PasswdGroup, present: &GroupFacts, act: &mut GroupAct) {
    if let Some(gid) = id(wish.gid).filter(|gid| *gid != present.gid) {
        act.differs.push(format!("gid {} -> {gid}", present.gid));
        act.gid = Some(gid);
    }
    if let Some(hash) = non_empty(&wish.password_hash)
        && present.password_hash.as_ref() != Some(&hash)
    {
        act.differs.push("password".into());
        act.password_hash = Some(hash);
    }
}

/// Puts the fields that differ into `act`.
fn compare_user(wish: &PasswdUser, present: &UserFacts, facts: &AccountFacts, act: &mut UserAct) {
    if let Some(uid) = id(wish.uid).filter(|uid| *uid != present.uid) {
        act.differs.push(format!("uid {} -> {uid}", present.uid));
        act.uid = Some(uid);
    }
    let mut text = |name: &str, wish: &Option<String>, present: &str| {
        let wish = non_empty(wish).filter(|wish| wish != present)?;
        act.differs.push(format!("{name} {present:?} -> {wish:?}"));
        Some(wish)
    };
    act.gecos = text("comment", &wish.gecos, &present.gecos);
    act.home = text("home", &wish.home_dir, &present.home);
    act.shell = text("shell", &wish.shell, &present.shell);
    if let Some(group) = non_empty(&wish.primary_group).filter(|g| !is_group(g, present.gid, facts))
    {
        act.differs
            .push(format!("primary group {} -> {group}", present.gid));
        act.primary_group = Some(group);
    }
    if !wish.groups.is_empty() && !same_groups(wish, facts) {
        act.differs
            .push(format!("groups -> {}", wish.groups.join(",")));
        act.groups.clone_from(&wish.groups);
    }
    if let Some(hash) = wish.password_hash.as_deref().map(hash)
        && present.password_hash.as_ref() != Some(&hash)
    {
        act.differs.push("password".into());
        act.password_hash = Some(hash);
    }
}

fn group_id(name: &str, facts: &AccountFacts) -> Option<u32> {
    facts
        .groups
        .get(name)
        .map(|group| group.gid)
        .or_else(|| name.parse().ok())
}

fn is_group(name: &str, gid: u32, facts: &AccountFacts) -> bool {
    group_id(name, facts) == Some(gid)
}

/// True if the supplementary groups are exactly the wanted ones, names and numbers alike.
fn same_groups(wish: &PasswdUser, facts: &AccountFacts) -> bool {
    let wanted: Option<BTreeSet<u32>> = wish
        .groups
        .iter()
        .map(|name| group_id(name, facts))
        .collect();
    let present: BTreeSet<u32> = facts
        .groups
        .values()
        .filter(|group| group.members.contains(&wish.name))
        .map(|group| group.gid)
        .collect();
    wanted.is_some_and(|wanted| wanted == present)
}
