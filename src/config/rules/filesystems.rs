//! File systems.

use super::{Rules, given};
use crate::config::model::Filesystem;
use crate::config::path::Path;
use crate::config::version::Version;

/// Bytes a virtiofs tag may have.
const TAG_MAX_BYTES: usize = 36;

pub(super) fn check(rules: &mut Rules, filesystem: &Filesystem, path: &Path<'_>) {
    if let Some(mount_point) = given(&filesystem.path) {
        rules.path(&path.member("path"), mount_point);
    }
    let is_virtiofs =
        filesystem.format.as_deref() == Some("virtiofs") && knows_virtiofs(rules.version);
    if is_virtiofs {
        check_tag(rules, &filesystem.device, &path.member("device"));
    } else {
        rules.path(&path.member("device"), &filesystem.device);
    }
    check_format(rules, filesystem, &path.member("format"));
    check_label(rules, filesystem, is_virtiofs, &path.member("label"));
    if is_virtiofs {
        refuse_block_device_members(rules, filesystem, path);
    }
}

fn knows_virtiofs(version: Version) -> bool {
    version >= Version::V3_7Experimental
}

fn check_tag(rules: &mut Rules, tag: &str, path: &Path<'_>) {
    if tag.is_empty() {
        rules.error(path, "virtiofs tag not specified");
    } else if tag.len() > TAG_MAX_BYTES {
        rules.error(
            path,
            format!("virtiofs tag has more than {TAG_MAX_BYTES} bytes"),
        );
    }
}

fn check_format(rules: &mut Rules, filesystem: &Filesystem, path: &Path<'_>) {
    let Some(format) = given(&filesystem.format) else {
        let described = [&filesystem.path, &filesystem.label, &filesystem.uuid];
        let needs_format = described.iter().any(|text| given(text).is_some())
            || filesystem.wipe_filesystem == Some(true)
            || !filesystem.options.is_empty()
            || !filesystem.mount_options.is_empty();
        if needs_format {
            rules.error(path, "format is required when anything else is given");
        }
        return;
    };
    let known = match format {
        "ext4" | "btrfs" | "xfs" | "vfat" | "swap" => true,
        "none" => rules.version >= Version::V3_3,
        "virtiofs" => knows_virtiofs(rules.version),
        _ => false,
    };
    if !known {
        let help = formats(rules.version).into();
        rules.error_with_help(path, "unknown file system format", help);
    }
}

fn formats(version: Version) -> &'static str {
    match version {
        v if knows_virtiofs(v) => "use ext4, btrfs, xfs, vfat, swap, none or virtiofs",
        v if v >= Version::V3_3 => "use ext4, btrfs, xfs, vfat, swap or none",
        _ => "use ext4, btrfs, xfs, vfat or swap",
    }
}

fn check_label(rules: &mut Rules, filesystem: &Filesystem, is_virtiofs: bool, path: &Path<'_>) {
    let Some(label) = given(&filesystem.label) else {
        return;
    };
    let limit_bytes = match given(&filesystem.format) {
        None => return rules.error(path, "a label needs a format"),
        Some("ext4") => 16,
        Some("btrfs") => 256,
        Some("xfs") => 12,
        Some("swap") => 15,
        Some("vfat") => 11,
        Some(_) if is_virtiofs => return rules.error(path, "virtiofs has no labels"),
        Some(_) => return,
    };
    if label.len() > limit_bytes {
        rules.error(
            path,
            format!("label has more than the {limit_bytes} bytes of this format"),
        );
    }
}

fn refuse_block_device_members(rules: &mut Rules, filesystem: &Filesystem, path: &Path<'_>) {
    let given = [
        ("uuid", given(&filesystem.uuid).is_some()),
        ("wipeFilesystem", filesystem.wipe_filesystem == Some(true)),
        ("options", !filesystem.options.is_empty()),
    ];
    for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
        rules.error(
            &path.member(name),
            "only for file systems on block devices, not for virtiofs",
        );
    }
}
