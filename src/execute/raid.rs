//! Creates RAID arrays with mdadm.

use super::{Context, Done};
use crate::host::Command;
use crate::host::devices::Access;
use crate::plan::op::CreateArray;
use anyhow::Context as _;

/// Creates one array over its members. `--homehost any` makes any machine assemble it under its name.
///
/// # Errors
/// A member that cannot be opened, or what mdadm says.
pub fn create_array(act: &CreateArray, context: &Context) -> anyhow::Result<Done> {
    let mut handles = Vec::new();
    for member in &act.members {
        handles.push(context.devices.open(member, Access::Write)?);
    }
    let active = act.members.len().saturating_sub(act.spares as usize);
    let mut command = Command::new("mdadm")
        .args([
            "--create",
            &act.name,
            "--force",
            "--run",
            "--homehost",
            "any",
        ])
        .args(["--level", &act.level, "--raid-devices", &active.to_string()]);
    if act.spares > 0 {
        command = command.args(["--spare-devices", &act.spares.to_string()]);
    }
    let paths = handles
        .iter()
        .map(|handle| handle.path().display().to_string());
    command
        .args(act.options.iter())
        .args(paths)
        .run()
        .context("is the kernel module md_mod there? Arrays cannot be made on a host without it")?;
    Ok(Done::default())
}
