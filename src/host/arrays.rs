//! RAID arrays of the kernel, running or partly assembled, as `/sys/block` shows them.

use super::Command;
use anyhow::Context;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BLOCK: &str = "/sys/block";
/// Exists if the kernel supports arrays at all.
const PERSONALITIES: &str = "/proc/mdstat";

/// One array of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelArray {
    /// Its node, e.g. `/dev/md127`.
    pub node: PathBuf,
    /// Its data can be used; if false, it only occupies its members.
    pub is_running: bool,
    /// Nodes of its members.
    pub members: Vec<PathBuf>,
    /// Number of missing members of a running array.
    pub missing: u32,
}

/// Every array of the kernel.
///
/// # Errors
/// If sysfs cannot be read.
pub fn list() -> anyhow::Result<Vec<KernelArray>> {
    let act = || format!("cannot look for arrays in {BLOCK}");
    let entries = match fs::read_dir(BLOCK) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(act),
    };
    let mut arrays = Vec::new();
    for entry in entries {
        let entry = entry.with_context(act)?;
        // An array that was stopped disappears from here a moment later.
        let Ok(state) = fs::read_to_string(entry.path().join("md/array_state")) else {
            continue;
        };
        let members = members(&entry.path());
        let state = state.trim();
        if state != "clear" || !members.is_empty() {
            arrays.push(KernelArray {
                node: Path::new("/dev").join(entry.file_name()),
                is_running: !matches!(state, "clear" | "inactive"),
                members,
                missing: degraded(&entry.path()),
            });
        }
    }
    arrays.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(arrays)
}

fn members(array: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(array.join("slaves"));
    let mut members: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| Path::new("/dev").join(entry.file_name()))
        .collect();
    members.sort();
    members
}

/// Number of missing members; 0 for levels without redundancy, for which the kernel has no such file.
fn degraded(array: &Path) -> u32 {
    let text = fs::read_to_string(array.join("md/degraded"));
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

/// Stops an array; its data is kept.
///
/// # Errors
/// If it is in use; the message quotes mdadm.
pub fn stop(node: &Path) -> anyhow::Result<()> {
    Command::new("mdadm")
        .arg("--stop")
        .arg(node.display().to_string())
        .run()
        .map(drop)
}

/// Describes what the kernel lacks for arrays of a level; `None` if it lacks nothing.
pub fn missing_support(level: &str) -> Option<String> {
    let Ok(text) = fs::read_to_string(PERSONALITIES) else {
        return Some("the kernel has no RAID support; is the module md_mod there?".into());
    };
    let module = match level {
        "raid4" | "raid5" | "raid6" => "raid456",
        other => other,
    };
    let is_known = text.contains(&format!("[{level}]"));
    (!is_known).then(|| format!("the kernel cannot run {level}; is the module {module} there?"))
}
