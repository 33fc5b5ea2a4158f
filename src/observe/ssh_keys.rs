//! Which file the ssh server of the target reads keys from.

use super::outlook::Outlook;
use crate::config::Config;
use crate::config::model::PasswdUser;
use crate::facts::AccountFacts;
use crate::facts::accounts::KeyFile;
use crate::facts::sshd::{self, CONFIG_FILES, KeySources, Login};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where the server may be.
const SERVERS: [&str; 4] = [
    "/usr/sbin/sshd",
    "/usr/bin/sshd",
    "/sbin/sshd",
    "/usr/lib/ssh/sshd",
];
/// Puts the fragments of a user together into the file that every server reads.
const ASSEMBLERS: [&str; 2] = ["/usr/bin/update-ssh-keys", "/usr/sbin/update-ssh-keys"];

/// What the target's server does with a key file.
pub(super) struct Choice {
    /// The file that keys go to.
    pub file: KeyFile,
    /// Users whose keys the server does not read there, with where it looks.
    pub unread: Vec<(String, String)>,
    /// Users for whom it depends on the connection where the server looks, with the criteria.
    pub undecided: Vec<(String, String)>,
}

/// Reads each file once for all users.
struct ReadOnce<'o, 'a> {
    outlook: &'o Outlook<'a>,
    texts: RefCell<HashMap<String, Option<String>>>,
    names: RefCell<HashMap<String, Vec<String>>>,
}

impl<'o, 'a> ReadOnce<'o, 'a> {
    fn new(outlook: &'o Outlook<'a>) -> Self {
        Self {
            outlook,
            texts: RefCell::default(),
            names: RefCell::default(),
        }
    }
}

impl sshd::ServerFiles for ReadOnce<'_, '_> {
    fn read(&self, path: &str) -> Option<String> {
        let mut texts = self.texts.borrow_mut();
        let text = texts.entry(path.to_owned());
        text.or_insert_with(|| self.outlook.read(path)).clone()
    }
    fn names(&self, directory: &str) -> Vec<String> {
        let mut names = self.names.borrow_mut();
        let found = names.entry(directory.to_owned());
        found
            .or_insert_with(|| sshd::ServerFiles::names(self.outlook, directory))
            .clone()
    }
}

/// Chooses the file: the one that was demanded, else one that the server reads. A target without a server
/// keeps the fragment, as the reference does.
pub(super) fn choose(
    config: &Config,
    accounts: &AccountFacts,
    demanded: Option<KeyFile>,
    outlook: &Outlook<'_>,
) -> Choice {
    let has_keys = |user: &&PasswdUser| !user.ssh_authorized_keys.is_empty();
    let users: Vec<_> = config.passwd.users.iter().filter(has_keys).collect();
    let is_there = |path: &&str| outlook.has_file(path);
    let has_server = SERVERS.iter().chain(&CONFIG_FILES).any(is_there);
    if users.is_empty() || !has_server {
        return Choice {
            file: demanded.unwrap_or_default(),
            unread: Vec::new(),
            undecided: Vec::new(),
        };
    }
    let files = ReadOnce::new(outlook);
    let sources: BTreeMap<&str, KeySources> = users
        .iter()
        .map(|user| {
            let sources = KeySources::of(&files, &login(user, accounts));
            (user.name.as_str(), sources)
        })
        .collect();
    let assembles = ASSEMBLERS.iter().any(is_there);
    let reads = |file: KeyFile, user: &PasswdUser| {
        let sources = sources.get(user.name.as_str());
        sources.is_none_or(|sources| are_read(file, user, sources, accounts, assembles))
    };
    let reads_all = |file: &KeyFile| users.iter().all(|user| reads(*file, user));
    let choices = [KeyFile::Fragment, KeyFile::AuthorizedKeys];
    let file = demanded.or_else(|| choices.into_iter().find(reads_all));
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

/// True if the server gets the keys of `user` from `file`; `assembles` if the target makes one file of the fragments.
fn are_read(
    file: KeyFile,
    user: &PasswdUser,
    sources: &KeySources,
    accounts: &AccountFacts,
    assembles: bool,
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
                || (assembles && reads(KeyFile::AuthorizedKeys))
        }
    }
}

/// The user with the groups that the target and the config give.
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
        (_, Some(present)) => databases.group_of(present.gid).map(str::to_owned),
        (_, None) => (user.no_user_group != Some(true)).then(|| user.name.clone()),
    };
    groups.extend(primary);
    Login {
        user: user.name.clone(),
        groups,
    }
}
