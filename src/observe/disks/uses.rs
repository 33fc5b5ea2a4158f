//! What the running system does with block devices: mounts, swap, loop devices.

use crate::host::block::{self, BlockDevice};
use crate::host::mountinfo::{self, MountEntry};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Uses by device node.
#[derive(Debug, Default)]
pub(super) struct Uses(BTreeMap<PathBuf, Vec<String>>);

impl Uses {
    /// Reads the present uses.
    pub(super) fn read() -> anyhow::Result<Self> {
        let mut uses = Self::default();
        for mount in mountinfo::read()? {
            uses.add_mount(&mount);
        }
        // A kernel without swap has no such file.
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        for line in swaps.lines().skip(1) {
            if let Some(device) = line.split_whitespace().next() {
                uses.add(
                    Path::new(&mountinfo::unescape(device)),
                    "active swap".into(),
                );
            }
        }
        uses.add_members();
        uses.add_loops();
        Ok(uses)
    }

    /// What the device itself is used for.
    pub(super) fn of(&self, node: &Path) -> Vec<String> {
        self.0.get(node).cloned().unwrap_or_default()
    }

    /// A path that no longer exists is not this device.
    fn add(&mut self, device: &Path, what: String) {
        let Ok(node) = device.canonicalize() else {
            return;
        };
        let all = self.0.entry(node).or_default();
        if !all.contains(&what) {
            all.push(what);
        }
    }

    /// The device number identifies the device of a mount even if its source does not exist (`/dev/root`); the source
    /// does so if the number is anonymous (btrfs).
    fn add_mount(&mut self, mount: &MountEntry) {
        let MountEntry {
            device,
            point,
            source,
            ..
        } = mount;
        let what = format!("mounted at {point}");
        if let Some(device) = BlockDevice::with_number(device) {
            self.add(&device.node(), what.clone());
        }
        if source.starts_with('/') {
            self.add(Path::new(source), what);
        }
    }

    /// All devices of a mounted btrfs, of which its mount names only one.
    fn add_members(&mut self) {
        for filesystem in names("/sys/fs/btrfs") {
            for device in names(&format!("/sys/fs/btrfs/{filesystem}/devices")) {
                let node = BlockDevice::named(&device).node();
                if !self.0.contains_key(&node) {
                    self.add(&node, format!("part of the mounted btrfs {filesystem}"));
                }
            }
        }
    }

    /// The kernel does not list a loop device on a block device as its holder.
    fn add_loops(&mut self) {
        for device in block::list().unwrap_or_default() {
            let backing = device.attribute("loop/backing_file").unwrap_or_default();
            if backing.starts_with("/dev/") {
                let what = format!("held by loop device {}", device.node().display());
                self.add(Path::new(&backing), what);
            }
        }
    }
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
