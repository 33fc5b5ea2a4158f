//! Mounts, syncs and unmounts file systems below the target root.

use super::{Context, Done};
use crate::host::devices::DeviceAccess;
use crate::host::mount as host;
use crate::plan::op::{Mount, MountPoint};
use nix::mount::MsFlags;
use std::path::{Path, PathBuf};

/// Mounts one file system, and creates its mount point if it is missing.
///
/// # Errors
/// If the device cannot be opened, or the kernel rejects the mount.
pub fn mount(act: &Mount, context: &Context) -> anyhow::Result<Done> {
    host::create_mount_point(context.root, &act.point)?;
    // An image is mounted for this run only; on a machine that boots, programs run from the mounted file systems.
    let flags = match context.devices.images().is_empty() {
        true => MsFlags::empty(),
        false => host::PRIVATE,
    };
    let (point, format) = (&act.point, &act.format);
    let mount =
        |device: &Path| host::mount(device, context.root, point, format, &act.options, flags);
    if act.format == "virtiofs" {
        // The device is a tag, not a path.
        mount(&PathBuf::from(act.device.to_string()))?;
    } else {
        let device = context.devices.open(&act.device, DeviceAccess::Write)?;
        mount(device.path())?;
    }
    Ok(Done::default())
}

/// Makes everything on a mounted file system durable: once for all files, not once per file.
///
/// # Errors
/// If the disk fails.
pub fn sync(act: &MountPoint, context: &Context) -> anyhow::Result<Done> {
    host::sync(context.root, &act.point)?;
    Ok(Done::default())
}

/// Unmounts one file system.
///
/// # Errors
/// If it stays busy.
pub fn unmount(act: &MountPoint, context: &Context) -> anyhow::Result<Done> {
    host::unmount(context.root, &act.point)?;
    Ok(Done::default())
}
