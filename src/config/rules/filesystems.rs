//! File systems.

use super::{Rules, non_empty};
use crate::config::model::Filesystem;
use crate::config::path::Path;
use crate::config::version::Version;

/// Maximum length of a virtiofs tag in bytes.
const MAX_TAG_BYTES: usize = 36;

pub(super) fn check(rules: &mut Rules, filesystem: &Filesystem, path: &Path<'_>) {
    if let Some(mount_point) = non_empty(&filesystem.path) {
        rules.check_path(&path.member("path"), mount_point);
    }
    let is_virtiofs =
        filesystem.format.as_deref() == Some("virtiofs") && supports_virtiofs(rules.version);
    if is_virtiofs {
        check_tag(rules, &filesystem.device, &path.member("device"));
    } else {
        rules.check_path(&path.member("device"), &filesystem.device);
    }
    check_format(rules, filesystem, &path.member("format"));
    check_label(rules, filesystem, is_virtiofs, &path.member("label"));
    if is_virtiofs {
        reject_block_device_members(rules, filesystem, path);
    }
}

fn supports_virtiofs(version: Version) -> bool {
    version >= Version::V3_7Experimental
}

fn check_tag(rules: &mut Rules, tag: &str, path: &Path<'_>) {
    if tag.is_empty() {
        rules.error(path, "virtiofs tag not specified");
    } else if tag.len() > MAX_TAG_BYTES {
        rules.error(
            path,
            format!("virtiofs tag has more than {MAX_TAG_BYTES} bytes"),
        );
    }
}

fn check_format(rules: &mut Rules, filesystem: &Filesystem, path: &Path<'_>) {
    let Some(format) = non_empty(&filesystem.format) else {
        let texts = [&filesystem.path, &filesystem.label, &filesystem.uuid];
        let needs_format = texts.iter().any(|text| non_empty(text).is_some())
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
        "virtiofs" => supports_virtiofs(rules.version),
        _ => false,
    };
    if !known {
        let help = formats_help(rules.version).into();
        rules.error_with_help(path, "unknown file system format", help);
    }
}

fn formats_help(version: Version) -> &'static str {
    match version {
        v if supports_virtiofs(v) => "use ext4, btrfs, xfs, vfat, swap, none or virtiofs",
        v if v >= Version::V3_3 => "use ext4, btrfs, xfs, vfat, swap or none",
        _ => "use ext4, btrfs, xfs, vfat or swap",
    }
}

fn check_label(rules: &mut Rules, filesystem: &Filesystem, is_virtiofs: bool, path: &Path<'_>) {
    let Some(label) = non_empty(&filesystem.label) else {
        return;
    };
    let max_bytes = match non_empty(&filesystem.format) {
        None => return rules.error(path, "a label needs a format"),
        Some("ext4") => 16,
        Some("btrfs") => 256,
        Some("xfs") => 12,
        Some("swap") => 15,
        Some("vfat") => 11,
        Some(_) if is_virtiofs => return rules.error(path, "virtiofs has no labels"),
        Some(_) => return,
    };
    if label.len() > max_bytes {
        rules.error(
            path,
            format!("label has more than the {max_bytes} bytes of this format"),
        );
    }
}

fn reject_block_device_members(rules: &mut Rules, filesystem: &Filesystem, path: &Path<'_>) {
    let members = [
        ("uuid", non_empty(&filesystem.uuid).is_some()),
        ("wipeFilesystem", filesystem.wipe_filesystem == Some(true)),
        ("options", !filesystem.options.is_empty()),
    ];
    for (name, _) in members.iter().filter(|(_, is_set)| *is_set) {
        rules.error(
            &path.member(name),
            "only for file systems on block devices, not for virtiofs",
        );
    }
}
