//! Cases with a second kernel: the next boot must find what the first one has written.

use super::case::{Case, KernelRun, Verdict};
use super::guest::WORK;
use super::host;
use super::shell::Runner;
use std::path::Path;

/// Where the host's file tree is mounted in the kernel.
const HOST: &str = "/run/host";

/// The backing file of a disk: in the kernel's memory, or on the host if it has to outlive the kernel.
pub fn disk_file(case: &Case, disk: &str) -> String {
    match &case.kernel_run {
        KernelRun::Only => format!("{WORK}/{disk}.img"),
        KernelRun::First(dir) | KernelRun::Second(dir) => format!("{HOST}{dir}/{disk}.img"),
    }
}

/// The shell lines for the second kernel.
pub fn lines(runner: &Runner, case: &Case) -> Vec<String> {
    case.after_reboot
        .iter()
        .map(|line| runner.placeholders.fill(line))
        .collect()
}

/// Runs a case in one kernel, and then in another one on the same disks.
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
    let first = run_kernel(case, KernelRun::First(dir.clone()))?;
    if first.failure.is_some() {
        return Ok(first);
    }
    let second = run_kernel(case, KernelRun::Second(dir))?;
    Ok(Verdict {
        millis: first.millis + second.millis,
        ..second
    })
}

fn run_kernel(case: &Case, kernel_run: KernelRun) -> Result<Verdict, String> {
    let case = Case {
        kernel_run,
        ..case.clone()
    };
    let mut found = None;
    host::run_once(&[&case], &mut |verdict| found = Some(verdict))?;
    found.ok_or_else(|| format!("no verdict about {}", case.name))
}
