//! Waiting for udev, where it runs: it makes the links below `/dev/disk/` that others look for.

use super::Command;
use std::path::Path;

/// Its control socket: without it there is nobody to wait for.
const CONTROL: &str = "/run/udev/control";

/// Lets udev look at a device anew and waits until it has.
///
/// # Errors
/// `udevadm` fails; it is quoted.
pub fn settle(node: &Path) -> anyhow::Result<()> {
    if !Path::new(CONTROL).exists() {
        return Ok(());
    }
    Command::new("udevadm")
        .args(["trigger", "--settle"])
        .arg(node.display().to_string())
        .run()
        .map(drop)
}
