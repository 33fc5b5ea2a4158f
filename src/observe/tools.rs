//! External programs this machine has.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

/// Every program that some operation may run.
const PROGRAMS: &[&str] = &[
    "cryptsetup",
    "groupadd",
    "groupdel",
    "groupmod",
    "ignition-kargs-helper",
    "mdadm",
    "mkfs.btrfs",
    "mkfs.ext4",
    "mkfs.fat",
    "mkfs.xfs",
    "mkswap",
    "setfiles",
    "systemctl",
    "useradd",
    "userdel",
    "usermod",
];

/// Which of the programs are on PATH.
pub fn tools() -> BTreeSet<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    let runs = |program: &&&str| {
        directories.iter().any(|directory| {
            let file = directory.join(program);
            file.metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
    };
    PROGRAMS
        .iter()
        .filter(runs)
        .map(|program| (*program).to_string())
        .collect()
}
