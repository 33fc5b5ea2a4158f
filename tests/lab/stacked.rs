//! Removes what a case has stacked on its disks: arrays, volume groups, encrypted volumes.

use super::shell::Runner;
use std::fs;
use std::path::Path;

/// Number of attempts: layers may be stacked, and udev may reassemble an array meanwhile.
const MAX_ROUNDS: usize = 8;

/// Removes every mapped device and stops every array of this kernel: all belong to the case, which began with none.
/// Returns the names of those that remain, which is a failure.
pub fn take_down(runner: &mut Runner) -> Vec<String> {
    for _ in 0..MAX_ROUNDS {
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

/// Kernel names, with upper layers first as far as their numbers reveal it.
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
    // The node of an array remains for a while after it was stopped.
    let array = fs::read_to_string(class.join("md/array_state"));
    class.join("dm").exists() || array.is_ok_and(|state| state.trim() != "clear")
}

fn mapped_name(device: &str) -> Option<String> {
    let name = fs::read_to_string(format!("/sys/block/{device}/dm/name")).ok()?;
    Some(name.trim().to_string())
}
