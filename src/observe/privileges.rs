//! Determines what the kernel allows this process to do.

use crate::facts::privileges::{Ids, MountObstacle, Privileges};
use crate::host::loopdev::CONTROL;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Gid, faccessat, getgroups};
use std::fs::read_to_string;
use std::ops::RangeInclusive;
use std::path::Path;
use uzers::{get_effective_gid, get_effective_uid};

/// Numbers of capabilities, capabilities(7).
const CAP_CHOWN: u32 = 0;
const CAP_SYS_ADMIN: u32 = 21;
/// Directory by which the kernel gives access to open files.
pub(super) const OPEN_FILES: &str = "/proc/self/fd";

/// Determines the privileges of this process.
pub fn privileges() -> Privileges {
    let capabilities = Capabilities::read();
    let users = ranges("/proc/self/uid_map");
    let groups = ranges("/proc/self/gid_map");
    let own_groups = || {
        let groups = getgroups().unwrap_or_default();
        // New nodes get the first one.
        let all = [get_effective_gid()].into_iter();
        all.chain(groups.into_iter().map(Gid::as_raw)).collect()
    };
    Privileges {
        mount_obstacle: mount_obstacle(&capabilities, users.as_deref()),
        loop_obstacle: loop_obstacle(),
        users: match capabilities.has(CAP_CHOWN) {
            true => mapped(users),
            false => Ids::Own(vec![get_effective_uid()]),
        },
        groups: match capabilities.has(CAP_CHOWN) {
            true => mapped(groups),
            false => Ids::Own(own_groups()),
        },
    }
}

fn mount_obstacle(
    capabilities: &Capabilities,
    users: Option<&[RangeInclusive<u32>]>,
) -> Option<MountObstacle> {
    if !capabilities.has(CAP_SYS_ADMIN) {
        return Some(MountObstacle::Capability);
    }
    if !Path::new(OPEN_FILES).is_dir() {
        return Some(MountObstacle::NoProc);
    }
    users
        .is_some_and(|ranges| !is_initial(ranges))
        .then_some(MountObstacle::UserNamespace)
}

/// Checks whether the device that creates loop devices can be opened. Opening it would load the module.
fn loop_obstacle() -> Option<String> {
    let wanted = AccessFlags::R_OK | AccessFlags::W_OK;
    let access = faccessat(AT_FDCWD, CONTROL, wanted, AtFlags::AT_EACCESS);
    let error = access.err()?;
    Some(format!("{CONTROL}: {}", error.desc().to_lowercase()))
}

/// The initial user namespace has every id; one that is created later usually maps only some of them.
fn is_initial(ranges: &[RangeInclusive<u32>]) -> bool {
    ranges
        .iter()
        .any(|range| range.contains(&0) && range.contains(&(u32::MAX - 1)))
}

fn mapped(ranges: Option<Vec<RangeInclusive<u32>>>) -> Ids {
    match ranges {
        Some(ranges) if !is_initial(&ranges) => Ids::Mapped(ranges),
        _ => Ids::All,
    }
}

/// The ids inside the namespace of a map; `None` without `/proc`.
fn ranges(path: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let text = read_to_string(path).ok()?;
    Some(text.lines().filter_map(range).collect())
}

/// `0 1000 65536`: first id inside, first id outside, count.
fn range(line: &str) -> Option<RangeInclusive<u32>> {
    let mut fields = line.split_whitespace();
    let first: u32 = fields.next()?.parse().ok()?;
    let count: u32 = fields.nth(1)?.parse().ok()?;
    Some(first..=first.checked_add(count.checked_sub(1)?)?)
}

/// The effective capabilities of this process; `None` without `/proc`.
struct Capabilities(Option<u64>);

impl Capabilities {
    fn read() -> Self {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        Self(line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()))
    }

    /// Without `/proc`, root is assumed to have it.
    fn has(&self, capability: u32) -> bool {
        self.0
            .map_or(get_effective_uid() == 0, |set| set >> capability & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_map_lines_are_parsed() {
        assert_eq!(range("         0       1000          1"), Some(0..=0));
        assert_eq!(range("0 0 4294967295"), Some(0..=4_294_967_294));
        for line in ["", "0 0", "0 0 0", "x 0 1", "4294967295 0 2"] {
            assert_eq!(range(line), None, "{line:?}");
        }
    }

    #[test]
    fn only_the_initial_namespace_has_every_id() {
        assert!(is_initial(&[0..=4_294_967_294]));
        assert!(!is_initial(&[0..=0, 1..=65_536]));
        assert_eq!(mapped(None), Ids::All);
        assert!(!mapped(Some(vec![0..=0])).contains(1000));
    }
}
