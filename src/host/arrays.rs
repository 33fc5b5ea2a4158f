//! RAID arrays of the kernel, running or partly assembled, as sysfs shows them.

use super::Command;
use super::block::{self, BLOCK_DEVICES, BlockDevice};
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

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
    let devices =
        block::list().with_context(|| format!("cannot look for arrays in {BLOCK_DEVICES}"))?;
    let mut arrays: Vec<KernelArray> = devices.iter().filter_map(array).collect();
    arrays.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(arrays)
}

/// The array that a device is; `None` for other devices, and for an array without members and state.
fn array(device: &BlockDevice) -> Option<KernelArray> {
    // An array that was stopped disappears from here a moment later.
    let state = device.attribute("md/array_state")?;
    let members = device.slaves().unwrap_or_default();
    let mut members: Vec<PathBuf> = members.iter().map(BlockDevice::node).collect();
    members.sort();
    if state == "clear" && members.is_empty() {
        return None;
    }
    let missing = device.attribute("md/degraded");
    Some(KernelArray {
        node: device.node(),
        is_running: !matches!(&*state, "clear" | "inactive"),
        members,
        // Levels without redundancy have no such file.
        missing: missing
            .and_then(|number| number.parse().ok())
            .unwrap_or_default(),
    })
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
