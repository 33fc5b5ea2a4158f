//! Disk images: mounts and loop devices that end with a test, partition tables, and what a run left behind.

use super::run::must;
use kindling::host::loopdev::{ImageRange, LoopDevice};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

thread_local! {
    static OWN_MOUNTS: () = {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private mounts");
    };
}

/// Gives the calling thread, and what it starts from then on, mounts that end with it, however it ends.
pub fn enter_own_mounts() {
    OWN_MOUNTS.with(|()| ());
}

/// A mount that ends with its scope, among the mounts of its thread.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts with the arguments of `mount`, the last being the mount point.
    pub fn new(arguments: &[&str]) -> Mounted {
        enter_own_mounts();
        must("mount", arguments);
        Mounted(PathBuf::from(arguments.last().expect("a mount point")))
    }
}

impl Drop for Mounted {
    /// What another thread starts holds, up to its exec, copies of the files that are open here: a mount may be busy
    /// for that long.
    fn drop(&mut self) {
        let start = Instant::now();
        while umount(&self.0) == Err(Errno::EBUSY) && start.elapsed() < LINGER {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A loop device that ends with its scope, or with the process.
pub struct Loop(pub String, LoopDevice);

impl Loop {
    /// A device over a part of an image, in bytes.
    pub fn over(image: &Path, start: u64, size: u64) -> Loop {
        let file = fs::File::options().read(true).write(true).open(image);
        let part = ImageRange {
            offset: start,
            bytes: size,
            sector_bytes: 512,
        };
        let device = LoopDevice::attach(&file.expect("an image"), part, true);
        let device = device.expect("a loop device");
        Loop(device.path().display().to_string(), device)
    }
}

/// The partition table as sfdisk reads it.
pub fn table(image: &Path) -> serde_json::Value {
    let json = must("sfdisk", &["--json", &image.display().to_string()]);
    let mut table: serde_json::Value = serde_json::from_str(&json).expect("sfdisk writes JSON");
    table["partitiontable"].take()
}

/// Start and size in bytes of the n-th partition (from 0) of a table.
pub fn extent(table: &serde_json::Value, n: usize) -> (u64, u64) {
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let partition = &table["partitions"][n];
    let bytes = |key: &str| {
        partition[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no {key} in {table}"))
            * sector
    };
    (bytes("start"), bytes("size"))
}

/// How long a loop device may outlive its last user: any tool that scans all block devices (mkfs.btrfs looks for its
/// UUID) keeps the ones it has open for a moment.
const LINGER: Duration = Duration::from_secs(60);

/// Loop devices over a file, and mounts below a directory: both must be none after a run.
pub fn left_behind(image: &Path, directory: &Path) -> Vec<String> {
    let start = Instant::now();
    loop {
        let left = attached_or_mounted(image, directory);
        if left.is_empty() || start.elapsed() > LINGER {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn attached_or_mounted(image: &Path, directory: &Path) -> Vec<String> {
    let backing = image.display().to_string();
    let loops = must(
        "losetup",
        &["--list", "--noheadings", "--output", "NAME,BACK-FILE"],
    );
    let mounts = fs::read_to_string("/proc/thread-self/mounts").expect("read mounts");
    let inside = directory.display().to_string();
    let loops = loops
        .lines()
        .filter(|line| line.contains(&backing))
        .map(|line| format!("loop device {line}"));
    let mounts = mounts
        .lines()
        .filter(|line| line.contains(&inside))
        .map(|line| format!("mount {line}"));
    loops.chain(mounts).collect()
}
