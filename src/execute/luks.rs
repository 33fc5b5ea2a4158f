//! Creates and opens encrypted volumes with cryptsetup, and binds them with Clevis.

mod cex;
mod clevis;
mod commands;
mod key;

use super::{Context, Done, filesystem};
use crate::disk::DeviceRef;
use crate::disk::superblock::{self, Superblock};
use crate::host::command::{CommandFailure, Ending};
use crate::host::devices::{DeviceAccess, DeviceHandle};
use crate::host::{SecretFile, mount};
use crate::plan::op::{
    ClevisBinding, CreateLuks, Expected, HandOver, KeySource, MarkLifetime, OpenMode,
};
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::Path;

/// Creates or opens a volume, or only tries its key. The key is in memory while this runs.
///
/// # Errors
/// If the key cannot be obtained or is wrong, the device contains something that was not there when the plan was made,
/// or cryptsetup or Clevis fails.
pub fn create_luks(act: &CreateLuks, context: &Context) -> anyhow::Result<Done> {
    let key = key::obtain(act, context)?;
    let secret = SecretFile::new(&key).context("cannot keep the key in memory for cryptsetup")?;
    match act.way {
        OpenMode::Format => format_volume(act, &secret, context)?,
        OpenMode::Open => open_volume(act, &secret, context)?,
        OpenMode::Confirm => confirm_key(act, &secret, context)?,
    }
    // A volume that Clevis unlocks needs no key file.
    if act.clevis.is_none() {
        context.keys.keep(&act.name, key);
    }
    Ok(Done::default())
}

fn format_volume(act: &CreateLuks, key: &SecretFile, context: &Context) -> anyhow::Result<()> {
    if let Some(binding) = &act.clevis {
        check_binding(act, binding, context)?;
    }
    if act.close_first {
        commands::close(&act.name).run()?;
    }
    let device = context.devices.open(&act.device, DeviceAccess::Write)?;
    let path = device.path().display().to_string();
    let volume_key = match act.key {
        KeySource::Cex => Some(cex::generate(&act.name, Path::new("/"))?),
        _ => None,
    };
    filesystem::erase(&device, &act.device.to_string(), &act.expected)?;
    let key_arguments = volume_key.as_ref().map(cex::VolumeKey::arguments);
    commands::format(act, &path, &key.path(), key_arguments).run()?;
    verify(act, &device)?;
    if let Some(volume_key) = &volume_key {
        commands::set_verification_pattern(&path, &key.path()).run()?;
        for (name, content) in volume_key.files()? {
            context.keys.keep_volume_key(&name, content);
        }
    }
    open_mapping(act, &path, &key.path())?;
    if let Some(binding) = &act.clevis {
        clevis::bind(&act.name, binding, &path, key)?;
    }
    if act.mark == MarkLifetime::UntilOpen {
        commands::unmark(&path, act.label.as_deref()).run()?;
    }
    Ok(())
}

/// Checks what can go wrong with a binding before anything is changed.
fn check_binding(
    act: &CreateLuks,
    binding: &ClevisBinding,
    context: &Context,
) -> anyhow::Result<()> {
    clevis::wait_for_servers(binding, context)?;
    if let Expected::Kind(what) = &act.expected {
        clevis::try_pin(binding)
            .with_context(|| format!("{what} on {} was not touched", act.device))?;
    }
    Ok(())
}

fn open_volume(act: &CreateLuks, key: &SecretFile, context: &Context) -> anyhow::Result<()> {
    let device = context.devices.open(&act.device, DeviceAccess::Write)?;
    let path = device.path().display().to_string();
    open_mapping(act, &path, &key.path()).map_err(|error| wrong_key(error, act))
}

fn confirm_key(act: &CreateLuks, key: &SecretFile, context: &Context) -> anyhow::Result<()> {
    let device = context.devices.open(&act.device, DeviceAccess::Read)?;
    let path = device.path().display().to_string();
    let result = commands::try_key(&path, &key.path()).run();
    result.map(drop).map_err(|error| wrong_key(error, act))
}

fn open_mapping(act: &CreateLuks, device: &str, key: &str) -> anyhow::Result<()> {
    const HINT: &str =
        "the kernel cannot open volumes; are dm_crypt and the modules of the cipher available?";
    let result = commands::open(act, device, key).run();
    result
        .map(drop)
        .map_err(|error| match is_kernel_error(&error) {
            true => error.context(HINT),
            false => error,
        })
}

/// True if cryptsetup reports an error of the kernel: its exit status is the same for all reasons but a wrong key.
fn is_kernel_error(error: &anyhow::Error) -> bool {
    let failure: Option<&CommandFailure> = error.downcast_ref();
    failure.is_some_and(|failure| failure.output.stderr.contains("device-mapper"))
}

/// How cryptsetup ends if the key is wrong.
const WRONG_KEY: Ending = Ending::Exit(2);

fn wrong_key(error: anyhow::Error, act: &CreateLuks) -> anyhow::Error {
    let failure: Option<&CommandFailure> = error.downcast_ref();
    match failure.is_some_and(|failure| failure.ending == WRONG_KEY) {
        true => error.context(format!(
            "the key does not open the volume on {}; nothing on it was changed: give its key, or set \
             wipeVolume to erase it",
            act.device
        )),
        false => error,
    }
}

fn verify(act: &CreateLuks, device: &DeviceHandle) -> anyhow::Result<()> {
    let found = probe(device.path(), &act.device.to_string())?;
    let uuid = found.uuid.as_deref().unwrap_or_default();
    let uuid_fits = act
        .uuid
        .as_ref()
        .is_none_or(|wanted| wanted.eq_ignore_ascii_case(uuid));
    let label_fits = act.label.is_none() || act.label == found.label;
    // Options of the config may put the header elsewhere.
    let is_elsewhere = found.kind.is_none();
    if is_elsewhere || (uuid_fits && label_fits) {
        return Ok(());
    }
    bail!(
        "cryptsetup left an unexpected result on {}: {} with UUID {uuid:?}",
        act.device,
        found.describe().unwrap_or_default()
    )
}

/// The UUID of the volume on a device.
///
/// # Errors
/// If there is no volume, or the device cannot be read.
pub fn uuid(device: &DeviceRef, context: &Context) -> anyhow::Result<String> {
    let handle = context.devices.open(device, DeviceAccess::Read)?;
    let found = probe(handle.path(), &device.to_string())?;
    let uuid = found.uuid.filter(|_| found.luks.is_some());
    uuid.with_context(|| format!("there is no encrypted volume on {device}"))
}

fn probe(path: &Path, name: &str) -> anyhow::Result<Superblock> {
    let mut file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    superblock::probe(&mut file).with_context(|| format!("cannot examine {name}"))
}

/// Removes the mark from a volume, once its key is durable.
///
/// # Errors
/// If the target cannot be synced, or cryptsetup fails.
pub fn hand_over(act: &HandOver, context: &Context) -> anyhow::Result<Done> {
    if let Some(keys) = &act.keys {
        mount::sync(context.root, keys)?;
    }
    let device = context.devices.open(&act.device, DeviceAccess::Write)?;
    let path = device.path().display().to_string();
    commands::unmark(&path, act.label.as_deref()).run()?;
    Ok(Done::default())
}
