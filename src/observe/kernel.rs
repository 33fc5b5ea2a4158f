//! What the running kernel can mount, and which drivers of devices it has.

use crate::facts::KernelFacts;
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Inspects the running kernel; `None` if `/proc` is missing.
pub fn kernel() -> Option<KernelFacts> {
    let present = read_to_string("/proc/filesystems").ok()?;
    let mut filesystems: BTreeSet<String> = registered(&present).collect();
    let modules = module_directory().unwrap_or_default();
    filesystems.extend(loadable(&modules));
    let has_module = |name: &str| filesystems.contains(name) || is_built_in(&modules, name);
    let is_listed = |list: &str, name: &str| {
        let list = read_to_string(list).ok()?;
        Some(registered(&list).any(|entry| entry == name))
    };
    let lacks = |list: &str, name: &str, module: &str| {
        is_listed(list, name) == Some(false) && !has_module(module)
    };
    Some(KernelFacts {
        lacks_device_mapper: lacks("/proc/misc", "device-mapper", "dm-mod"),
        lacks_arrays: lacks("/proc/devices", "md", "md-mod"),
        filesystems,
    })
}

/// Names in `/proc/filesystems`, which has a mark before those without a device, or in lists of drivers, which have
/// numbers there.
fn registered(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines()
        .filter_map(|line| line.split_whitespace().last())
        .map(str::to_owned)
}

/// Directory of the modules of the running kernel.
fn module_directory() -> Option<PathBuf> {
    let release = read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(Path::new("/lib/modules").join(release.trim()))
}

/// The kernel loads the module with the alias `fs-NAME` when NAME is mounted.
fn loadable(modules: &Path) -> BTreeSet<String> {
    let aliases = read_to_string(modules.join("modules.alias")).unwrap_or_default();
    let names = aliases
        .lines()
        .filter_map(|line| line.strip_prefix("alias fs-")?.split_whitespace().next());
    // A module without an alias of its own has the name of its format.
    let dependencies = read_to_string(modules.join("modules.dep")).unwrap_or_default();
    let files = dependencies.lines().filter_map(|line| {
        line.split(':')
            .next()?
            .rsplit('/')
            .next()?
            .split_once(".ko")
    });
    names
        .chain(files.map(|(name, _)| name))
        .map(str::to_owned)
        .collect()
}

/// True if a module is part of the kernel itself.
fn is_built_in(modules: &Path, name: &str) -> bool {
    let list = read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    list.lines()
        .any(|line| line.rsplit('/').next() == Some(&format!("{name}.ko")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_listed_by_name() {
        let misc: Vec<String> = registered("236 device-mapper\n234 btrfs-control\n").collect();
        assert_eq!(misc, ["device-mapper", "btrfs-control"]);
        let directory = tempfile::tempdir().expect("a directory");
        assert!(!is_built_in(directory.path(), "dm-mod"));
        std::fs::write(
            directory.path().join("modules.builtin"),
            "kernel/drivers/md/md-mod.ko\nkernel/drivers/md/dm-mod.ko\n",
        )
        .expect("written");
        assert!(is_built_in(directory.path(), "dm-mod"));
        assert!(!is_built_in(directory.path(), "dm-crypt"));
    }

    #[test]
    fn formats_are_registered_or_loadable() {
        let text = "nodev\tsysfs\n\text4\n\tbtrfs\n";
        let names: Vec<String> = registered(text).collect();
        assert_eq!(names, ["sysfs", "ext4", "btrfs"]);
        let directory = tempfile::tempdir().expect("a directory");
        assert!(loadable(directory.path()).is_empty());
        std::fs::write(
            directory.path().join("modules.alias"),
            "# Aliases\nalias fs-vfat vfat\nalias pci:v0 ahci\n",
        )
        .expect("written");
        std::fs::write(
            directory.path().join("modules.dep"),
            "kernel/fs/xfs/xfs.ko.zst: kernel/lib/libcrc32c.ko.zst\n",
        )
        .expect("written");
        let names = loadable(directory.path());
        assert!(names.contains("vfat") && names.contains("xfs") && !names.contains("ahci"));
    }
}
