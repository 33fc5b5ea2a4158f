//! Requests to change the account databases, and their results.

use serde::Serialize;

/// What happens to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Create,
    /// It exists and some fields differ; unset fields stay.
    Modify,
    /// It is removed; only the name matters.
    Delete,
    /// The image has it outside `/etc`, or systemd-sysusers would make it at boot: its entry is copied to
    /// `/etc`, where it can be changed and joined.
    Adopt,
}

/// A change to one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRequest {
    /// Group name.
    pub name: String,
    /// What to do.
    pub change: Change,
    /// Numeric id.
    pub gid: Option<u32>,
    /// System group.
    pub system: bool,
    /// Password hash. Secret.
    #[serde(skip)]
    pub password_hash: Option<String>,
}

/// A change to one user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRequest {
    /// Login name.
    pub name: String,
    /// What to do.
    pub change: Change,
    /// Numeric id.
    pub uid: Option<u32>,
    /// Comment.
    pub gecos: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Primary group, name or number.
    pub primary_group: Option<String>,
    /// Supplementary groups; empty: leave as they are.
    pub groups: Vec<String>,
    /// Make a group named like the user.
    pub user_group: bool,
    /// Login shell.
    pub shell: Option<String>,
    /// System account.
    pub system: bool,
    /// `None` = leave alone (existing) or lock (new). Secret.
    #[serde(skip)]
    pub password_hash: Option<String>,
}

impl GroupRequest {
    /// A request that sets nothing yet.
    pub fn new(name: &str, change: Change) -> Self {
        Self {
            name: name.to_owned(),
            change,
            gid: None,
            system: false,
            password_hash: None,
        }
    }
}

impl UserRequest {
    /// A request that sets nothing yet.
    pub fn new(name: &str, change: Change) -> Self {
        Self {
            name: name.to_owned(),
            change,
            uid: None,
            gecos: None,
            home: None,
            primary_group: None,
            groups: Vec::new(),
            user_group: true,
            shell: None,
            system: false,
            password_hash: None,
        }
    }
}

/// The entry of a group after a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRecord {
    /// Numeric id.
    pub gid: u32,
}

/// The entry of a user after a change, or before it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord {
    /// Numeric id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
}

/// Why a request cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct AccountRefusal {
    /// The cause.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

impl AccountRefusal {
    /// Creates a refusal from its cause and remedy.
    pub(super) fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }
}
