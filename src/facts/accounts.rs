//! Facts about the account databases of the target root.

use std::collections::BTreeMap;

/// Users and groups as the target sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// True if the target has an `/etc/passwd` of its own.
    pub has_databases: bool,
    /// True if the target also brings the policy of the shadow tools (`login.defs`). Without it
    /// they would fall back to built-in defaults that no distribution uses.
    pub has_policy: bool,
    /// Users by name.
    pub users: BTreeMap<String, UserFacts>,
    /// Groups by name.
    pub groups: BTreeMap<String, GroupFacts>,
    /// `KEY value` settings of `/etc/login.defs`.
    pub login_defs: BTreeMap<String, String>,
    /// `KEY=value` settings of `/etc/default/useradd`.
    pub useradd_defaults: BTreeMap<String, String>,
    /// Where ssh keys go.
    pub key_file: KeyFile,
    /// Users whose keys the ssh server of the target does not read there, with the places it reads.
    pub unread_keys: BTreeMap<String, String>,
    /// Shells of the config that are nowhere in the target.
    pub missing_shells: std::collections::BTreeSet<String>,
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
    /// The home directory `useradd` would choose for a new user.
    pub fn default_home(&self, user: &str) -> String {
        // Databases made from nothing begin with root.
        if user == "root" {
            return "/root".into();
        }
        let base = self
            .useradd_defaults
            .get("HOME")
            .map_or("/home", String::as_str);
        super::paths::clean(&format!("{base}/{user}"))
    }
}

/// One user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFacts {
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
}

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFacts {
    /// Numeric id.
    pub gid: u32,
    /// Members by supplementary membership.
    pub members: Vec<String>,
    /// Hash in gshadow. Secret: compare, never print.
    pub password_hash: Option<String>,
}
