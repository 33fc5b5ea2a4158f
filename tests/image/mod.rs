//! Shared by tests that work on images and trees with the shipped program: running it, and looking at what it left.
#![allow(dead_code, reason = "each test program uses a part")]

use kindling::host::loopdev::{LoopDevice, Part};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program under test, with a predictable environment.
pub fn kindling() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kindling"));
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Copies the program to a place where any user can run it. By a process of its own: a file that is open for writing
/// in a process that another thread forks cannot be run for a moment.
pub fn copy_program(to: &Path) {
    let program = env!("CARGO_BIN_EXE_kindling");
    must("cp", &[program, &to.display().to_string()]);
}

/// A finished run in words, for failures.
pub fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// These tests mount and use loop devices; without root they fail rather than pass unseen.
pub fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test mounts file systems and needs root; run `make test` as root"
    );
}

/// Runs a helper that must succeed; its standard output.
pub fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| {
            panic!("start {program}: {e}; `tests/needs.sh demo test` installs what tests need")
        });
    assert!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        told(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

thread_local! {
    static OWN_MOUNTS: () = {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private mounts");
    };
}

/// Gives the calling thread, and what it starts from then on, mounts that end with it, however it ends.
pub fn enter_own_mounts() {
    OWN_MOUNTS.with(|()| ());
}

/// A mount that ends with its scope, among the mounts of its thread.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts with the arguments of `mount`, the last being the mount point.
    pub fn new(arguments: &[&str]) -> Mounted {
        enter_own_mounts();
        must("mount", arguments);
        Mounted(PathBuf::from(arguments.last().expect("a mount point")))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A loop device that ends with its scope, or with the process.
pub struct Loop(pub String, LoopDevice);

impl Loop {
    /// A device over a part of an image, in bytes.
    pub fn over(image: &Path, start: u64, size: u64) -> Loop {
        let file = fs::File::options().read(true).write(true).open(image);
        let part = Part {
            offset: start,
            bytes: size,
            sector_bytes: 512,
        };
        let device = LoopDevice::attach(&file.expect("an image"), part, true);
        let device = device.expect("a loop device");
        Loop(device.path().display().to_string(), device)
    }
}

/// The partition table as sfdisk reads it.
pub fn table(image: &Path) -> serde_json::Value {
    let json = must("sfdisk", &["--json", &image.display().to_string()]);
    let mut table: serde_json::Value = serde_json::from_str(&json).expect("sfdisk writes JSON");
    table["partitiontable"].take()
}

/// Start and size in bytes of the n-th partition (from 0) of a table.
pub fn extent(table: &serde_json::Value, n: usize) -> (u64, u64) {
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let partition = &table["partitions"][n];
    let bytes = |key: &str| {
        partition[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no {key} in {table}"))
            * sector
    };
    (bytes("start"), bytes("size"))
}

/// Every node below a directory: type, mode, owner, and target or content. Times are left out.
pub fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|e| panic!("read {}: {e}", directory.display()))
        {
            let path = entry.expect("a directory entry").path();
            let meta = fs::symlink_metadata(&path).expect("lstat");
            let owner = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
            let content = if meta.is_symlink() {
                fs::read_link(&path)
                    .expect("readlink")
                    .display()
                    .to_string()
            } else if meta.is_dir() {
                todo.push(path.clone());
                String::new()
            } else {
                content(&path)
            };
            let relative = path
                .strip_prefix(root)
                .expect("below the root")
                .display()
                .to_string();
            found.insert(relative, format!("{owner} {content}"));
        }
    }
    found
}

/// Files up to this size are compared, and shown, as they are; larger ones by digest.
const SHOWN_BYTES: usize = 512;

/// Content of a file; the day of the last password change in shadow files counts as any day.
fn content(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    if path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().trim_end_matches('-') == "shadow")
    {
        let text = String::from_utf8_lossy(&bytes);
        return text.lines().map(without_day).collect::<Vec<_>>().join("\n");
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.len() <= SHOWN_BYTES => text,
        Ok(text) => digest(text.as_bytes()),
        Err(error) => digest(error.as_bytes()),
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn without_day(line: &str) -> String {
    let fields: Vec<&str> = line
        .split(':')
        .enumerate()
        .map(|(n, f)| if n == 2 { "DAY" } else { f })
        .collect();
    fields.join(":")
}

/// How long a loop device may outlive its last user: any tool that scans all block devices (mkfs.btrfs looks for its
/// UUID) keeps the ones it has open for a moment.
const LINGER: Duration = Duration::from_secs(60);

/// Loop devices over a file, and mounts below a directory: both must be none after a run.
pub fn left_behind(image: &Path, directory: &Path) -> Vec<String> {
    let start = Instant::now();
    loop {
        let left = attached_or_mounted(image, directory);
        if left.is_empty() || start.elapsed() > LINGER {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn attached_or_mounted(image: &Path, directory: &Path) -> Vec<String> {
    let backing = image.display().to_string();
    let loops = must(
        "losetup",
        &["--list", "--noheadings", "--output", "NAME,BACK-FILE"],
    );
    let mounts = fs::read_to_string("/proc/thread-self/mounts").expect("read mounts");
    let inside = directory.display().to_string();
    let loops = loops
        .lines()
        .filter(|line| line.contains(&backing))
        .map(|line| format!("loop device {line}"));
    let mounts = mounts
        .lines()
        .filter(|line| line.contains(&inside))
        .map(|line| format!("mount {line}"));
    loops.chain(mounts).collect()
}
