//! The config on a disk, for virtual machines without fw_cfg.

use crate::host::devices::present_disks;
use crate::log::Log;
use crate::platform::contract::Answer;
use crate::platform::source::encoding::read_padded;
use crate::platform::source::kernel_module;
use anyhow::{Context, bail};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The disk with serial number `ignition`.
const DISK: &str = "/dev/disk/by-id/virtio-ignition";
/// Exists once the driver is loaded.
const DRIVER: &str = "/sys/bus/virtio/drivers/virtio_blk";
const TIMEOUT: Duration = Duration::from_secs(300);
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Waits for the disk, and reads the config.
pub(super) fn fetch(log: &Log) -> anyhow::Result<Answer> {
    log.warning("fetching the config from a block device is experimental");
    kernel_module::load_unless_exists(Path::new(DRIVER), "virtio_blk", log)?;
    let text = wait_and_read(Path::new(DISK), TIMEOUT, POLL_INTERVAL, log)?;
    Ok(Answer::of(DISK, text))
}

fn wait_and_read(
    disk: &Path,
    timeout: Duration,
    pause: Duration,
    log: &Log,
) -> anyhow::Result<Vec<u8>> {
    let deadline = Instant::now() + timeout;
    let shown = disk.display();
    loop {
        match File::open(disk).and_then(|mut disk| read_padded(&mut disk)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other.with_context(|| format!("cannot read config disk {shown}")),
        }
        if Instant::now() >= deadline {
            let (seconds, disks) = (timeout.as_secs(), present_disks());
            bail!(
                "config disk {shown} did not appear within {seconds} s; give it serial=ignition; this machine has: {disks}"
            );
        }
        log.info(format_args!("config disk {shown} is not there yet"));
        sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;
    use std::fs;

    #[test]
    fn a_disk_may_appear_late_or_never() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = dir.path().join("disk");
        let log = Log::new(Sink::memory().0);
        let read = |seconds| {
            let (timeout, pause) = (Duration::from_secs(seconds), Duration::from_millis(10));
            wait_and_read(&disk, timeout, pause, &log)
        };
        let error = read(0).expect_err("missing").to_string();
        assert!(
            error.contains("did not appear within 0 s; give it serial=ignition"),
            "{error}"
        );
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sleep(Duration::from_millis(30));
                fs::write(&disk, "{}\0").expect("written");
            });
            // The file may be read before its content is written, which cannot happen with a disk.
            assert!(read(60).is_ok());
        });
        assert_eq!(read(0).expect("there"), b"{}");
    }
}
