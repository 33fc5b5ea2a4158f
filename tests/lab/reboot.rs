//! Cases with a second kernel: what the first one wrote must be found again by the next boot.

use super::case::{Case, Life, Verdict};
use super::guest::WORK;
use super::host;
use super::shell::Runner;
use std::path::Path;

/// Where the kernel sees the host's file tree.
const HOST: &str = "/run/host";

/// The file behind a disk: in the kernel's memory, or on the host where it outlives the kernel.
pub fn disk_file(case: &Case, disk: &str) -> String {
    match &case.life {
        Life::Only => format!("{WORK}/{disk}.img"),
        Life::First(dir) | Life::Second(dir) => format!("{HOST}{dir}/{disk}.img"),
    }
}

/// What the second kernel does.
pub fn lines(runner: &Runner, case: &Case) -> Vec<String> {
    case.after_reboot
        .iter()
        .map(|line| runner.place.fill(line))
        .collect()
}

/// Runs a case in one kernel, and on the same disks in another.
pub fn run(case: &Case) -> Result<Verdict, String> {
    let memory = Path::new("/dev/shm");
    let disks = tempfile::Builder::new()
        .prefix("kindling-lab-disks-")
        .tempdir_in(if memory.is_dir() {
            memory.to_path_buf()
        } else {
            std::env::temp_dir()
        })
        .map_err(|e| format!("create a directory for disks: {e}"))?;
    let dir = disks.path().display().to_string();
    let first = live(case, Life::First(dir.clone()))?;
    if first.failure.is_some() {
        return Ok(first);
    }
    let second = live(case, Life::Second(dir))?;
    Ok(Verdict {
        millis: first.millis + second.millis,
        ..second
    })
}

fn live(case: &Case, life: Life) -> Result<Verdict, String> {
    let case = Case {
        life,
        ..case.clone()
    };
    let mut found = None;
    host::run_once(&[&case], &mut |verdict| found = Some(verdict))?;
    found.ok_or_else(|| format!("no verdict about {}", case.name))
}
