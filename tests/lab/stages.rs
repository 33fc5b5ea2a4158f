//! Runs cases as a boot does: the program is called `ignition`, stage by stage, with the config in the working
//! directory or on a drive.

use super::case::{Case, Failure, RunMode};
use super::check;
use super::guest::{WORK, fingerprints};
use super::shell::{CommandResult, Runner};
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The platform whose config is a file in the working directory.
pub const FILE: &str = "file";

/// The stages before the switch to the real root, in order.
pub const STAGES: [&str; 6] = ["fetch-offline", "fetch", "kargs", "disks", "mount", "files"];

/// Runs all stages, checks the result, and repeats that: an interrupted boot starts over.
pub fn steps(runner: &mut Runner, case: &Case, kindling: &str) -> Result<(), Failure> {
    let program = format!("{WORK}/ignition");
    symlink(kindling, &program).map_err(|e| runner.failure("set up", &e.to_string()))?;
    let expect = &case.expect;
    let untouched = fingerprints(runner)?;
    let log = boot(runner, case)?;
    runner.run("udevadm", &["settle"]);
    check::command(
        runner,
        "stages",
        &log,
        expect.exit,
        &expect.says,
        &expect.never,
    )?;
    let unchanged = |prints: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let kept = prints
            .iter()
            .filter(|(disk, _)| expect.unchanged.contains(disk));
        kept.map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let after = fingerprints(runner)?;
    check::unchanged(
        runner,
        "disks that stay as they are",
        &unchanged(&untouched),
        &unchanged(&after),
    )?;
    check::state(runner, expect)?;
    if expect.exit == 0 && expect.again && case.run == RunMode::Stages {
        let log = boot(runner, case)?;
        check::command(runner, "stages again", &log, 0, &[], &expect.never)?;
        runner.run("udevadm", &["settle"]);
        check::state(runner, expect)?;
    }
    Ok(())
}

/// Runs one boot, up to the first stage that fails, and umount at the end. Returns the combined output.
fn boot(runner: &mut Runner, case: &Case) -> Result<CommandResult, Failure> {
    let mut all = CommandResult {
        code: 0,
        stdout: String::new(),
        stderr: String::new(),
    };
    for stage in stages_of(case.run) {
        if case.run == RunMode::Fetch && stage == "fetch" && !needs_network() {
            continue;
        }
        let ran = stage_of(runner, stage, &case.platform);
        all.stdout.push_str(&ran.stdout);
        all.stderr.push_str(&ran.stderr);
        all.code = ran.code;
        if ran.code != 0 {
            break;
        }
        if stage == "disks" {
            runner.must_shell("after disks", &case.after_disks)?;
        }
    }
    if case.run == RunMode::Stages && case.expect.exit == 0 && all.code == 0 {
        let ran = stage_of(runner, "umount", &case.platform);
        if ran.code != 0 {
            return Err(runner.failure("umount", &format!("exit code {}", ran.code)));
        }
        let target = runner.placeholders.target.clone();
        check::no_mounts_below(runner, &target, &[])?;
    }
    Ok(all)
}

fn stages_of(mode: RunMode) -> impl Iterator<Item = &'static str> {
    let wanted = move |stage: &&str| mode == RunMode::Stages || stage.starts_with("fetch");
    STAGES.into_iter().filter(wanted)
}

/// The condition of the unit of the stage `fetch`.
fn needs_network() -> bool {
    let exists = |name: &str| Path::new(WORK).join(name).exists();
    exists("neednet") && !exists("cache.json")
}

/// Runs one stage of a boot.
pub fn stage_of(runner: &mut Runner, stage: &str, platform: &str) -> CommandResult {
    let target = runner.placeholders.target.clone();
    let line = format!(
        "cd {WORK} && KINDLING_RUN_DIR={WORK}/run exec ./ignition -platform {platform} -stage {stage} -root {target} \
         -log-to-stdout -config-cache {WORK}/cache.json -neednet {WORK}/neednet -state-file {WORK}/state ''"
    );
    runner.run("bash", &["-c", &line])
}
