//! Interrupted runs: after a kill at any moment a second run converges to what an undisturbed run makes, and leaves
//! no loop device and no mount.

mod image;

use image::{Loop, Mounted, extent, kindling, left_behind, must, require_root, table, told, tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Moments of the kill, evenly spread over the time of an undisturbed run.
const MOMENTS: usize = 50;
/// Rounds side by side.
const LANES: usize = 2;
/// What `apply` ends with when it is interrupted.
const INTERRUPTED: i32 = 5;
/// So many moments must hit a run that is still at work, or they were not spread over it.
const HITS: usize = MOMENTS * 3 / 5;

/// Everything random is given, so that two runs can be compared: GUIDs, labels, UUIDs. UUIDs begin with a number
/// of the round's own, because mkfs.btrfs refuses one that any block device of the machine has, be it about to go.
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

    fn start(&self, verb: &str) -> Child {
        kindling()
            .arg(verb)
            .arg("--image")
            .arg(format!("/dev/vda={},size=512M", self.image.display()))
            .arg(&self.config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start kindling")
    }

    fn run(&self, verb: &str) -> Output {
        self.start(verb)
            .wait_with_output()
            .expect("wait for kindling")
    }

    /// Starts `apply`, sends a signal after a while, returns how it ended.
    fn interrupt(&self, after: Duration, signal: Signal) -> Output {
        let child = self.start("apply");
        std::thread::sleep(after);
        // It may have ended already; then there is nobody to signal, which the caller sees in the status.
        let _ = kill(Pid::from_raw(child.id() as i32), signal);
        child.wait_with_output().expect("wait for kindling")
    }

    /// Everything a run leaves: table, superblocks, tree.
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

/// Undisturbed runs to take the time of: the first ones read programs from the disk and are slower.
const WARM_UPS: usize = 3;

/// An undisturbed run: what it leaves and how long it takes.
fn undisturbed() -> (BTreeMap<String, String>, Duration) {
    let mut runs = (0..WARM_UPS).map(|_| {
        let bench = Bench::new();
        let start = Instant::now();
        let output = bench.run("apply");
        let took = start.elapsed();
        assert_eq!(
            output.status.code(),
            Some(0),
            "an undisturbed run: {}",
            told(&output)
        );
        (bench.result(), took)
    });
    let (result, first) = runs.next().expect("at least one run");
    let shortest = runs.fold(first, |shortest, (_, took)| shortest.min(took));
    (result, shortest)
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

/// A second run after an interrupted one: succeeds, converges, leaves nothing.
fn converges(bench: &Bench, expected: &BTreeMap<String, String>) -> Result<(), String> {
    let output = bench.run("apply");
    if output.status.code() != Some(0) {
        return Err(format!("the second run: {}", told(&output)));
    }
    let left = left_behind(&bench.image, bench.directory.path());
    if !left.is_empty() {
        return Err(format!("left behind: {}", left.join("; ")));
    }
    let different = differences(expected, &bench.result());
    if !different.is_empty() {
        return Err(format!(
            "not the undisturbed result:\n{}",
            different.join("\n")
        ));
    }
    let plan = bench.run("plan");
    if plan.status.code() != Some(0) {
        return Err(format!("a plan after the second run: {}", told(&plan)));
    }
    Ok(())
}

#[test]
fn a_run_killed_at_any_of_fifty_moments_converges() {
    require_root();
    let next = AtomicUsize::new(0);
    let hits = AtomicUsize::new(0);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let (next, hits) = (&next, &hits);
        let lanes: Vec<_> = (0..LANES)
            .map(|_| {
                scope.spawn(move || {
                    // Measured in each lane at once, so that the time is that of a busy machine, as in the rounds.
                    let (expected, took) = undisturbed();
                    let mut failures = Vec::new();
                    loop {
                        let moment = next.fetch_add(1, Ordering::Relaxed);
                        if moment >= MOMENTS {
                            return failures;
                        }
                        let after = took.mul_f64((moment as f64 + 0.5) / MOMENTS as f64);
                        let bench = Bench::new();
                        let killed = bench.interrupt(after, Signal::SIGKILL);
                        hits.fetch_add(
                            usize::from(killed.status.code().is_none()),
                            Ordering::Relaxed,
                        );
                        if let Err(reason) = converges(&bench, &expected) {
                            failures.push(format!(
                                "killed at moment {moment}, after {after:?} of {took:?}: {reason}"
                            ));
                        }
                    }
                })
            })
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().expect("a lane"))
            .collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {MOMENTS} moments:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    let hits = hits.into_inner();
    assert!(
        hits >= HITS,
        "only {hits} of {MOMENTS} moments hit a running apply"
    );
}

#[test]
fn sigint_and_sigterm_end_the_run_in_order_and_the_next_one_converges() {
    require_root();
    let (expected, took) = undisturbed();
    for (signal, part) in [
        (Signal::SIGINT, 0.2),
        (Signal::SIGTERM, 0.3),
        (Signal::SIGINT, 0.5),
        (Signal::SIGTERM, 0.1),
    ] {
        let bench = Bench::new();
        let output = bench.interrupt(took.mul_f64(part), signal);
        let told = told(&output);
        assert_eq!(
            output.status.code(),
            Some(INTERRUPTED),
            "{signal} at {part} of the run: {told}"
        );
        assert!(
            told.to_lowercase().contains("interrupt"),
            "{signal}: does not say that it was interrupted: {told}"
        );
        assert_eq!(
            left_behind(&bench.image, bench.directory.path()),
            Vec::<String>::new(),
            "{signal}: {told}"
        );
        converges(&bench, &expected)
            .unwrap_or_else(|reason| panic!("after {signal} at {part}: {reason}"));
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
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}
