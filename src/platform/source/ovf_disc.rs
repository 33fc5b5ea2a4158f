//! The disc that Azure inserts into a machine, with custom data and an OVF environment.
//!
//! Only optical discs are checked, never disks: a user may have attached a disk with files of these names.

use super::drive;
use super::mount::{self, MountSpec};
use super::waiting::WaitProgress;
use crate::host::{self, block, sys};
use crate::log::Log;
use crate::platform::contract::{Answer, FetchContext};
use anyhow::Context;
use nix::libc::O_NONBLOCK;
use nix::mount::MsFlags;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file that identifies the disc.
const MARKER_FILE: &str = "ovf-env.xml";
const CUSTOM_DATA: &str = "CustomData.bin";
/// Interval between checks of the drives.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Delay before a disc that was rejected or unreadable is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(10);
const DISC: MountSpec = MountSpec {
    what: "disc with custom data",
    prefix: "ignition-azure",
    timeout: RETRY_DELAY,
};

/// The disc, with the possible types of its file system.
pub(crate) struct Disc {
    /// Types of file systems, in the order in which they are tried.
    pub file_systems: &'static [&'static str],
}

/// Drives, and when they may be tried again.
type DelayedDrives = BTreeMap<PathBuf, Instant>;

impl Disc {
    /// Describes the read in one line.
    pub(crate) fn describe(&self) -> String {
        let types = self.file_systems.join(" or ");
        format!(
            "read {CUSTOM_DATA} of the first disc (CD, DVD) with {MARKER_FILE}, file system {types}"
        )
    }

    /// Waits for the disc and reads it. Unreadable discs are retried, and a drive may be empty at first.
    ///
    /// # Errors
    /// If the wait was cancelled.
    pub(crate) fn answer(&self, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
        let cancelled = || context.events.cancelled();
        let mut waiting = WaitProgress::begin(DISC.what, None, context.log, &cancelled);
        let mut delayed = DelayedDrives::new();
        loop {
            if let Some((drive, text)) = self.check_drives(&mut delayed, context.log) {
                return Ok(Answer::of(drive.display().to_string(), text));
            }
            waiting.pause(POLL_INTERVAL)?;
        }
    }

    /// Checks every drive once.
    fn check_drives(&self, delayed: &mut DelayedDrives, log: &Log) -> Option<(PathBuf, Vec<u8>)> {
        let ready: Vec<PathBuf> = drives().filter(|drive| is_ready(drive)).collect();
        // A drive whose disc was ejected may get another one.
        delayed.retain(|drive, until| ready.contains(drive) && Instant::now() < *until);
        for drive in ready {
            if delayed.contains_key(&drive) {
                continue;
            }
            match self.read(&drive, log) {
                Ok(Some(text)) => return Some((drive, text)),
                Ok(None) => {
                    let drive = drive.display();
                    log.info(format_args!("{drive}: no disc with custom data"));
                }
                Err(error) => log.warning(format_args!("{}: {error:#}", drive.display())),
            }
            delayed.insert(drive, Instant::now() + RETRY_DELAY);
        }
        None
    }

    /// Reads the custom data on a disc; `None` if the disc has no [`MARKER_FILE`].
    fn read(&self, drive: &Path, log: &Log) -> anyhow::Result<Option<Vec<u8>>> {
        let mut last = None;
        for file_system in self.file_systems {
            let result = mount::with_mounted_by(
                |mount_point| mount_as(drive, mount_point, file_system),
                drive,
                DISC,
                log,
                custom_data,
            );
            match result {
                Ok(found) => return Ok(found),
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(None), Err)
    }
}

fn mount_as(drive: &Path, mount_point: &Path, file_system: &str) -> anyhow::Result<()> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    host::mount::mount_path(drive, mount_point, file_system, flags, "")
        .with_context(|| format!("cannot mount it as {file_system}"))
}

fn custom_data(mount_point: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    if !mount_point.join(MARKER_FILE).exists() {
        return Ok(None);
    }
    Ok(Some(
        drive::read(mount_point, CUSTOM_DATA)?.unwrap_or_default(),
    ))
}

/// Nodes that may be drives, i.e. all block devices but partitions, sorted by name.
fn drives() -> impl Iterator<Item = PathBuf> {
    let devices = block::list().unwrap_or_default().into_iter();
    let drives = devices.filter(|device| !device.is_partition());
    drives.map(|drive| drive.node())
}

/// True for a drive with a disc in it. `O_NONBLOCK` neither waits for a disc nor closes the tray.
fn is_ready(drive: &Path) -> bool {
    let mut options = File::options();
    let opened = options.read(true).custom_flags(O_NONBLOCK).open(drive);
    opened.is_ok_and(|drive| sys::has_disc(&drive))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn other_files_are_not_ready() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(!is_ready(file.path()));
        assert!(!is_ready(Path::new("/nowhere")));
    }

    #[test]
    fn the_marker_file_is_required() {
        let dir = tempfile::tempdir().expect("a directory");
        let found = || custom_data(dir.path()).expect("read");
        fs::write(dir.path().join(CUSTOM_DATA), "{}").expect("written");
        assert_eq!(found(), None);
        fs::write(dir.path().join(MARKER_FILE), "").expect("written");
        assert_eq!(found().as_deref(), Some(b"{}".as_slice()));
        fs::remove_file(dir.path().join(CUSTOM_DATA)).expect("removed");
        assert_eq!(found(), Some(Vec::new()));
    }
}
