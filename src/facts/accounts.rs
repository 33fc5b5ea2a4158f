//! Facts about the account databases of the target root.

use crate::accounts::Databases;
use crate::config::model::PasswdUser;
use std::collections::{BTreeMap, BTreeSet};

/// Users and groups as the target sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// The databases, with the policy for new accounts.
    pub databases: Databases,
    /// The config gives the target an `nsswitch.conf` with which accounts are looked up in other files.
    pub layers_change: bool,
    /// Where ssh keys go.
    pub key_file: KeyFile,
    /// Users whose keys the target's ssh server does not read from there, with the places it reads.
    pub unread_keys: BTreeMap<String, String>,
    /// Users for whom the ssh server reads other places for some connections, with the criteria of its configuration.
    pub connection_dependent_keys: BTreeMap<String, String>,
    /// Shells of the config that are nowhere in the target.
    pub missing_shells: BTreeSet<String>,
}

/// The file below a home directory that ssh keys of a config are written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyFile {
    /// A file of our own; the ssh server reads the directory through a helper of the distribution.
    #[default]
    Fragment,
    /// The file every ssh server reads.
    AuthorizedKeys,
}

impl KeyFile {
    /// Path below the home directory.
    pub fn below_home(self) -> &'static str {
        match self {
            KeyFile::Fragment => ".ssh/authorized_keys.d/ignition",
            KeyFile::AuthorizedKeys => ".ssh/authorized_keys",
        }
    }
}

impl AccountFacts {
    /// The home directory of a user: the present one, or the default for a new user.
    pub fn home(&self, user: &str) -> String {
        let present = self.databases.user(user).map(|present| present.home);
        present.unwrap_or_else(|| self.databases.policy.home(user))
    }

    /// The home directory that a user of the config will have: the requested one, else [`Self::home`].
    pub fn home_of(&self, user: &PasswdUser) -> String {
        let configured = user.home_dir.clone().filter(|home| !home.is_empty());
        configured.unwrap_or_else(|| self.home(&user.name))
    }
}
