//! Programs that have a block device open, by name, for messages.

use nix::libc::O_EXCL;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait: udev and blkid open a device for some milliseconds whenever it has changed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Programs other than this one that have the device open: `dd (process 4711)`.
pub fn programs(node: &Path) -> Vec<String> {
    let Ok(device) = fs::metadata(node).map(|meta| meta.rdev()) else {
        return Vec::new();
    };
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names: Vec<String> = processes
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|id| *id != own && id.bytes().all(|b| b.is_ascii_digit()))
        .filter(|id| has_open(id, device))
        .map(|id| format!("{} (process {id})", name_of(&id)))
        .collect();
    names.sort();
    names
}

fn has_open(id: &str, device: u64) -> bool {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten();
    files.flatten().any(|file| {
        fs::metadata(file.path())
            .is_ok_and(|meta| meta.file_type().is_block_device() && meta.rdev() == device)
    })
}

fn name_of(id: &str) -> String {
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    match name.trim() {
        "" => "a program".into(),
        name => name.into(),
    }
}

/// Waits until nobody uses a device any more. A device that does not exist is not in use.
///
/// # Errors
/// If it is still in use after the timeout; the message names its user.
pub fn wait_until_idle(node: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let Some(user) = user_of(node) else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            anyhow::bail!("{} is in use: {user}", node.display());
        }
        sleep(Duration::from_millis(50));
    }
}

fn user_of(node: &Path) -> Option<String> {
    let programs = programs(node);
    if !programs.is_empty() {
        return Some(format!("open in {}", programs.join(", ")));
    }
    let exclusive = File::options()
        .read(true)
        .custom_flags(O_EXCL)
        .open(node)
        .map(drop);
    match exclusive {
        Err(error) if is_busy(&error) => {
            Some("it is held exclusively (mount, swap, RAID, LVM; see lsblk and lsof)".into())
        }
        _ => None,
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EBUSY)
}
