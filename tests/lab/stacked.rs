//! Taking down what a case stacked on its disks: arrays, volume groups, encrypted volumes.

use super::shell::Runner;
use std::fs;
use std::path::Path;

/// Layers that may lie on each other, and udev may assemble an array again while we look away.
const ROUNDS: usize = 8;

/// Closes every mapped device and stops every array of this kernel: all are the case's, for it began with
/// none. The names of those that stay, which is a failure.
pub fn take_down(runner: &mut Runner) -> Vec<String> {
    for _ in 0..ROUNDS {
        let devices = devices();
        if devices.is_empty() {
            break;
        }
        for device in &devices {
            match mapped_name(device) {
                Some(name) => runner.run("dmsetup", &["remove", &name]),
                None => runner.run("mdadm", &["--stop", &format!("/dev/{device}")]),
            };
        }
        runner.run("udevadm", &["settle"]);
    }
    devices()
}

/// Kernel names, the upper layers first as far as numbers tell.
fn devices() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_stacked(name))
        .collect();
    names.sort();
    names.reverse();
    names
}

fn is_stacked(name: &str) -> bool {
    let class = Path::new("/sys/block").join(name);
    // The node of an array stays for a while after it was stopped.
    let array = fs::read_to_string(class.join("md/array_state"));
    class.join("dm").exists() || array.is_ok_and(|state| state.trim() != "clear")
}

fn mapped_name(device: &str) -> Option<String> {
    let name = fs::read_to_string(format!("/sys/block/{device}/dm/name")).ok()?;
    Some(name.trim().to_string())
}
