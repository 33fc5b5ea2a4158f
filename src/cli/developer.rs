//! `kindling developer`: what measurements and hardware need, and users do not.

use super::exit::{Exit, Failure};
use crate::platform::qemu;
use crate::terminal;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use std::time::Instant;

/// `kindling developer`
#[derive(Debug, Args)]
pub struct DeveloperArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a key of QEMU's firmware configuration; print its size and how long that took
    ReadFirmware(ReadFirmwareArgs),
    /// Tell who answers at the backdoor of VMware; elsewhere than on VMware and QEMU nobody should
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

/// Does what the arguments ask for.
pub fn run(args: &DeveloperArgs) -> Result<Exit, Failure> {
    let done = match &args.command {
        Command::ReadFirmware(args) => read_firmware(args),
        #[cfg(target_arch = "x86_64")]
        Command::VmwareBackdoor => vmware_backdoor(),
    };
    done.map_err(|error| Failure::new(Exit::Failed, &error))
}

#[cfg(target_arch = "x86_64")]
fn vmware_backdoor() -> anyhow::Result<Exit> {
    terminal::print(&format!(
        "{}\n",
        crate::platform::vmware::describe_backdoor()?
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
