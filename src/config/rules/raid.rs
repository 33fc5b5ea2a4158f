//! RAID arrays.

use super::Rules;
use crate::config::model::Raid;
use crate::config::path::Path;
use crate::config::version::Version;

/// Where mdadm looks for the device of a name that is given as a path; the innermost first.
const MD_DIRECTORIES: [&str; 2] = ["/dev/md/", "/dev/"];

pub(super) fn check(rules: &mut Rules, raid: &Raid, path: &Path<'_>) {
    check_name(rules, &raid.name, &path.member("name"));
    check_level(rules, raid, &path.member("level"));
    let devices = path.member("devices");
    if raid.devices.is_empty() {
        rules.error(&devices, "devices are required");
    }
    for (i, device) in raid.devices.iter().enumerate() {
        rules.check_path(&devices.index(i), device);
    }
}

/// Rejects names that mdadm rejects: without the directory of the device, a name must be a single path component. An
/// empty name is left to planning, since Ignition accepts a config with one as valid.
fn check_name(rules: &mut Rules, name: &str, path: &Path<'_>) {
    let in_directory = MD_DIRECTORIES.iter().find_map(|d| name.strip_prefix(d));
    let name = in_directory.unwrap_or(name);
    if name.contains('/') {
        rules.error(path, "an array name cannot hold slashes");
    } else if matches!(name, "." | "..") {
        rules.error(path, format!("{name:?} is not an array name"));
    }
}

fn check_level(rules: &mut Rules, raid: &Raid, path: &Path<'_>) {
    let spares = raid.spares.is_some_and(|n| n != 0);
    match raid.level.as_deref().unwrap_or_default() {
        "" if rules.version >= Version::V3_3 => rules.error(path, "RAID level is required"),
        "linear" | "raid0" | "0" | "stripe" if spares => {
            rules.error(
                path,
                "this RAID level has no redundancy, so it cannot have spares",
            );
        }
        "linear" | "raid0" | "0" | "stripe" | "raid1" | "1" | "mirror" | "raid4" | "4"
        | "raid5" | "5" | "raid6" | "6" | "raid10" | "10" => {}
        _ => {
            let help = "use linear, raid0, raid1, raid4, raid5, raid6 or raid10".into();
            rules.error_with_help(path, "unknown RAID level", help);
        }
    }
}
