//! Makes file systems.

use super::{Context, Done};
use crate::host::Command;
use crate::host::devices::Access;
use crate::plan::op::{MakeFilesystem, WipeDevice};

/// Makes one.
pub fn make_filesystem(act: &MakeFilesystem, context: &Context) -> anyhow::Result<Done> {
    let device = context.devices.open(&act.device, Access::Write)?;
    Command::new(&act.program)
        .args(act.arguments.iter())
        .arg(device.path().display().to_string())
        .run()?;
    Ok(Done::default())
}

/// Wipes one.
pub fn wipe_device(_: &WipeDevice, _: &Context) -> anyhow::Result<Done> {
    Ok(Done::default())
}
