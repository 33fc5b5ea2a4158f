//! The account databases of a target as values: parsed, queried, changed and written as text, without any I/O.
//!
//! Planning applies every request of a config to a copy of the observed databases and execution applies the same
//! requests to the files, through the same code, so that execution does what planning accepted. The results are those
//! of the shadow tools with the policy of the target (`login.defs`, `/etc/default/useradd`); settings that the target
//! lacks have the defaults of distributions.

mod databases;
mod fields;
mod groups;
mod index;
mod policy;
mod request;
mod source;
mod subids;
mod sysusers;
mod table;
mod users;

pub use databases::{AccountFile, AccountKind, Databases, Group, User};
pub use policy::Policy;
pub use request::{AccountRefusal, Change, GroupRecord, GroupRequest, UserRecord, UserRequest};
pub use source::{DatabaseLookup, DatabaseSource};
pub use sysusers::Sysusers;
pub use table::{AccountTable, TableLayout};

/// Hash field of an account nobody can log in to with a password.
pub const NO_PASSWORD: &str = "*";
