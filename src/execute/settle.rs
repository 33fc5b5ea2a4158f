//! Waits until udev has processed all changes.

use super::{Context, Done};
use crate::host::devices::DeviceAccess;
use crate::host::udev;
use crate::plan::op::Settle;
use anyhow::Context as _;

/// Unlocks disks for udev and waits until it has processed them and what was created on them.
///
/// # Errors
/// If a device is gone, or udev takes too long.
pub fn settle(act: &Settle, context: &Context) -> anyhow::Result<Done> {
    let settled = || -> anyhow::Result<()> {
        let mut nodes = Vec::new();
        for device in &act.devices {
            nodes.push(
                context
                    .devices
                    .open(device, DeviceAccess::Read)?
                    .path()
                    .into(),
            );
        }
        context.devices.allow_probing()?;
        udev::settle(&nodes)?;
        context.devices.unlock();
        Ok(())
    };
    settled().context("the links below /dev/disk may not be right")?;
    Ok(Done::default())
}
