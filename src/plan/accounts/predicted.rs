//! The account databases as they will be after the operations drafted so far.

use crate::accounts::{
    AccountKind, AccountRefusal, Databases, GroupRecord, GroupRequest, UserRecord, UserRequest,
};
use std::collections::{HashMap, HashSet};

/// The predicted databases, and the accounts that have been refused: if something needs one of these, that is not
/// reported as another error.
#[derive(Debug, Clone)]
pub struct PredictedAccounts {
    /// The databases.
    pub databases: Databases,
    refused: HashSet<(AccountKind, String)>,
}

impl PredictedAccounts {
    /// The observed databases, with nothing drafted yet.
    pub(in crate::plan) fn observed(databases: Databases) -> Self {
        Self {
            databases,
            refused: HashSet::new(),
        }
    }

    /// Applies a request; one that is refused leaves the databases as they are.
    pub(super) fn apply_group(
        &mut self,
        request: &GroupRequest,
    ) -> Result<GroupRecord, AccountRefusal> {
        self.databases.apply_group(request)
    }

    /// Applies a request; one that is refused leaves the databases as they are.
    pub(super) fn apply_user(
        &mut self,
        request: &UserRequest,
    ) -> Result<UserRecord, AccountRefusal> {
        self.databases.apply_user(request)
    }

    /// Records that an account has been refused.
    pub(super) fn mark_refused(&mut self, kind: AccountKind, name: &str) {
        self.refused.insert((kind, name.to_owned()));
    }

    /// True if an account has been refused.
    pub(super) fn is_refused(&self, kind: AccountKind, name: &str) -> bool {
        self.refused.contains(&(kind, name.to_owned()))
    }

    /// All names with their ids; `None` for an account that has been refused.
    pub(in crate::plan) fn names(&self, kind: AccountKind) -> HashMap<String, Option<u32>> {
        let ids = self.databases.ids(kind).into_iter();
        let refused = self.refused.iter().filter(|(other, _)| *other == kind);
        refused
            .map(|(_, name)| (name.clone(), None))
            .chain(ids.map(|(name, id)| (name, Some(id))))
            .collect()
    }
}
