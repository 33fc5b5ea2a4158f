//! Formats and opens encrypted volumes with cryptsetup.

use super::{Context, Done};
use crate::host::Command;
use crate::host::devices::Access;
use crate::plan::op::CreateLuks;
use anyhow::Context as _;

/// Formats (unless it is reused) and opens one volume. The key lives in a temporary file (mode 0600)
/// while this runs.
///
/// # Errors
/// The key cannot be had, or what cryptsetup says.
pub fn create_luks(act: &CreateLuks, context: &Context) -> anyhow::Result<Done> {
    let key = key_file(act, context)?;
    let device = context.devices.open(&act.device, Access::Write)?;
    let path = device.path().display().to_string();
    let key = key.path().display().to_string();
    if !act.reuse {
        format_command(act, &path, &key).run()?;
    }
    open_command(act, &path, &key).run().context(
        "is the kernel module dm_crypt there? Volumes cannot be opened on a host without it",
    )?;
    Ok(Done::default())
}

/// Fetches the key into a temporary file that only root can read.
fn key_file(act: &CreateLuks, context: &Context) -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("kindling-luks-")
        .tempfile()
        .context("cannot create a temporary file for the key")?;
    context
        .fetcher
        .copy(&act.key_file, file.as_file_mut(), context.events)
        .with_context(|| format!("cannot fetch the key of volume {}", act.name))?;
    Ok(file)
}

fn format_command(act: &CreateLuks, device: &str, key: &str) -> Command {
    let mut command = Command::new("cryptsetup").args([
        "luksFormat",
        "--batch-mode",
        "--type",
        "luks2",
        "--key-file",
        key,
    ]);
    if let Some(label) = &act.label {
        command = command.args(["--label", label]);
    }
    if let Some(uuid) = &act.uuid {
        command = command.args(["--uuid", uuid]);
    }
    command.args(act.options.iter()).arg(device)
}

/// `--persistent` stores the flags in the header, so they need no crypttab option.
fn open_command(act: &CreateLuks, device: &str, key: &str) -> Command {
    let command = Command::new("cryptsetup").args([
        "luksOpen",
        device,
        &act.name,
        "--key-file",
        key,
        "--persistent",
    ]);
    let command = if act.discard {
        command.arg("--allow-discards")
    } else {
        command
    };
    command.args(act.open_options.iter())
}
