//! Checks the state after a run against what a case expects.

use super::case::{Expect, Failure, Node, NodeKind, Partition};
use super::shell::{CommandResult, Runner};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Checks the exit code and output of one run of kindling.
pub fn command(
    runner: &Runner,
    step: &str,
    ran: &CommandResult,
    code: i32,
    says: &[String],
    never: &[String],
) -> Result<(), Failure> {
    if ran.code != code {
        return Err(runner.failure(step, &format!("exit code {}, expected {code}", ran.code)));
    }
    let shown = ran.output();
    for text in says.iter().map(|text| runner.placeholders.fill(text)) {
        if !shown.contains(&text) {
            return Err(runner.failure(step, &format!("does not say {text:?}")));
        }
    }
    for text in never.iter().map(|text| runner.placeholders.fill(text)) {
        if shown.contains(&text) {
            return Err(runner.failure(step, &format!("says {text:?}, which it must not")));
        }
    }
    Ok(())
}

/// Checks that two sets of fingerprints are equal.
pub fn unchanged(
    runner: &Runner,
    step: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for (disk, print) in before {
        if after.get(disk) != Some(print) {
            return Err(runner.failure(
                step,
                &format!("disk {disk} changed in its first or last MiB"),
            ));
        }
    }
    Ok(())
}

/// Mount points at or below a path, in the order they were mounted.
pub fn mounts_below(path: &str) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let points = mounts
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    points
        .filter(|p| *p == path || p.starts_with(&format!("{path}/")))
        .map(|p| p.replace("\\040", " "))
        .collect()
}

/// Checks that nothing is left mounted below the target, unless the case itself mounts something there.
pub fn no_mounts_below(runner: &Runner, target: &str, before: &[String]) -> Result<(), Failure> {
    let is_own = before
        .iter()
        .any(|line| line.contains("@target@") && line.contains("mount "));
    let left = mounts_below(target);
    if is_own || left.is_empty() {
        return Ok(());
    }
    Err(runner.failure(
        "after apply",
        &format!("still mounted: {}", left.join(", ")),
    ))
}

/// Checks the tables, superblocks, trees and shell lines of an expectation.
pub fn state(runner: &mut Runner, expect: &Expect) -> Result<(), Failure> {
    for (disk, partitions) in &expect.table {
        table(runner, disk, partitions)?;
    }
    for (device, tags) in &expect.blkid {
        superblock(runner, device, tags)?;
    }
    let mounted = mount_all(runner, expect);
    let seen = mounted.and_then(|()| nodes(runner, &expect.node));
    let unmounted = unmount_all(runner, expect);
    seen.and(unmounted)?;
    runner.must_shell("shell", &expect.shell)
}

/// Checks the partition table with sfdisk and sgdisk, and the kernel's view of it.
fn table(runner: &mut Runner, disk: &str, expected: &[Partition]) -> Result<(), Failure> {
    let step = format!("partition table of {disk}");
    let device = runner.placeholders.fill(&format!("@{disk}@"));
    let json = runner.must(&step, "sfdisk", &["--json", &device])?.stdout;
    let read: serde_json::Value = serde_json::from_str(&json)
        .map_err(|e| runner.failure(&step, &format!("sfdisk --json: {e}")))?;
    let table = &read["partitiontable"];
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let found = table["partitions"].as_array().cloned().unwrap_or_default();
    let numbers: Vec<u32> = found.iter().map(|p| number_of(p, &device)).collect();
    let expected_numbers: Vec<u32> = expected.iter().map(|p| p.number).collect();
    if numbers != expected_numbers {
        return Err(runner.failure(
            &step,
            &format!("partitions {numbers:?}, expected {expected_numbers:?}"),
        ));
    }
    for (partition, found) in expected.iter().zip(&found) {
        if let Err(reason) = entry(partition, found, sector) {
            return Err(runner.failure(&step, &format!("partition {}: {reason}", partition.number)));
        }
        kernel_view(runner, &step, &device, partition.number, found, sector)?;
    }
    let verified = runner.run("sgdisk", &["--verify", &device]);
    if !verified.stdout.contains("No problems found") {
        return Err(runner.failure(&step, "sgdisk --verify finds problems"));
    }
    Ok(())
}

fn number_of(partition: &serde_json::Value, device: &str) -> u32 {
    let node = partition["node"].as_str().unwrap_or_default();
    node.trim_start_matches(device)
        .trim_start_matches('p')
        .parse()
        .unwrap_or(0)
}

fn entry(expected: &Partition, found: &serde_json::Value, sector: u64) -> Result<(), String> {
    let per_mib = (1 << 20) / sector;
    let start = expected
        .start_sector
        .or(expected.start.map(|mib| mib * per_mib));
    let size = expected.sectors.or(expected.size.map(|mib| mib * per_mib));
    equal("start", start, found["start"].as_u64())?;
    equal("size", size, found["size"].as_u64())?;
    let text = |key: &str| Some(found[key].as_str().unwrap_or_default().to_string());
    equal("label", expected.label.clone(), text("name"))?;
    equal("type", expected.kind.clone(), text("type"))?;
    equal("guid", expected.guid.clone(), text("uuid"))
}

fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: Option<T>,
    found: Option<T>,
) -> Result<(), String> {
    if expected.is_none() || expected == found {
        return Ok(());
    }
    Err(format!("{what} is {found:?}, expected {expected:?}"))
}

/// Checks start and size in `/sys`, which are always in units of 512 bytes.
fn kernel_view(
    runner: &Runner,
    step: &str,
    device: &str,
    number: u32,
    found: &serde_json::Value,
    sector: u64,
) -> Result<(), Failure> {
    let name = device.trim_start_matches("/dev/");
    for (file, key) in [("start", "start"), ("size", "size")] {
        let path = format!("/sys/class/block/{name}p{number}/{file}");
        let kernel = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        let expected = found[key].as_u64().map(|n| n * sector / 512);
        if kernel != expected {
            let reason = format!("the kernel has {kernel:?} in {path}, the table {expected:?}");
            return Err(runner.failure(step, &reason));
        }
    }
    Ok(())
}

/// Checks what blkid finds on a device, and the file system with its fsck.
fn superblock(
    runner: &mut Runner,
    device: &str,
    tags: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let step = format!("superblock of {device}");
    let node = runner.placeholders.fill(device);
    let shown = runner
        .run("blkid", &["--probe", "--output", "export", &node])
        .stdout;
    let found: BTreeMap<&str, &str> = shown
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    for (tag, value) in tags {
        let seen = found.get(tag.as_str()).copied().unwrap_or_default();
        if seen != value {
            return Err(runner.failure(&step, &format!("{tag} is {seen:?}, expected {value:?}")));
        }
    }
    let arguments: &[&str] = match tags.get("TYPE").map(String::as_str) {
        Some("ext4") => &["e2fsck", "-fn"],
        Some("xfs") => &["xfs_repair", "-n"],
        Some("btrfs") => &["btrfs", "check", "--readonly"],
        Some("vfat") => &["fsck.fat", "-n"],
        _ => return Ok(()),
    };
    let mut rest = arguments[1..].to_vec();
    rest.push(&node);
    runner
        .must(&format!("{step}, its checker"), arguments[0], &rest)
        .map(|_| ())
}

fn mount_all(runner: &mut Runner, expect: &Expect) -> Result<(), Failure> {
    for mount in &expect.mount {
        let device = runner.placeholders.fill(&mount.device);
        let point = join(&runner.placeholders.target, &mount.at);
        fs::create_dir_all(&point)
            .map_err(|e| runner.failure("mount", &format!("{point}: {e}")))?;
        runner.must("mount", "mount", &["-t", &mount.format, &device, &point])?;
    }
    Ok(())
}

fn unmount_all(runner: &mut Runner, expect: &Expect) -> Result<(), Failure> {
    for mount in expect.mount.iter().rev() {
        let point = join(&runner.placeholders.target, &mount.at);
        if mounts_below(&point).contains(&point) {
            runner.must("unmount", "umount", &[&point])?;
        }
    }
    Ok(())
}

fn join(root: &str, path: &str) -> String {
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        root.to_string()
    } else {
        format!("{root}/{path}")
    }
}

fn nodes(runner: &mut Runner, expected: &[Node]) -> Result<(), Failure> {
    for node in expected {
        if let Err(reason) = check_node(&runner.placeholders.target, node) {
            let target = runner.placeholders.target.clone();
            runner.run(
                "find",
                &[&target, "-xdev", "-printf", "%M %U:%G %8s %P -> %l\n"],
            );
            return Err(runner.failure(&format!("node {}", node.path), &reason));
        }
    }
    Ok(())
}

fn check_node(root: &str, expected: &Node) -> Result<(), String> {
    let path = join(root, &expected.path);
    let meta = match (fs::symlink_metadata(&path), expected.kind) {
        (Err(_), NodeKind::Absent) => return Ok(()),
        (Ok(_), NodeKind::Absent) => return Err("is there, must not".into()),
        (Err(error), _) => return Err(error.to_string()),
        (Ok(meta), _) => meta,
    };
    let kind = if meta.is_symlink() {
        NodeKind::Symlink
    } else if meta.is_dir() {
        NodeKind::Directory
    } else {
        NodeKind::File
    };
    equal("type", Some(expected.kind), Some(kind))?;
    equal(
        "mode",
        expected.mode.clone(),
        Some(format!("{:04o}", meta.mode() & 0o7777)),
    )?;
    equal(
        "owner",
        expected.owner.clone(),
        Some(format!("{}:{}", meta.uid(), meta.gid())),
    )?;
    if let Some(other) = &expected.same_as {
        let other = fs::symlink_metadata(join(root, other)).map_err(|e| format!("{other}: {e}"))?;
        equal(
            "inode",
            Some((other.dev(), other.ino())),
            Some((meta.dev(), meta.ino())),
        )?;
    }
    content(Path::new(&path), kind, expected)
}

fn content(path: &Path, kind: NodeKind, expected: &Node) -> Result<(), String> {
    if expected.text.is_none() && expected.contains.is_none() {
        return Ok(());
    }
    let text = match kind {
        NodeKind::Symlink => fs::read_link(path).map(|target| target.display().to_string()),
        _ => fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
    .map_err(|e| e.to_string())?;
    equal("text", expected.text.clone(), Some(text.clone()))?;
    match &expected.contains {
        Some(part) if !text.contains(part.as_str()) => {
            Err(format!("holds {text:?}, expected it to contain {part:?}"))
        }
        _ => Ok(()),
    }
}
