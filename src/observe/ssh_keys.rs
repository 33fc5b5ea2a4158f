//! Which file the ssh server of the target reads keys from.

use super::planned_files::PlannedFiles;
use crate::config::Config;
use crate::config::model::PasswdUser;
use crate::facts::AccountFacts;
use crate::facts::accounts::KeyFile;
use crate::facts::sshd::{self, CONFIG_FILES, KeySources, Login};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Paths where the server may be.
const SERVERS: [&str; 4] = [
    "/usr/sbin/sshd",
    "/usr/bin/sshd",
    "/sbin/sshd",
    "/usr/lib/ssh/sshd",
];
/// Programs that assemble the fragments of a user into the file that every server reads.
const ASSEMBLERS: [&str; 2] = ["/usr/bin/update-ssh-keys", "/usr/sbin/update-ssh-keys"];

/// What the target's server does with a key file.
pub(super) struct Choice {
    /// The file that keys go to.
    pub file: KeyFile,
    /// Users whose keys the server does not read there, with the places it reads.
    pub unread: Vec<(String, String)>,
    /// Users for whom the places depend on the connection, with the criteria.
    pub undecided: Vec<(String, String)>,
}

/// A cache, so that each file is read only once for all users.
struct CachedFiles<'o, 'a> {
    planned: &'o PlannedFiles<'a>,
    texts: RefCell<HashMap<String, Option<String>>>,
    names: RefCell<HashMap<String, Vec<String>>>,
}

impl<'o, 'a> CachedFiles<'o, 'a> {
    fn new(planned: &'o PlannedFiles<'a>) -> Self {
        Self {
            planned,
            texts: RefCell::default(),
            names: RefCell::default(),
        }
    }
}

impl sshd::ServerFiles for CachedFiles<'_, '_> {
    fn read(&self, path: &str) -> Option<String> {
        let mut texts = self.texts.borrow_mut();
        let text = texts.entry(path.to_owned());
        text.or_insert_with(|| self.planned.read(path)).clone()
    }
    fn names(&self, directory: &str) -> Vec<String> {
        let mut names = self.names.borrow_mut();
        let found = names.entry(directory.to_owned());
        found
            .or_insert_with(|| sshd::ServerFiles::names(self.planned, directory))
            .clone()
    }
}

/// Chooses the file: the requested one, else one that the server reads. A target without a server keeps the fragment,
/// as in the reference.
pub(super) fn choose(
    config: &Config,
    accounts: &AccountFacts,
    requested: Option<KeyFile>,
    planned: &PlannedFiles<'_>,
) -> Choice {
    let has_keys = |user: &&PasswdUser| !user.ssh_authorized_keys.is_empty();
    let users: Vec<_> = config.passwd.users.iter().filter(has_keys).collect();
    let is_there = |path: &&str| planned.has_file(path);
    let has_server = SERVERS.iter().chain(&CONFIG_FILES).any(is_there);
    if users.is_empty() || !has_server {
        return Choice {
            file: requested.unwrap_or_default(),
            unread: Vec::new(),
            undecided: Vec::new(),
        };
    }
    let files = CachedFiles::new(planned);
    let sources: BTreeMap<&str, KeySources> = users
        .iter()
        .map(|user| {
            let sources = KeySources::read(&files, &login(user, accounts));
            (user.name.as_str(), sources)
        })
        .collect();
    let has_assembler = ASSEMBLERS.iter().any(is_there);
    let reads = |file: KeyFile, user: &PasswdUser| {
        let sources = sources.get(user.name.as_str());
        sources.is_none_or(|sources| reads_keys(file, user, sources, accounts, has_assembler))
    };
    let reads_all = |file: &KeyFile| users.iter().all(|user| reads(*file, user));
    let choices = [KeyFile::Fragment, KeyFile::AuthorizedKeys];
    let file = requested.or_else(|| choices.into_iter().find(reads_all));
    let file = file.unwrap_or(KeyFile::AuthorizedKeys);
    let unread = users.iter().filter(|user| !reads(file, user));
    Choice {
        file,
        unread: unread
            .filter_map(|user| {
                let sources = sources.get(user.name.as_str())?;
                Some((user.name.clone(), sources.describe()))
            })
            .collect(),
        undecided: sources
            .iter()
            .filter_map(|(user, sources)| Some(((*user).to_owned(), sources.undecided.clone()?)))
            .collect(),
    }
}

/// True if the server reads the keys of `user` from `file`; `has_assembler` if the target assembles fragments into one
/// file.
fn reads_keys(
    file: KeyFile,
    user: &PasswdUser,
    sources: &KeySources,
    accounts: &AccountFacts,
    has_assembler: bool,
) -> bool {
    let home = accounts.home_of(user);
    let uid = user.uid.and_then(|uid| u32::try_from(uid).ok());
    let uid = uid.or_else(|| Some(accounts.databases.user(&user.name)?.uid));
    let reads = |file: KeyFile| sources.reads(file.below_home(), &user.name, uid, &home);
    match file {
        KeyFile::AuthorizedKeys => reads(file),
        KeyFile::Fragment => {
            reads(file)
                || sources.has_fragment_helper()
                || (has_assembler && reads(KeyFile::AuthorizedKeys))
        }
    }
}

/// The user with the groups from the target and the config.
fn login(user: &PasswdUser, accounts: &AccountFacts) -> Login {
    let databases = &accounts.databases;
    let mut groups: BTreeSet<String> = user.groups.iter().cloned().collect();
    groups.extend(
        databases
            .groups_of(&user.name)
            .into_iter()
            .map(str::to_owned),
    );
    let present = databases.user(&user.name);
    let primary = match (&user.primary_group, present) {
        (Some(group), _) if !group.is_empty() => Some(group.clone()),
        (_, Some(present)) => databases.group_by_gid(present.gid).map(str::to_owned),
        (_, None) => (user.no_user_group != Some(true)).then(|| user.name.clone()),
    };
    groups.extend(primary);
    Login {
        user: user.name.clone(),
        groups,
    }
}
