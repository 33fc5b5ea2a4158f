//! What the running system does with block devices: mounts, swap, loop devices.

use anyhow::Context;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Uses by device node.
#[derive(Debug, Default)]
pub(super) struct Uses(BTreeMap<PathBuf, Vec<String>>);

impl Uses {
    /// Looks now.
    pub fn now() -> anyhow::Result<Self> {
        let mut uses = Self::default();
        let path = "/proc/self/mountinfo";
        let mounts = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        for line in mounts.lines() {
            uses.add_mount(line);
        }
        // A kernel without swap has no such file.
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        for line in swaps.lines().skip(1) {
            if let Some(device) = line.split_whitespace().next() {
                uses.add(Path::new(&unescape(device)), "active swap".into());
            }
        }
        uses.add_members();
        uses.add_loops();
        Ok(uses)
    }

    /// What is done with the device itself.
    pub fn of(&self, node: &Path) -> Vec<String> {
        self.0.get(node).cloned().unwrap_or_default()
    }

    /// A path that does not exist any more is not this device.
    fn add(&mut self, device: &Path, what: String) {
        let Ok(node) = device.canonicalize() else {
            return;
        };
        let all = self.0.entry(node).or_default();
        if !all.contains(&what) {
            all.push(what);
        }
    }

    /// The device number tells a mount's device even where its source does not exist (`/dev/root`), the
    /// source tells it where the number is made up (btrfs).
    fn add_mount(&mut self, line: &str) {
        let Some((device, point, source)) = parse_mount(line) else {
            return;
        };
        let what = format!("mounted at {point}");
        let link = Path::new("/sys/dev/block").join(device);
        if let Some(name) = fs::read_link(link)
            .ok()
            .as_deref()
            .and_then(Path::file_name)
        {
            self.add(&Path::new("/dev").join(name), what.clone());
        }
        if source.starts_with('/') {
            self.add(Path::new(&source), what);
        }
    }

    /// All devices of a mounted btrfs, of which its mount names only one.
    fn add_members(&mut self) {
        for filesystem in names("/sys/fs/btrfs") {
            for device in names(&format!("/sys/fs/btrfs/{filesystem}/devices")) {
                let node = Path::new("/dev").join(device);
                if !self.0.contains_key(&node) {
                    self.add(&node, format!("part of the mounted btrfs {filesystem}"));
                }
            }
        }
    }

    /// A loop device over a block device is no holder of it in the kernel's eyes.
    fn add_loops(&mut self) {
        for device in names("/sys/class/block") {
            let file = format!("/sys/class/block/{device}/loop/backing_file");
            let backing = fs::read_to_string(file).unwrap_or_default();
            if backing.starts_with("/dev/") {
                let what = format!("held by loop device /dev/{device}");
                self.add(Path::new(backing.trim_end()), what);
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

/// Device number, mount point and source of a line of mountinfo.
fn parse_mount(line: &str) -> Option<(&str, String, String)> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(2);
    let (device, _, point) = (fields.next()?, fields.next()?, fields.next()?);
    let source = right.split(' ').nth(1)?;
    Some((device, unescape(point), unescape(source)))
}

/// `\040` as the kernel writes a space.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = &tail[if code.is_some() { 3 } else { 0 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_their_spaces() {
        let line =
            r"36 25 7:1 / /srv/two\040words rw,relatime shared:1 master:2 - ext4 /dev/root rw";
        let (device, point, source) = parse_mount(line).expect("a mount");
        assert_eq!(
            (device, &*point, &*source),
            ("7:1", "/srv/two words", "/dev/root")
        );
        assert_eq!(parse_mount("nonsense"), None);
    }
}
