//! External programs this machine has.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Every program that some operation may run.
const PROGRAMS: &[&str] = &[
    "clevis",
    "clevis-luks-bind",
    "clevis-luks-unlock",
    "cryptsetup",
    "curl",
    "dmsetup",
    "ignition-kargs-helper",
    "jose",
    "mdadm",
    "mkfs.btrfs",
    "mkfs.ext4",
    "mkfs.fat",
    "mkfs.xfs",
    "mkswap",
    "setfiles",
    "systemctl",
    "tpm2_create",
    "zkey",
    "zkey-cryptsetup",
];

/// Programs of Clevis pins, of which there may be any.
const PINS: &str = "clevis-encrypt-";

/// Which of the programs are on PATH.
pub fn tools() -> BTreeSet<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    let runs = |program: &str| {
        directories
            .iter()
            .any(|directory| is_program(&directory.join(program)))
    };
    let fixed = PROGRAMS.iter().map(|program| (*program).to_string());
    fixed
        .chain(pins(&directories))
        .filter(|program| runs(program))
        .collect()
}

fn is_program(file: &Path) -> bool {
    let metadata = file.metadata();
    metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn pins(directories: &[PathBuf]) -> impl Iterator<Item = String> + '_ {
    let entries = directories
        .iter()
        .filter_map(|directory| directory.read_dir().ok());
    let names = entries
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(PINS))
}
