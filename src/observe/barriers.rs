//! What keeps this process from writing to a node. The kernel is asked, since only it knows about capabilities, access
//! control lists, immutable nodes and servers that map root to somebody else.

use crate::facts::NodeKind;
use crate::facts::root::WriteBarrier;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use std::os::fd::OwnedFd;

/// Asks about an open node. For other nodes than directories, permissions do not matter: they are replaced as entries
/// of their directory.
pub(super) fn to_writing(node: &OwnedFd, kind: &NodeKind) -> Option<WriteBarrier> {
    let wanted = match kind {
        NodeKind::Directory { .. } => AccessFlags::W_OK | AccessFlags::X_OK,
        NodeKind::File { .. } => AccessFlags::W_OK,
        // Nothing is ever written to them.
        NodeKind::Symlink { .. } | NodeKind::Other => return None,
    };
    let flags = AtFlags::AT_EACCESS | AtFlags::AT_EMPTY_PATH;
    match (faccessat(node, "", wanted, flags), kind) {
        (Err(Errno::EPERM), _) => Some(WriteBarrier::Immutable),
        (Err(Errno::EACCES), NodeKind::Directory { .. }) => Some(WriteBarrier::Permissions),
        (Err(Errno::EROFS), NodeKind::Directory { .. }) => Some(WriteBarrier::ReadOnly),
        // Old kernels cannot answer (ENOSYS, EINVAL).
        _ => None,
    }
}
