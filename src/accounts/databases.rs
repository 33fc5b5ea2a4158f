//! The account databases of a target, with those that its image has outside `/etc`.

use super::policy::settings;
use super::table::members;
use super::{
    AccountRefusal, AccountTable, DatabaseLookup, DatabaseSource, NO_PASSWORD, Policy, Sysusers,
    TableLayout,
};
use crate::layout::NSSWITCH;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// Hash field of a group nobody can join with a password.
pub(super) const NO_GROUP_PASSWORD: &str = "!";
/// Files with the policy of the shadow tools, the first one found counts.
const LOGIN_DEFS: [&str; 2] = ["/etc/login.defs", "/usr/etc/login.defs"];
/// Files with the defaults of new users, the first one found counts.
const USERADD_DEFAULTS: [&str; 2] = ["/etc/default/useradd", "/usr/etc/default/useradd"];

/// The kind of an account: users and groups have separate names and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccountKind::User => "user",
            AccountKind::Group => "group",
        })
    }
}

/// A file that account operations write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountFile {
    /// `/etc/gshadow`
    Gshadow,
    /// `/etc/group`
    Group,
    /// `/etc/shadow`
    Shadow,
    /// `/etc/subuid`
    Subuid,
    /// `/etc/subgid`
    Subgid,
    /// `/etc/passwd`
    Passwd,
}

impl AccountFile {
    /// All, in the order they are to be written: the shadow file before the file that lists the accounts, and
    /// `passwd` last. A run that is killed in between is repeated, and must find the account missing.
    pub const ALL: [Self; 6] = [
        Self::Gshadow,
        Self::Group,
        Self::Shadow,
        Self::Subuid,
        Self::Subgid,
        Self::Passwd,
    ];

    /// Its path inside the target.
    pub fn path(self) -> &'static str {
        match self {
            AccountFile::Gshadow => "/etc/gshadow",
            AccountFile::Group => "/etc/group",
            AccountFile::Shadow => "/etc/shadow",
            AccountFile::Subuid => "/etc/subuid",
            AccountFile::Subgid => "/etc/subgid",
            AccountFile::Passwd => "/etc/passwd",
        }
    }

    /// Mode of a new one.
    pub fn mode(self) -> u32 {
        match self {
            AccountFile::Gshadow | AccountFile::Shadow => 0o640,
            _ => 0o644,
        }
    }

    fn layout(self) -> TableLayout {
        match self {
            AccountFile::Gshadow => TableLayout::GSHADOW,
            AccountFile::Group => TableLayout::GROUP,
            AccountFile::Shadow => TableLayout::SHADOW,
            AccountFile::Subuid | AccountFile::Subgid => TableLayout::SUBORDINATE,
            AccountFile::Passwd => TableLayout::PASSWD,
        }
    }
}

/// A database of the image, outside `/etc`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ImageDatabase {
    path: &'static str,
    table: AccountTable,
    /// The target consults it before the file in `/etc`.
    comes_first: bool,
}

/// The databases in `/etc`, those of the image that the target also consults, and the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Databases {
    pub(super) passwd: AccountTable,
    pub(super) group: AccountTable,
    pub(super) shadow: AccountTable,
    pub(super) gshadow: AccountTable,
    pub(super) subuid: AccountTable,
    pub(super) subgid: AccountTable,
    user_layers: Vec<ImageDatabase>,
    group_layers: Vec<ImageDatabase>,
    pub(super) sysusers: Sysusers,
    /// Paths in `/etc` where something other than a regular file is.
    irregular: Vec<&'static str>,
    /// Settings of the target for new accounts.
    pub policy: Policy,
}

impl Default for Databases {
    fn default() -> Self {
        let empty = |file: AccountFile| AccountTable::parse(file.layout(), None);
        Self {
            passwd: empty(AccountFile::Passwd),
            group: empty(AccountFile::Group),
            shadow: empty(AccountFile::Shadow),
            gshadow: empty(AccountFile::Gshadow),
            subuid: empty(AccountFile::Subuid),
            subgid: empty(AccountFile::Subgid),
            user_layers: Vec::new(),
            group_layers: Vec::new(),
            sysusers: Sysusers::default(),
            irregular: Vec::new(),
            policy: Policy::default(),
        }
    }
}

/// A user as the target sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Comment field.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Hash in shadow (or passwd). Secret: compare, never print.
    pub password_hash: Option<String>,
    /// The file of the image that has the entry, when `/etc/passwd` has none.
    pub layer: Option<&'static str>,
}

/// A group as the target sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Numeric id.
    pub gid: u32,
    /// Members by supplementary membership.
    pub members: Vec<String>,
    /// Hash in gshadow. Secret: compare, never print.
    pub password_hash: Option<String>,
    /// The file of the image that has the entry, when `/etc/group` has none.
    pub layer: Option<&'static str>,
}

impl Databases {
    /// Reads everything from a target.
    ///
    /// # Errors
    /// Those of the source.
    pub fn read<S: DatabaseSource>(source: &S) -> Result<Self, S::Error> {
        let mut databases = Self::default();
        for file in AccountFile::ALL {
            match source.file(file.path())? {
                DatabaseLookup::Missing => {}
                DatabaseLookup::File(bytes) => {
                    *databases.table_mut(file) = AccountTable::parse(file.layout(), Some(&bytes));
                }
                DatabaseLookup::Other => databases.irregular.push(file.path()),
            }
        }
        let nsswitch = text(source, &[NSSWITCH])?;
        databases.user_layers = layers(source, nsswitch.as_deref(), AccountKind::User)?;
        databases.group_layers = layers(source, nsswitch.as_deref(), AccountKind::Group)?;
        databases.sysusers = Sysusers::read(source)?;
        let login_defs = text(source, &LOGIN_DEFS)?;
        let useradd = text(source, &USERADD_DEFAULTS)?.unwrap_or_default();
        databases.policy = Policy {
            login_defs: login_defs.map(|text| settings(&text, char::is_whitespace)),
            useradd: settings(&useradd, |c| c == '='),
            today: 0,
        };
        Ok(databases)
    }

    /// Paths of the files outside `/etc` that hold accounts of the target.
    pub fn layer_paths(&self) -> impl Iterator<Item = &'static str> {
        let layers = self.user_layers.iter().chain(&self.group_layers);
        layers.map(|layer| layer.path)
    }

    /// True if the target consults other files, or in another order, when its `nsswitch.conf` has this text.
    ///
    /// # Errors
    /// Those of the source.
    pub fn layers_differ<S: DatabaseSource>(
        &self,
        source: &S,
        nsswitch: Option<&str>,
    ) -> Result<bool, S::Error> {
        let users = layers(source, nsswitch, AccountKind::User)?;
        let groups = layers(source, nsswitch, AccountKind::Group)?;
        Ok(users != self.user_layers || groups != self.group_layers)
    }

    /// Paths of all files that are read when an account is changed, and of the directories whose files are read.
    pub fn sources(&self) -> impl Iterator<Item = &'static str> {
        let files = AccountFile::ALL.into_iter().map(AccountFile::path);
        let settings = [NSSWITCH]
            .into_iter()
            .chain(LOGIN_DEFS)
            .chain(USERADD_DEFAULTS);
        let directories = super::sysusers::DIRECTORIES.into_iter();
        files
            .chain(settings)
            .chain(self.layer_paths())
            .chain(directories)
    }

    /// One of the files.
    pub fn table(&self, file: AccountFile) -> &AccountTable {
        match file {
            AccountFile::Gshadow => &self.gshadow,
            AccountFile::Group => &self.group,
            AccountFile::Shadow => &self.shadow,
            AccountFile::Subuid => &self.subuid,
            AccountFile::Subgid => &self.subgid,
            AccountFile::Passwd => &self.passwd,
        }
    }

    pub(super) fn table_mut(&mut self, file: AccountFile) -> &mut AccountTable {
        match file {
            AccountFile::Gshadow => &mut self.gshadow,
            AccountFile::Group => &mut self.group,
            AccountFile::Shadow => &mut self.shadow,
            AccountFile::Subuid => &mut self.subuid,
            AccountFile::Subgid => &mut self.subgid,
            AccountFile::Passwd => &mut self.passwd,
        }
    }

    /// Makes all changes or, if they are refused, none. Copying the databases for each of many requests would take
    /// longer than the requests.
    pub(super) fn atomically<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, AccountRefusal>,
    ) -> Result<T, AccountRefusal> {
        for file in AccountFile::ALL {
            self.table_mut(file).begin();
        }
        let changed = change(self);
        for file in AccountFile::ALL {
            self.table_mut(file).end(changed.is_ok());
        }
        changed
    }

    /// Refuses all changes if a database is not a regular file.
    pub(super) fn check_files(&self) -> Result<(), AccountRefusal> {
        match self.irregular.first() {
            None => Ok(()),
            Some(path) => Err(AccountRefusal::new(
                format!("{path} of the target is not a regular file"),
                format!("remove or replace {path} in the target"),
            )),
        }
    }

    /// Refuses values from the settings of the target that a line cannot hold.
    pub(super) fn check_lines(&self) -> Result<(), AccountRefusal> {
        let broken = |file: &AccountFile| self.table(*file).broken_field().is_some();
        let Some(file) = AccountFile::ALL.into_iter().find(broken) else {
            return Ok(());
        };
        let path = file.path();
        Err(AccountRefusal::new(
            format!(
                "a value that the target gives has a colon or a control character, which {path} cannot hold"
            ),
            format!(
                "look at {}, {}, sysusers.d and the databases of the image outside /etc",
                USERADD_DEFAULTS[0], LOGIN_DEFS[0]
            ),
        ))
    }

    /// Refuses to change an entry if that would lose data or have no effect.
    pub(super) fn check_entry(&self, kind: AccountKind, name: &str) -> Result<(), AccountRefusal> {
        let (files, layers) = match kind {
            AccountKind::User => (
                [AccountFile::Passwd, AccountFile::Shadow],
                &self.user_layers,
            ),
            AccountKind::Group => (
                [AccountFile::Group, AccountFile::Gshadow],
                &self.group_layers,
            ),
        };
        let own = files.map(|file| (file.path(), self.table(file)));
        // An entry that is not in /etc is copied from the database that has it.
        let is_adopted = own[0].1.entry(name).is_none();
        let others = layers.iter().filter(|_| is_adopted);
        let others = others.map(|layer| (layer.path, &layer.table));
        for (path, table) in own.into_iter().chain(others) {
            if let Some(damage) = table.damage(name) {
                return Err(AccountRefusal::new(
                    format!("its entry in {path} {damage}"),
                    format!("correct {path} in the target"),
                ));
            }
        }
        let hides = |layer: &&ImageDatabase| layer.comes_first && layer.table.entry(name).is_some();
        match layers.iter().find(hides) {
            None => Ok(()),
            Some(layer) => Err(AccountRefusal::new(
                format!(
                    "it is in {}, which {NSSWITCH} of the target names before \"files\"",
                    layer.path
                ),
                format!("name \"files\" first in {NSSWITCH} of the target"),
            )),
        }
    }

    /// Adds entries for root if they are missing: files of the system belong to that account.
    pub(super) fn seed(&mut self) {
        if self.user("root").is_none() {
            self.passwd
                .put(["root", "x", "0", "0", "root", "/root", "/bin/bash"]);
            if self.shadow.entry("root").is_none() {
                self.put_shadow("root", NO_PASSWORD, false);
            }
        }
        if self.group("root").is_none() && self.group_by_gid(0).is_none() {
            self.put_group("root", 0, Some(NO_PASSWORD));
        }
    }

    // ---- lookups

    /// Tables in the order the target consults them; `None` stands for the one in `/etc`.
    fn tables(
        &self,
        kind: AccountKind,
    ) -> impl Iterator<Item = (Option<&'static str>, &AccountTable)> {
        let (own, layers) = match kind {
            AccountKind::User => (&self.passwd, &self.user_layers),
            AccountKind::Group => (&self.group, &self.group_layers),
        };
        let select = |first: bool| layers.iter().filter(move |l| l.comes_first == first);
        let path = |layer: &'_ ImageDatabase| layer.path;
        select(true)
            .map(move |layer| (Some(path(layer)), &layer.table))
            .chain(std::iter::once((None, own)))
            .chain(select(false).map(move |layer| (Some(path(layer)), &layer.table)))
    }

    fn entry(&self, kind: AccountKind, name: &str) -> Option<(Option<&'static str>, &[String])> {
        let mut tables = self.tables(kind);
        tables.find_map(|(path, table)| Some((path, table.entry(name)?)))
    }

    /// The id of a user or group.
    pub fn id(&self, kind: AccountKind, name: &str) -> Option<u32> {
        self.entry(kind, name)?.1.get(2)?.parse().ok()
    }

    /// All names of users or groups, with their ids.
    pub fn ids(&self, kind: AccountKind) -> BTreeMap<String, u32> {
        let mut ids = BTreeMap::new();
        for (_, table) in self.tables(kind) {
            for fields in table.entries() {
                if let Some(id) = fields.get(2).and_then(|id| id.parse().ok()) {
                    ids.entry(fields[0].clone()).or_insert(id);
                }
            }
        }
        ids
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> Option<User> {
        let (layer, fields) = self.entry(AccountKind::User, name)?;
        let text = |index: usize| fields.get(index).cloned().unwrap_or_default();
        Some(User {
            name: name.to_owned(),
            uid: text(2).parse().ok()?,
            gid: text(3).parse().ok()?,
            gecos: text(4),
            home: text(5),
            shell: text(6),
            password_hash: hash(&self.shadow, name, &text(1)),
            layer,
        })
    }

    /// A group by name.
    pub fn group(&self, name: &str) -> Option<Group> {
        let (layer, fields) = self.entry(AccountKind::Group, name)?;
        let text = |index: usize| fields.get(index).map_or("", String::as_str);
        Some(Group {
            name: name.to_owned(),
            gid: text(2).parse().ok()?,
            members: members(text(3)),
            password_hash: hash(&self.gshadow, name, text(1)),
            layer,
        })
    }

    /// The file of the image that has a group; `None` inside if it is `/etc/group`.
    pub(super) fn layer_of_group(&self, name: &str) -> Option<Option<&'static str>> {
        Some(self.entry(AccountKind::Group, name)?.0)
    }

    /// Name of the user with an id.
    pub fn user_by_uid(&self, uid: u32) -> Option<&str> {
        let mut tables = self.tables(AccountKind::User);
        tables.find_map(|(_, table)| table.name_of(2, uid))
    }

    /// Name of the group with an id.
    pub fn group_by_gid(&self, gid: u32) -> Option<&str> {
        let mut tables = self.tables(AccountKind::Group);
        tables.find_map(|(_, table)| table.name_of(2, gid))
    }

    /// A user whose primary group has this number, other than `except`.
    pub(super) fn primary_user(&self, gid: u32, except: &str) -> Option<&str> {
        let tables = self.tables(AccountKind::User);
        let mut users = tables.flat_map(|(_, table)| table.numbered(3, gid));
        let user = users.find(|fields| fields[0] != except);
        user.map(|fields| fields[0].as_str())
    }

    /// Names of the groups a user is in by supplementary membership.
    pub fn groups_of(&self, user: &str) -> Vec<&str> {
        let mut known = HashSet::new();
        let tables = self.tables(AccountKind::Group);
        tables
            .flat_map(|(_, table)| table.with_member(3, user))
            .map(|fields| fields[0].as_str())
            .filter(|group| known.insert(*group))
            .collect()
    }

    /// Homes of all users but one.
    pub fn other_homes(&self, user: &str) -> impl Iterator<Item = &str> {
        let users = self
            .tables(AccountKind::User)
            .flat_map(|(_, t)| t.entries());
        users
            .filter(move |fields| fields[0] != user)
            .filter_map(|fields| fields.get(5).map(String::as_str))
    }

    /// The group that a name or number of the config means.
    pub fn named_group(&self, group: &str) -> Option<(&str, u32)> {
        if let Ok(gid) = group.parse() {
            return Some((self.group_by_gid(gid)?, gid));
        }
        let (_, fields) = self.entry(AccountKind::Group, group)?;
        Some((&fields[0], fields.get(2)?.parse().ok()?))
    }
}

/// The password hash of an account: from the shadow database, or from the public one as on old systems.
fn hash(shadow: &AccountTable, name: &str, public: &str) -> Option<String> {
    let private = shadow.field(name, 1).map(str::to_owned);
    private.or_else(|| (public != "x").then(|| public.to_owned()))
}

fn text<S: DatabaseSource>(source: &S, paths: &[&str]) -> Result<Option<String>, S::Error> {
    for path in paths {
        if let DatabaseLookup::File(bytes) = source.file(path)? {
            return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(None)
}

fn layers<S: DatabaseSource>(
    source: &S,
    nsswitch: Option<&str>,
    kind: AccountKind,
) -> Result<Vec<ImageDatabase>, S::Error> {
    let order = database_files(nsswitch, kind);
    let own = order.iter().position(|path| path.starts_with("/etc/"));
    let layout = match kind {
        AccountKind::User => TableLayout::PASSWD,
        AccountKind::Group => TableLayout::GROUP,
    };
    let mut layers = Vec::new();
    for (at, path) in order.into_iter().enumerate() {
        if Some(at) == own {
            continue;
        }
        if let DatabaseLookup::File(bytes) = source.file(path)? {
            layers.push(ImageDatabase {
                path,
                table: AccountTable::parse(layout, Some(&bytes)),
                comes_first: own.is_some_and(|own| at < own),
            });
        }
    }
    Ok(layers)
}

/// Database files in the order the target consults them; the first hit wins.
fn database_files(nsswitch: Option<&str>, kind: AccountKind) -> Vec<&'static str> {
    let (key, files) = match kind {
        AccountKind::User => (
            "passwd",
            [
                "/etc/passwd",
                "/usr/lib/passwd",
                "/usr/share/baselayout/passwd",
            ],
        ),
        AccountKind::Group => (
            "group",
            [
                "/etc/group",
                "/usr/lib/group",
                "/usr/share/baselayout/group",
            ],
        ),
    };
    let services = nsswitch.and_then(|text| {
        text.lines().find_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let (name, services) = line.split_once(':')?;
            (name.trim() == key).then_some(services)
        })
    });
    let mut found: Vec<&'static str> = Vec::new();
    for service in services.unwrap_or("files").split_whitespace() {
        let file = match service {
            "files" | "compat" => files[0],
            "altfiles" => files[1],
            "usrfiles" => files[2],
            _ => continue,
        };
        if !found.contains(&file) {
            found.push(file);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_follow_nsswitch() {
        for (text, want) in [
            (None, vec!["/etc/passwd"]),
            (Some("group: altfiles\n"), vec!["/etc/passwd"]),
            (
                Some("passwd:  files altfiles systemd # x\n"),
                vec!["/etc/passwd", "/usr/lib/passwd"],
            ),
            (
                Some("#passwd: altfiles\npasswd: usrfiles files"),
                vec!["/usr/share/baselayout/passwd", "/etc/passwd"],
            ),
            (Some("passwd: [NOTFOUND=return] sss"), vec![]),
        ] {
            assert_eq!(database_files(text, AccountKind::User), want, "{text:?}");
        }
    }
}
