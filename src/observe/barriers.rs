//! What keeps this process from writing to a node. The kernel decides, since only it knows about capabilities, access
//! control lists, immutable nodes and servers that map root to another user.

use crate::facts::NodeKind;
use crate::facts::root::WriteBarrier;
use crate::host::{TargetRoot, sys};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, FsType, PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{AccessFlags, faccessat};
use std::fs::File;
use std::os::fd::OwnedFd;

/// Magic number of sysfs (linux/magic.h).
const SYSFS_MAGIC: FsType = FsType(0x6265_6572);

/// Checks an open node. For nodes other than directories, permissions do not matter: they are replaced as entries of
/// their directory.
pub(super) fn write_barrier(node: &OwnedFd, kind: &NodeKind) -> Option<WriteBarrier> {
    let wanted = match kind {
        NodeKind::Directory { .. } => AccessFlags::W_OK | AccessFlags::X_OK,
        NodeKind::File { .. } => AccessFlags::W_OK,
        // Nothing is ever written to them.
        NodeKind::Symlink { .. } | NodeKind::Other => return None,
    };
    if matches!(kind, NodeKind::Directory { .. }) && is_kernel_filesystem(node) {
        return Some(WriteBarrier::Kernel);
    }
    let flags = AtFlags::AT_EACCESS | AtFlags::AT_EMPTY_PATH;
    match (faccessat(node, "", wanted, flags), kind) {
        (Err(Errno::EPERM), _) => Some(WriteBarrier::Immutable),
        (Err(Errno::EACCES), NodeKind::Directory { .. }) => Some(WriteBarrier::Permissions),
        (Err(Errno::EROFS), NodeKind::Directory { .. }) => Some(WriteBarrier::ReadOnly),
        // Old kernels do not support this check (ENOSYS, EINVAL).
        _ => None,
    }
}

fn is_kernel_filesystem(node: &OwnedFd) -> bool {
    fstatfs(node).is_ok_and(|stat| {
        matches!(
            stat.filesystem_type(),
            PROC_SUPER_MAGIC | SYSFS_MAGIC | CGROUP2_SUPER_MAGIC
        )
    })
}

/// Checks for the append-only attribute, which faccessat(2) does not report.
pub(super) fn replace_barrier(
    root: &TargetRoot,
    path: &str,
    kind: &NodeKind,
) -> Option<WriteBarrier> {
    if !matches!(kind, NodeKind::Directory { .. } | NodeKind::File { .. }) {
        return None;
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let node = File::from(root.open_at(path, flags, Mode::empty()).ok()?);
    sys::is_append_only(&node).then_some(WriteBarrier::AppendOnly)
}
