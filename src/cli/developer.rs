//! `kindling developer`: commands for measurements and tests on hardware, not for users.

use super::exit::{Exit, ExitError};
use crate::platform::hypervisor::qemu;
use crate::terminal;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use std::time::Instant;

/// `kindling developer`
#[derive(Debug, Args)]
pub(crate) struct DeveloperArgs {
    #[command(subcommand)]
    command: DeveloperCommand,
}

#[derive(Debug, Subcommand)]
enum DeveloperCommand {
    /// Read a key of QEMU's firmware configuration; print its size and how long that took
    ReadFirmware(ReadFirmwareArgs),
    /// Show what answers at the VMware backdoor; nothing should except on VMware and QEMU
    #[cfg(target_arch = "x86_64")]
    VmwareBackdoor,
}

#[derive(Debug, Args)]
struct ReadFirmwareArgs {
    /// The way to read
    #[arg(long, value_name = "WAY")]
    by: ReadMethod,
    /// The key, e.g. opt/com.coreos/config
    key: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReadMethod {
    /// I/O ports
    Ports,
    /// Files of the kernel
    Sysfs,
}

/// Runs the subcommand.
pub(crate) fn run(args: &DeveloperArgs) -> Result<Exit, ExitError> {
    let done = match &args.command {
        DeveloperCommand::ReadFirmware(args) => read_firmware(args),
        #[cfg(target_arch = "x86_64")]
        DeveloperCommand::VmwareBackdoor => vmware_backdoor(),
    };
    done.map_err(|error| ExitError::new(Exit::Failed, &error))
}

#[cfg(target_arch = "x86_64")]
fn vmware_backdoor() -> anyhow::Result<Exit> {
    terminal::print(&format!(
        "{}\n",
        crate::platform::hypervisor::vmware::describe_backdoor()?
    ))?;
    Ok(Exit::Done)
}

fn read_firmware(args: &ReadFirmwareArgs) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let text = match args.by {
        ReadMethod::Ports => qemu::read_by_ports(&args.key),
        ReadMethod::Sysfs => qemu::read_by_sysfs(&args.key),
    };
    let text = text?.with_context(|| format!("fw_cfg has no key {}", args.key))?;
    let seconds = start.elapsed().as_secs_f64();
    terminal::print(&format!("{} bytes in {seconds:.6} s\n", text.len()))?;
    Ok(Exit::Done)
}
