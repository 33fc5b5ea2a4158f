//! Creates and assembles RAID arrays with mdadm.

use super::filesystem::{erase_range, erase_signatures, open_expected};
use super::{Context, Done};
use crate::disk::DeviceRef;
use crate::disk::superblock::raid::Level;
use crate::disk::superblock::{self, Superblock};
use crate::host::Command;
use crate::host::arrays::{self, KernelArray};
use crate::host::command::without_spawning;
use crate::host::devices::{DeviceAccess, DeviceHandle};
use crate::plan::op::{AssembleArray, CreateArray, Expected};
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Attempts to get exclusive access to the members: udev assembles arrays as well whenever it sees a member.
const MAX_ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);
/// Number of bytes erased where the data of an old array began: a new array may begin there too, and would then show
/// the contents of the old one.
const OLD_DATA_BYTES: u64 = 1024 * 1024;

/// Erases the members and creates an array of them. `--homehost any` makes any machine assemble it under its name.
///
/// # Errors
/// If a member is in use or contains something that was not there when the plan was made, or mdadm fails.
pub fn create_array(act: &CreateArray, context: &Context) -> anyhow::Result<Done> {
    if !context.devices.images().is_empty() {
        bail!(
            "an array inside image files would stay in this machine's kernel; attach the images with \
             losetup --partscan and name the loop devices"
        );
    }
    let members = ArrayMembers::open(&act.members, DeviceAccess::Write, context)?;
    stop_arrays(&act.stop)?;
    members.retry(|| {
        members.stop_inactive()?;
        erase(act, &members)
    })?;
    if let Err(error) = create_command(act, &members).run() {
        let error = with_missing_support(error, &act.level);
        return Err(match clean_up(&members) {
            Ok(()) => error,
            Err(cleanup_error) => error.context(format!("{cleanup_error:#}")),
        });
    }
    let array = open_array(&act.name, context)?;
    // Old contents of the members may be visible in the array.
    without_spawning(|| {
        let (mut file, _) = open_expected(array.path(), &act.name, &Expected::Anything)?;
        erase_signatures(&mut file, &act.name)
    })?;
    Ok(Done::default())
}

fn create_command(act: &CreateArray, members: &ArrayMembers) -> Command {
    let active = act.members.len().saturating_sub(act.spares as usize);
    let mut command = Command::new("mdadm")
        .args(["--create", &act.name, "--force", "--run"])
        .args(["--homehost", "any", "--level", &act.level])
        .args(["--raid-devices", &active.to_string()]);
    if act.spares > 0 {
        command = command.args(["--spare-devices", &act.spares.to_string()]);
    }
    command.args(act.options.iter()).args(members.paths())
}

/// Checks every member before the first is erased.
fn erase(act: &CreateArray, members: &ArrayMembers) -> anyhow::Result<()> {
    without_spawning(|| {
        let mut opened = Vec::new();
        for ((handle, name), expected) in members.0.iter().zip(&act.expected) {
            opened.push((open_expected(handle.path(), name, expected)?, name));
        }
        for ((file, found), name) in &mut opened {
            erase_old_data(file, found)
                .with_context(|| format!("cannot erase the old array on {name}"))?;
            erase_signatures(file, name)?;
        }
        Ok(())
    })
}

/// Erases what a failed run has left: udev would assemble members with superblocks again, and they would be in use in
/// the next run. A member that is already in use is left alone.
fn clean_up(members: &ArrayMembers) -> anyhow::Result<()> {
    members.retry(|| {
        members.stop_inactive()?;
        without_spawning(|| {
            for (handle, name) in &members.0 {
                let (mut file, _) = open_expected(handle.path(), name, &Expected::Anything)?;
                erase_signatures(&mut file, name)?;
            }
            Ok(())
        })
    })
}

fn erase_old_data(file: &mut File, found: &Superblock) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let Some(old) = &found.raid else {
        return Ok(());
    };
    let bytes = file.seek(SeekFrom::End(0))?;
    let end = old.data_offset.saturating_add(OLD_DATA_BYTES).min(bytes);
    erase_range(file, old.data_offset.min(bytes), end)
}

/// Starts an existing array.
///
/// # Errors
/// If a member has changed since the plan was made, or mdadm fails.
pub fn assemble_array(act: &AssembleArray, context: &Context) -> anyhow::Result<Done> {
    let members = ArrayMembers::open(&act.members, DeviceAccess::Read, context)?;
    for (handle, name) in &members.0 {
        check_member(handle.path(), name, &act.uuid)?;
    }
    stop_arrays(&act.stop)?;
    let array = DeviceRef::Array {
        name: act.name.clone(),
    };
    let node = PathBuf::from(array.to_string());
    let command = Command::new("mdadm")
        .args(["--assemble", &node.display().to_string(), "--run"])
        .args(members.paths());
    members
        .retry(|| {
            members.stop_inactive()?;
            match (command.run(), members.are_running()?) {
                (Ok(_), true) => Ok(()),
                (Ok(_), false) => bail!("array {node:?} is not running although mdadm started it"),
                (Err(error), false) => Err(error),
                // Somebody else was faster. Whether under this name is known when udev has created its link.
                (Err(error), true) => match open_array(&act.name, context) {
                    Ok(_) if members.is_running_as(&node) => Ok(()),
                    _ => Err(error),
                },
            }
        })
        .map_err(|error| with_missing_support(error, &act.level))?;
    open_array(&act.name, context)?;
    Ok(Done::default())
}

fn check_member(path: &Path, name: &str, uuid: &str) -> anyhow::Result<()> {
    let act = || format!("cannot examine {name}");
    let found = superblock::probe(&mut File::open(path).with_context(act)?).with_context(act)?;
    if found.raid.is_none() || found.uuid.as_deref() != Some(uuid) {
        bail!(
            "{name} was a member of array {uuid} when the plan was made, and is not now; plan again"
        );
    }
    Ok(())
}

fn stop_arrays(nodes: &[String]) -> anyhow::Result<()> {
    for node in nodes {
        let exists = arrays::list()?
            .iter()
            .any(|array| array.node == Path::new(node));
        if exists {
            arrays::stop(Path::new(node)).with_context(|| format!("cannot stop array {node}"))?;
        }
    }
    Ok(())
}

/// Waits for the node, which udev creates.
fn open_array(name: &str, context: &Context) -> anyhow::Result<DeviceHandle> {
    let array = DeviceRef::Array { name: name.into() };
    context.devices.open(&array, DeviceAccess::Write)
}

fn with_missing_support(error: anyhow::Error, level: &str) -> anyhow::Error {
    let level = Level::named(level).map_or_else(|| level.to_owned(), |level| level.to_string());
    match arrays::missing_support(&level) {
        Some(lacking) => error.context(lacking),
        None => error,
    }
}

/// The members of an array, with their names in the plan.
struct ArrayMembers(Vec<(DeviceHandle, String)>);

impl ArrayMembers {
    fn open(
        members: &[DeviceRef],
        access: DeviceAccess,
        context: &Context,
    ) -> anyhow::Result<Self> {
        let open = |member: &DeviceRef| {
            let handle = context.devices.open(member, access)?;
            Ok((handle, member.to_string()))
        };
        members
            .iter()
            .map(open)
            .collect::<anyhow::Result<_>>()
            .map(Self)
    }

    fn paths(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|(handle, _)| handle.path().display().to_string())
    }

    fn contains(&self, node: &Path) -> bool {
        self.0.iter().any(|(handle, _)| handle.path() == node)
    }

    /// Arrays that contain any of the members.
    fn holders(&self) -> anyhow::Result<Vec<KernelArray>> {
        let mut arrays = arrays::list()?;
        arrays.retain(|array| array.members.iter().any(|member| self.contains(member)));
        Ok(arrays)
    }

    /// Stops arrays that contain members but are not running.
    fn stop_inactive(&self) -> anyhow::Result<()> {
        for array in self.holders()?.iter().filter(|array| !array.is_running) {
            arrays::stop(&array.node)
                .with_context(|| format!("cannot stop array {}", array.node.display()))?;
        }
        Ok(())
    }

    /// True if a running array contains any of the members, under whatever name.
    fn are_running(&self) -> anyhow::Result<bool> {
        Ok(self.holders()?.iter().any(|array| array.is_running))
    }

    fn is_running_as(&self, node: &Path) -> bool {
        let wanted = node.canonicalize().ok();
        let holders = self.holders().unwrap_or_default();
        holders
            .iter()
            .any(|array| array.is_running && wanted.as_ref() == Some(&array.node))
    }

    /// Retries `work` while an array that is not running contains a member.
    fn retry(&self, work: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
        for _ in 1..MAX_ATTEMPTS {
            let result = work();
            let is_held = self.holders()?.iter().any(|array| !array.is_running);
            if result.is_ok() || !is_held {
                return result;
            }
            sleep(PAUSE);
        }
        work()
    }
}
