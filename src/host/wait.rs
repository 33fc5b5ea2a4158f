//! Waiting for devices.

use super::devices::present_disks;
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Waits until every device is ready.
///
/// # Errors
/// Some are not there within `limit`; they are named.
pub fn for_devices(devices: &[PathBuf], limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while let Some(missing) = devices.iter().find(|device| !is_ready(device)) {
        if Instant::now() >= deadline {
            let (missing, seconds) = (missing.display(), limit.as_secs());
            bail!(
                "device {missing} did not appear within {seconds} s; this machine has: {}",
                present_disks()
            );
        }
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn is_ready(device: &Path) -> bool {
    device.exists()
}
