//! What operations make, change, use and release. Their order follows from it.

use crate::disk::DeviceRef;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A thing operations can conflict over. A large plan has tens of thousands of them, so they are kept small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClaimedResource {
    /// A disk's partition table.
    Table(Arc<str>),
    /// The content of a block device.
    Device(Box<DeviceRef>),
    /// The heads of a rotational disk, by its node. Only ever changed, so that writers take turns.
    Spindle(Arc<str>),
    /// The memory for deriving a key from a passphrase, up to half of the machine's. Only ever changed, so that
    /// encrypted volumes are created and opened one by one.
    KeyDerivation,
    /// A pool that volumes are allocated from, by its name: a volume group of LVM.
    Pool(Arc<str>),
    /// A mounted file system, by mount point inside the target (`/` is the root).
    Mount(Arc<str>),
    /// A node of the target tree, by clean absolute path.
    Path(Arc<str>),
    /// A record of files that are being created, by its path.
    Record(Arc<str>),
    /// The account databases.
    Accounts,
}

/// How an operation accesses a resource. On one resource, all `Make` come before all `Change`, these before all `Use`,
/// and these before all `Release`. Within `Make`, `Change` and `Release` the order of the plan holds; `Use` runs in
/// parallel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Creates or replaces it.
    Make,
    /// Alters it.
    Change,
    /// Needs it to exist.
    Use,
    /// Ends its use (sync, unmount).
    Release,
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The resource.
    pub resource: ClaimedResource,
    /// The kind of access.
    pub access: Access,
}

impl Claim {
    /// Creates a claim.
    pub fn new(access: Access, resource: ClaimedResource) -> Self {
        Self { resource, access }
    }
    /// Makes a node of the target tree.
    pub fn make_path(path: &str) -> Self {
        Self::new(Access::Make, ClaimedResource::Path(path.into()))
    }
    /// Makes a node, given by a path that other claims share.
    pub(super) fn make_shared_path(path: &Arc<str>) -> Self {
        Self::new(Access::Make, ClaimedResource::Path(Arc::clone(path)))
    }
    /// Uses a node of the target tree.
    pub fn use_path(path: &str) -> Self {
        Self::new(Access::Use, ClaimedResource::Path(path.into()))
    }
    /// Uses a node, given by a path that other claims share.
    pub(super) fn use_shared_path(path: &Arc<str>) -> Self {
        Self::new(Access::Use, ClaimedResource::Path(Arc::clone(path)))
    }
    /// Changes the account databases.
    pub(super) fn change_accounts() -> Self {
        Self::new(Access::Change, ClaimedResource::Accounts)
    }
    /// Uses the account databases.
    pub(super) fn use_accounts() -> Self {
        Self::new(Access::Use, ClaimedResource::Accounts)
    }
    /// Uses a mounted file system.
    pub fn use_mount(point: &str) -> Self {
        Self::new(Access::Use, ClaimedResource::Mount(point.into()))
    }
}
