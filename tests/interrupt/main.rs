//! Interrupted runs: after a kill at any moment a second run converges to the result of an undisturbed run, and leaves
//! no loop device and no mount.

#[path = "../common/mod.rs"]
mod common;
mod traced;
mod trees;

use common::image::{Loop, Mounted, extent, left_behind, table};
use common::run::{assert_exit, describe_output, kindling, must, require_root};
use common::tree::tree;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use traced::{Moment, Traced};

/// Moments of the kill, evenly spread over the system calls of an undisturbed run.
const MOMENTS: u64 = 50;
/// Variable for another number of moments, and the part of a run they are in, in thousandths: `400:950:1000`.
const MOMENTS_VARIABLE: &str = "KINDLING_TEST_MOMENTS";
/// Number of rounds in parallel.
const LANES: usize = 2;
/// Exit status of `apply` when it is interrupted.
const INTERRUPTED: i32 = 5;
/// Everything random is specified, so that two runs can be compared: GUIDs, labels, UUIDs. UUIDs begin with a number
/// that is unique for the round, because mkfs.btrfs rejects one that any block device of the machine has, even if that
/// is just being detached.
fn config(round: u32) -> String {
    let files: Vec<String> = (0..40)
        .map(|n| {
            let body = format!("file number {n} ").repeat(200).replace(' ', "%20");
            let root = if n % 2 == 0 { "/etc/app" } else { "/data/app" };
            format!(
                r#"{{"path": "{root}/{n}", "mode": {}, "contents": {{"source": "data:,{body}"}}}}"#,
                0o600 + n % 8
            )
        })
        .collect();
    let units: Vec<String> = (0..10)
        .map(|n| {
            format!(
                r#"{{"name": "u{n}.service", "enabled": true,
                "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
                "dropins": [{{"name": "10-n.conf", "contents": "[Service]\nNice={n}\n"}}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"ignition": {{"version": "3.4.0"}},
"passwd": {{"groups": [{{"name": "ops", "gid": 2000}}], "users": [
  {{"name": "core", "uid": 2001, "groups": ["ops"], "sshAuthorizedKeys": ["ssh-ed25519 AAAA core"]}},
  {{"name": "svc", "system": true, "noCreateHome": true}}]}},
"storage": {{
 "disks": [{{"device": "/dev/vda", "partitions": [
  {{"number": 1, "label": "root", "sizeMiB": 200, "guid": "00000000-1111-4222-8333-000000000001"}},
  {{"number": 2, "label": "data", "sizeMiB": 160, "guid": "00000000-1111-4222-8333-000000000002"}},
  {{"number": 3, "label": "swap", "sizeMiB": 32, "guid": "00000000-1111-4222-8333-000000000003"}}]}}],
 "filesystems": [
  {{"device": "/dev/disk/by-partlabel/root", "format": "ext4", "label": "root", "path": "/", "uuid": "{round:08x}-5555-4222-8333-000000000001"}},
  {{"device": "/dev/disk/by-partlabel/data", "format": "btrfs", "label": "data", "path": "/data", "uuid": "{round:08x}-5555-4222-8333-000000000002"}},
  {{"device": "/dev/disk/by-partlabel/swap", "format": "swap", "label": "swap", "uuid": "{round:08x}-5555-4222-8333-000000000003"}}],
 "directories": [{{"path": "/srv/shared", "mode": 504, "group": {{"name": "ops"}}}}],
 "links": [{{"path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC"}}, {{"path": "/etc/hard", "target": "/etc/app/0", "hard": true}}],
 "files": [{}]}},
"systemd": {{"units": [{}, {{"name": "masked.service", "mask": true}}]}}}}
"#,
        files.join(",\n"),
        units.join(",\n")
    )
}

/// One image with its config in a directory of its own.
struct Bench {
    directory: tempfile::TempDir,
    image: PathBuf,
    config: PathBuf,
    round: u32,
}

/// Counts rounds; the process makes their numbers differ from those of other test runs.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

impl Bench {
    fn new() -> Bench {
        let number = ROUNDS.fetch_add(1, Ordering::Relaxed);
        let round = std::process::id().wrapping_mul(1000).wrapping_add(number);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let image = directory.path().join("disk.img");
        let config_file = directory.path().join("config.ign");
        fs::write(&config_file, config(round)).expect("write the config");
        Bench {
            directory,
            image,
            config: config_file,
            round,
        }
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = kindling();
        let image = format!("/dev/vda={},size=512M", self.image.display());
        command.args([verb, "--image", &image]).arg(&self.config);
        // A run that is killed leaves the directory of its mount points there.
        command.env("TMPDIR", self.directory.path());
        command
    }

    fn run(&self, verb: &str) -> Output {
        self.command(verb).output().expect("run kindling")
    }

    /// Runs `apply`, and sends it a signal at the given moment.
    fn traced(&self, moment: Option<Moment>) -> Traced {
        traced::run(&mut self.command("apply"), moment)
    }

    /// The complete result of a run: table, superblocks, tree.
    fn result(&self) -> BTreeMap<String, String> {
        let table = table(&self.image);
        let mut found = BTreeMap::new();
        let partitions = table["partitions"].as_array().expect("partitions").len();
        let root = self.directory.path().join("mounted");
        fs::create_dir_all(&root).expect("a mount point");
        let mut loops = Vec::new();
        for n in 0..partitions {
            let mut entry = table["partitions"][n].clone();
            entry["node"] = (n + 1).into();
            found.insert(format!("partition {}", n + 1), entry.to_string());
            let (start, size) = extent(&table, n);
            let device = Loop::over(&self.image, start, size);
            let tags = must(
                "blkid",
                &[
                    "--probe",
                    "--output",
                    "export",
                    "--match-tag",
                    "TYPE",
                    "--match-tag",
                    "LABEL",
                    "--match-tag",
                    "UUID",
                    &device.0,
                ],
            );
            let tags: Vec<&str> = tags
                .lines()
                .filter(|line| !line.starts_with("DEVNAME"))
                .collect();
            let tags = tags
                .join(" ")
                .replace(&format!("{:08x}-", self.round), "ROUND-");
            found.insert(format!("superblock {}", n + 1), tags);
            loops.push(device);
        }
        let point = root.display().to_string();
        let data = format!("{point}/data");
        let _root = Mounted::new(&["-o", "ro", &loops[0].0, &point]);
        let _data = Mounted::new(&["-o", "ro", &loops[1].0, &data]);
        found.extend(
            tree(&root)
                .into_iter()
                .map(|(path, node)| (format!("/{path}"), node)),
        );
        found
    }
}

/// The result of an undisturbed run, and the number of its stops.
fn undisturbed() -> (BTreeMap<String, String>, u64) {
    let bench = Bench::new();
    let Traced { output, stops } = bench.traced(None);
    let output_text = describe_output(&output);
    assert_eq!(
        output.status.code(),
        Some(0),
        "an undisturbed run: {output_text}"
    );
    (bench.result(), stops)
}

/// Nodes that differ, in words.
fn differences(
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    keys.into_iter()
        .filter(|key| expected.get(*key) != found.get(*key))
        .map(|key| {
            format!(
                "{key}: expected {:?}, found {:?}",
                expected.get(key),
                found.get(key)
            )
        })
        .collect()
}

/// Checks that a second run after an interrupted one succeeds, converges and leaves nothing behind.
fn check_convergence(bench: &Bench, expected: &BTreeMap<String, String>) -> Result<(), String> {
    let output = bench.run("apply");
    if output.status.code() != Some(0) {
        return Err(format!("the second run: {}", describe_output(&output)));
    }
    let leftovers = left_behind(&bench.image, bench.directory.path());
    if !leftovers.is_empty() {
        return Err(format!("left behind: {}", leftovers.join("; ")));
    }
    let different = differences(expected, &bench.result());
    if !different.is_empty() {
        return Err(format!(
            "not the undisturbed result:\n{}",
            different.join("\n")
        ));
    }
    // What the comparison attached may be held for a moment by a run on the other lane.
    let leftovers = left_behind(&bench.image, bench.directory.path());
    if !leftovers.is_empty() {
        return Err(format!(
            "left behind by the comparison: {}",
            leftovers.join("; ")
        ));
    }
    let plan = bench.run("plan");
    if plan.status.code() != Some(0) {
        return Err(format!(
            "a plan after the second run: {}",
            describe_output(&plan)
        ));
    }
    Ok(())
}

/// How many moments there are, and the thousandths of a run that they are spread over.
fn moments() -> (u64, u64, u64) {
    let Ok(chosen) = std::env::var(MOMENTS_VARIABLE) else {
        return (MOMENTS, 0, 1000);
    };
    let numbers: Vec<u64> = chosen.split(':').flat_map(str::parse).collect();
    match numbers[..] {
        [moments, first, last] if moments > 0 && first < last && last <= 1000 => {
            (moments, first, last)
        }
        _ => panic!("{MOMENTS_VARIABLE}={chosen} is not MOMENTS:FIRST:LAST"),
    }
}

#[test]
fn a_run_killed_at_any_of_fifty_moments_converges() {
    require_root();
    let next = AtomicU64::new(0);
    let hits = AtomicU64::new(0);
    let (moments, first, last) = moments();
    let lane = || {
        let (expected, stops) = undisturbed();
        let mut failures = Vec::new();
        loop {
            let moment = next.fetch_add(1, Ordering::Relaxed);
            if moment >= moments {
                return failures;
            }
            let part = first * 2 * moments + (last - first) * (2 * moment + 1);
            let at = stops * part / (2 * moments * 1000);
            let bench = Bench::new();
            let killed = bench.traced(Some(Moment {
                stops: at,
                signal: Signal::SIGKILL,
            }));
            let hit = killed.output.status.code().is_none();
            hits.fetch_add(u64::from(hit), Ordering::Relaxed);
            if let Err(reason) = check_convergence(&bench, &expected) {
                failures.push(format!("killed at stop {at} of {stops}: {reason}"));
            }
        }
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        let ended = lanes.into_iter().map(|lane| lane.join().expect("a lane"));
        ended.flatten().collect()
    });
    let count = failures.len();
    let report = failures.join("\n\n");
    assert!(
        failures.is_empty(),
        "{count} of {moments} moments:\n{report}"
    );
    // Otherwise the moments were not spread over the run: no two runs have the same number of system calls.
    let hits = hits.into_inner();
    let expected = if (first, last) == (0, 1000) {
        moments * 9 / 10
    } else {
        1
    };
    assert!(
        hits >= expected,
        "only {hits} of {moments} moments hit a running apply"
    );
}

#[test]
fn sigint_and_sigterm_end_the_run_in_order_and_the_next_one_converges() {
    require_root();
    let (expected, stops) = undisturbed();
    for (signal, percent) in [
        (Signal::SIGINT, 20),
        (Signal::SIGTERM, 30),
        (Signal::SIGINT, 50),
        (Signal::SIGTERM, 10),
    ] {
        let bench = Bench::new();
        let at = stops * percent / 100;
        let output = bench.traced(Some(Moment { stops: at, signal })).output;
        let output_text = describe_output(&output);
        let place = format!("{signal} at stop {at} of {stops}");
        assert_eq!(
            output.status.code(),
            Some(INTERRUPTED),
            "{place}: {output_text}"
        );
        assert!(
            output_text.to_lowercase().contains("interrupt"),
            "{place}: does not say that it was interrupted: {output_text}"
        );
        let leftovers = left_behind(&bench.image, bench.directory.path());
        assert_eq!(leftovers, Vec::<String>::new(), "{place}: {output_text}");
        check_convergence(&bench, &expected)
            .unwrap_or_else(|reason| panic!("after {place}: {reason}"));
    }
}

#[test]
fn differences_name_what_is_missing_changed_and_new() {
    let map = |entries: &[(&str, &str)]| {
        entries
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect()
    };
    let expected: BTreeMap<String, String> = map(&[("/a", "1"), ("/b", "2"), ("/c", "3")]);
    let found: BTreeMap<String, String> = map(&[("/a", "1"), ("/b", "9"), ("/d", "4")]);
    let named: Vec<String> = differences(&expected, &found)
        .iter()
        .map(|d| d[..2].to_string())
        .collect();
    assert_eq!(named, ["/b", "/c", "/d"]);
}

/// The config of these tests is itself a valid one.
#[test]
fn the_config_is_valid() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file: &Path = &directory.path().join("config.ign");
    fs::write(file, config(0)).expect("write the config");
    let output = kindling()
        .arg("validate")
        .arg(file)
        .output()
        .expect("start kindling");
    assert_exit(&output, 0);
}
