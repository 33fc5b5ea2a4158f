//! Facts about the account databases of the target root.

use std::collections::BTreeMap;

/// Users and groups as the target sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// True if the target has an `/etc/passwd` of its own.
    pub has_databases: bool,
    /// Users by name.
    pub users: BTreeMap<String, UserFacts>,
    /// Groups by name.
    pub groups: BTreeMap<String, GroupFacts>,
    /// `KEY value` settings of `/etc/login.defs`.
    pub login_defs: BTreeMap<String, String>,
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
