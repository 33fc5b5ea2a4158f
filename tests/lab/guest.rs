//! The half of the lab that runs inside of its kernel: runs cases one by one.

use super::case::{Case, Failure, KernelRun, Line, Placeholders, RunMode, Verdict};
use super::shell::Runner;
use super::{check, power, reboot, servers, stacked, stages};
use kindling::host::devices::drop_caches;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

/// Directory for the disks and trees of a case, in memory.
pub const WORK: &str = "/tmp/lab";

/// Exit code of `kindling plan` if there are changes.
const CHANGES: i32 = 2;

/// Runs every case of `SHARE/cases.json` and writes verdicts to `SHARE/results.jsonl`.
pub fn main(share: &Path, kindling: &str) -> Result<(), String> {
    if let Some(boot) = power::PowerBoot::of(share) {
        return power::run_boot(share, kindling, boot);
    }
    let text =
        fs::read_to_string(share.join("cases.json")).map_err(|e| format!("read cases: {e}"))?;
    let cases: Vec<Case> = serde_json::from_str(&text).map_err(|e| format!("parse cases: {e}"))?;
    let mut results = File::options()
        .create(true)
        .append(true)
        .open(share.join("results.jsonl"))
        .map_err(|e| format!("open results: {e}"))?;
    for case in &cases {
        write_line(&mut results, &Line::Started(case.name.clone()))?;
        let start = Instant::now();
        let failure = run(case, kindling).err();
        let millis = start.elapsed().as_millis() as u64;
        write_line(
            &mut results,
            &Line::Ended(Verdict {
                case: case.name.clone(),
                failure,
                millis,
            }),
        )?;
    }
    Ok(())
}

fn write_line(results: &mut File, line: &Line) -> Result<(), String> {
    let text = serde_json::to_string(line).map_err(|e| e.to_string())?;
    writeln!(results, "{text}").map_err(|e| format!("write results: {e}"))
}

/// Runs one case, from attaching disks to cleaning up. Leftovers are a failure too: they would affect the next case.
fn run(case: &Case, kindling: &str) -> Result<(), Failure> {
    let placeholders = Placeholders {
        dir: WORK.into(),
        target: format!("{WORK}/target"),
        ..Placeholders::default()
    };
    let mut runner = Runner::new(placeholders);
    runner.environment = case.environment.clone();
    let outcome = attach(&mut runner, case).and_then(|()| match &case.kernel_run {
        KernelRun::Second(_) => {
            let lines = reboot::lines(&runner, case);
            runner.must_shell("after reboot", &lines)
        }
        KernelRun::Only | KernelRun::First(_) => steps(&mut runner, case, kindling),
    });
    let cleaned = clean(&mut runner, &case.after);
    outcome.and(cleaned)
}

fn attach(runner: &mut Runner, case: &Case) -> Result<(), Failure> {
    fs::create_dir_all(format!("{WORK}/target"))
        .map_err(|e| runner.failure("set up", &e.to_string()))?;
    for disk in &case.disks {
        let file = reboot::disk_file(case, &disk.name);
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .and_then(|f| f.set_len(disk.mib << 20))
            .map_err(|e| runner.failure("set up", &format!("create {file}: {e}")))?;
        let sector = disk.sector.to_string();
        let arguments = [
            "--find",
            "--show",
            "--partscan",
            "--sector-size",
            &sector,
            &file,
        ];
        let device = runner
            .must("attach disks", "losetup", &arguments)?
            .stdout
            .trim()
            .to_string();
        runner
            .placeholders
            .devices
            .insert(disk.name.clone(), device);
    }
    if !case.hidden_programs.is_empty() {
        runner.path =
            path_without(&case.hidden_programs).map_err(|e| runner.failure("set up", &e))?;
    }
    Ok(())
}

/// Creates a directory with links to every program except the hidden ones.
fn path_without(hidden: &[String]) -> Result<String, String> {
    let dir = format!("{WORK}/bin");
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    for source in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"] {
        for entry in fs::read_dir(source).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let link = format!("{dir}/{name}");
            if !hidden.contains(&name) && !Path::new(&link).exists() {
                symlink(entry.path(), &link).map_err(|e| format!("{link}: {e}"))?;
            }
        }
    }
    Ok(dir)
}

fn steps(runner: &mut Runner, case: &Case, kindling: &str) -> Result<(), Failure> {
    let visible = std::mem::replace(&mut runner.path, std::env::var("PATH").unwrap_or_default());
    runner.must_shell("before", &case.before)?;
    runner.placeholders.read_words();
    runner.run("udevadm", &["settle"]);
    runner.path = visible;
    let config = format!("{WORK}/config.ign");
    fs::write(&config, runner.placeholders.fill(&case.config))
        .map_err(|e| runner.failure("set up", &e.to_string()))?;

    if case.run != RunMode::Apply {
        return stages::steps(runner, case, kindling);
    }
    let expect = &case.expect;
    let untouched = fingerprints(runner)?;
    let target = runner.placeholders.target.clone();
    let more: Vec<String> = case
        .arguments
        .iter()
        .map(|a| runner.placeholders.fill(a))
        .collect();
    let arguments = |verb: &'static str| -> Vec<&str> {
        let mut all = vec![verb, "--target", &target];
        all.extend(more.iter().map(String::as_str));
        all.push(&config);
        all
    };

    let plan = runner.run(kindling, &arguments("plan"));
    let planned = expect.plan.unwrap_or(if matches!(expect.exit, 0 | 5) {
        CHANGES
    } else {
        expect.exit
    });
    check::command(
        runner,
        "plan",
        &plan,
        planned,
        &expect.plan_says,
        &expect.never,
    )?;
    check::unchanged(
        runner,
        "plan changes nothing",
        &untouched,
        &fingerprints(runner)?,
    )?;

    let apply = runner.run(kindling, &arguments("apply"));
    check::command(
        runner,
        "apply",
        &apply,
        expect.exit,
        &expect.says,
        &expect.never,
    )?;
    runner.run("udevadm", &["settle"]);
    check::no_mounts_below(runner, &target, &case.before)?;
    let applied = fingerprints(runner)?;
    let unchanged = |prints: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        prints
            .iter()
            .filter(|(disk, _)| expect.unchanged.contains(disk))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    check::unchanged(
        runner,
        "disks that stay as they are",
        &unchanged(&untouched),
        &unchanged(&applied),
    )?;

    check::state(runner, expect)?;
    if expect.exit == 0 && expect.again {
        let before = fingerprints(runner)?;
        let plan = runner.run(kindling, &arguments("plan"));
        check::command(
            runner,
            "plan again",
            &plan,
            0,
            &["othing to do".into()],
            &expect.never,
        )?;
        let apply = runner.run(kindling, &arguments("apply"));
        check::command(runner, "apply again", &apply, 0, &[], &expect.never)?;
        check::unchanged(
            runner,
            "apply again changes nothing",
            &before,
            &fingerprints(runner)?,
        )?;
        check::state(runner, expect)?;
    }
    Ok(())
}

/// Digests of the first and last MiB of each disk: both copies of the table and what is next to them.
pub fn fingerprints(runner: &Runner) -> Result<BTreeMap<String, String>, Failure> {
    runner
        .placeholders
        .devices
        .iter()
        .map(|(name, device)| {
            let print = fingerprint(device)
                .map_err(|e| runner.failure("fingerprint", &format!("{device}: {e}")))?;
            Ok((name.clone(), print))
        })
        .collect()
}

fn fingerprint(device: &str) -> std::io::Result<String> {
    let mut file = File::open(device)?;
    // Data written through a mapping on the disk is not in the cache of the disk itself.
    file.sync_all()?;
    drop_caches(&file)?;
    let size = file.seek(SeekFrom::End(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for at in [0, size.saturating_sub(1 << 20)] {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut buffer)?;
        hash.update(&buffer);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Unmounts, detaches and removes everything of the case.
fn clean(runner: &mut Runner, after: &[String]) -> Result<(), Failure> {
    runner.path = std::env::var("PATH").unwrap_or_default();
    for point in check::mounts_below(WORK).into_iter().rev() {
        runner.run("umount", &[&point]);
    }
    for line in after {
        let line = runner.placeholders.fill(line);
        runner.run("bash", &["-c", &line]);
    }
    servers::stop(runner);
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    for swap in swaps.lines().skip(1) {
        let device = swap.split_whitespace().next().unwrap_or_default();
        runner.run("swapoff", &[device]);
    }
    let stacked = stacked::take_down(runner);
    if !stacked.is_empty() {
        let text = format!(
            "devices on top of the disks are left: {}",
            stacked.join(", ")
        );
        return Err(runner.failure("clean up", &text));
    }
    let devices: Vec<String> = runner.placeholders.devices.values().cloned().collect();
    for device in &devices {
        runner.run("losetup", &["--detach", device]);
    }
    runner.run("udevadm", &["settle"]);
    let left = runner
        .run(
            "losetup",
            &["--list", "--noheadings", "--output", "NAME,BACK-FILE"],
        )
        .stdout;
    if !left.trim().is_empty() {
        return Err(runner.failure("clean up", &format!("loop devices are left:\n{left}")));
    }
    fs::remove_dir_all(WORK).map_err(|e| runner.failure("clean up", &format!("remove {WORK}: {e}")))
}
