//! Formats and opens encrypted volumes with cryptsetup.

use super::{Context, Done};
use crate::host::Command;
use crate::host::devices::Access;
use crate::plan::op::CreateLuks;
use anyhow::Context as _;
use std::io::{Read, Write};

/// Random bytes in a generated key.
const GENERATED_BYTES: usize = 4096;

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
    open_command(act, &path, &key)
        .run()
        .map_err(|error| match error.to_string().contains("device-mapper") {
            true => error.context(
                "the kernel cannot open volumes; are the modules dm_crypt and those of the cipher there?",
            ),
            false => error,
        })?;
    Ok(Done::default())
}

/// Fetches the key into a temporary file that only root can read.
fn key_file(act: &CreateLuks, context: &Context) -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("kindling-luks-")
        .tempfile()
        .context("cannot create a temporary file for the key")?;
    let mut key = Vec::new();
    if has_source(act) {
        context
            .fetcher
            .copy(&act.key_file, &mut key, context.events)
            .with_context(|| format!("cannot fetch the key of volume {}", act.name))?;
    } else {
        key = generate().with_context(|| format!("cannot make a key for volume {}", act.name))?;
    }
    file.write_all(&key)
        .context("cannot write the key to a temporary file")?;
    context.keys.keep(&act.name, key);
    Ok(file)
}

fn has_source(act: &CreateLuks) -> bool {
    let source = act.key_file.source.as_deref();
    source.is_some_and(|source| !source.is_empty())
}

/// Random bytes from the kernel's generator, once that is seeded, as lower-case hex digits.
fn generate() -> anyhow::Result<Vec<u8>> {
    let mut bytes = [0; GENERATED_BYTES];
    std::fs::File::open("/dev/random")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("cannot read /dev/random")?;
    Ok(bytes
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect())
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
