//! Inside the kernel: runs the stages of a boot, and in the second boot checks everything.

use super::super::case::{Failure, Placeholders};
use super::super::guest::WORK;
use super::super::shell::Runner;
use super::super::stages::{FILE, STAGES, stage_of};
use super::config;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// File that is created when the disks stage starts.
pub const STARTED: &str = "started";
/// File that is created at the end: `0`, or why the boot failed.
pub const ENDED: &str = "ended";

/// The boots of a power cut.
#[derive(Debug, Clone, Copy)]
pub enum PowerBoot {
    /// The one that is interrupted.
    Cut,
    /// The one after it.
    Rerun,
}

impl PowerBoot {
    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            PowerBoot::Cut => "cut",
            PowerBoot::Rerun => "again",
        }
    }
    /// The one that this kernel was started for, if any.
    pub fn of(share: &Path) -> Option<Self> {
        [PowerBoot::Cut, PowerBoot::Rerun]
            .into_iter()
            .find(|boot| share.join(boot.name()).exists())
    }
}

/// Runs the boot and reports its result to the host.
pub fn run_boot(share: &Path, kindling: &str, boot: PowerBoot) -> Result<(), String> {
    let mut runner = Runner::new(Placeholders {
        dir: WORK.into(),
        target: format!("{WORK}/target"),
        ..Placeholders::default()
    });
    let outcome = run_stages(&mut runner, share, kindling).and_then(|()| match boot {
        PowerBoot::Cut => unmount(&mut runner),
        PowerBoot::Rerun => check_everything(&mut runner),
    });
    let transcript = runner.failure("", "").transcript;
    write_file(share, "log", &transcript)?;
    let result = match outcome {
        Ok(()) => "0".to_owned(),
        Err(failure) => format!("{}: {}", failure.step, failure.reason),
    };
    write_file(share, ENDED, &result)
}

/// Writes a file atomically, since the host may read it at any time.
fn write_file(share: &Path, name: &str, text: &str) -> Result<(), String> {
    let part = share.join(format!("{name}.part"));
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, share.join(name)))
        .map_err(|e| format!("{name}: {e}"))
}

fn run_stages(runner: &mut Runner, share: &Path, kindling: &str) -> Result<(), Failure> {
    let set_up = |runner: &Runner, e: std::io::Error| runner.failure("set up", &e.to_string());
    fs::create_dir_all(format!("{WORK}/target")).map_err(|e| set_up(runner, e))?;
    symlink(kindling, format!("{WORK}/ignition")).map_err(|e| set_up(runner, e))?;
    fs::write(format!("{WORK}/config.ign"), config::text()).map_err(|e| set_up(runner, e))?;
    runner.run(
        "sh",
        &[
            "-c",
            "lsblk -o NAME,SIZE,FSTYPE,LABEL,PARTLABEL; cat /proc/mdstat",
        ],
    );
    for stage in STAGES {
        if stage == "disks" {
            write_file(share, STARTED, "").map_err(|e| runner.failure("set up", &e))?;
        }
        let ran = stage_of(runner, stage, FILE);
        if ran.code != 0 {
            return Err(runner.failure(stage, &format!("exit code {}", ran.code)));
        }
    }
    Ok(())
}

fn unmount(runner: &mut Runner) -> Result<(), Failure> {
    match stage_of(runner, "umount", FILE).code {
        0 => Ok(()),
        code => Err(runner.failure("umount", &format!("exit code {code}"))),
    }
}

fn check_everything(runner: &mut Runner) -> Result<(), Failure> {
    run_lines(runner, "while mounted", config::MOUNTED)?;
    unmount(runner)?;
    run_lines(runner, "once unmounted", config::UNMOUNTED)
}

fn run_lines(runner: &mut Runner, step: &str, lines: &[&str]) -> Result<(), Failure> {
    let target = runner.placeholders.target.clone();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("T={target}; {line}"))
        .collect();
    runner.must_shell(step, &lines)
}
