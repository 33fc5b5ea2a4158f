//! Inside the kernel: the stages of a boot, and in the second life a look at everything.

use super::super::case::{Failure, Place};
use super::super::guest::WORK;
use super::super::shell::Runner;
use super::super::stages::{FILE, STAGES, stage_of};
use super::config;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// File that says: the disks stage starts.
pub const STARTED: &str = "started";
/// File that says: everything is over, `0` or why not.
pub const ENDED: &str = "ended";

/// Which boot this is.
#[derive(Debug, Clone, Copy)]
pub enum Life {
    /// The one that is cut.
    Cut,
    /// The one after it.
    Again,
}

impl Life {
    /// As files are named.
    pub fn name(self) -> &'static str {
        match self {
            Life::Cut => "cut",
            Life::Again => "again",
        }
    }
    /// The one this kernel was started for, if any.
    pub fn of(share: &Path) -> Option<Self> {
        [Life::Cut, Life::Again]
            .into_iter()
            .find(|life| share.join(life.name()).exists())
    }
}

/// Runs the boot and tells the host how it ended.
pub fn live(share: &Path, kindling: &str, life: Life) -> Result<(), String> {
    let mut runner = Runner::new(Place {
        dir: WORK.into(),
        target: format!("{WORK}/target"),
        ..Place::default()
    });
    let outcome = boot(&mut runner, share, kindling).and_then(|()| match life {
        Life::Cut => unmount(&mut runner),
        Life::Again => look(&mut runner),
    });
    let scene = runner.failure("", "").scene;
    tell(share, "log", &scene)?;
    let said = match outcome {
        Ok(()) => "0".to_owned(),
        Err(failure) => format!("{}: {}", failure.step, failure.reason),
    };
    tell(share, ENDED, &said)
}

/// Whole or not at all, since the host looks at any time.
fn tell(share: &Path, name: &str, text: &str) -> Result<(), String> {
    let part = share.join(format!("{name}.part"));
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, share.join(name)))
        .map_err(|e| format!("{name}: {e}"))
}

fn boot(runner: &mut Runner, share: &Path, kindling: &str) -> Result<(), Failure> {
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
            tell(share, STARTED, "").map_err(|e| runner.failure("set up", &e))?;
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

fn look(runner: &mut Runner) -> Result<(), Failure> {
    lines(runner, "while mounted", config::MOUNTED)?;
    unmount(runner)?;
    lines(runner, "once unmounted", config::UNMOUNTED)
}

fn lines(runner: &mut Runner, step: &str, lines: &[&str]) -> Result<(), Failure> {
    let target = runner.place.target.clone();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("T={target}; {line}"))
        .collect();
    runner.must_shell(step, &lines)
}
