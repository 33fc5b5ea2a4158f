//! File systems: checked one by one, and translated to entries with the paths that nodes are written to.

use super::fields::Fields;
use super::names::{FilesystemNames, Volume};
use super::step::OldTranslation;
use super::version::OldVersion;
use crate::language::node::Node;

/// Checks the file systems.
pub(super) fn check(step: &mut OldTranslation<'_>, storage: &Node<'_>) {
    for filesystem in storage.items("filesystems") {
        match (filesystem.get("mount"), filesystem.get("path")) {
            (None, None) => step.error(filesystem.at, "a file system needs `mount` or `path`"),
            (Some(_), Some(path)) => step.error(path.at, "`mount` and `path` exclude each other"),
            (Some(mount), None) => check_mount(step, mount),
            (None, Some(_)) => {
                _ = step.check_absolute(filesystem, "path", "the path of a file system")
            }
        }
    }
}

fn check_mount(step: &mut OldTranslation<'_>, mount: &Node<'_>) {
    step.check_absolute(mount, "device", "the device of a file system");
    let format = mount.text_of("format");
    let is_known = match format {
        "ext4" | "btrfs" | "xfs" => true,
        "swap" | "vfat" => step.is_since(mount, OldVersion::V2_1),
        _ => false,
    };
    if !is_known {
        let help = match step.is_since(mount, OldVersion::V2_1) {
            true => "use ext4, btrfs, xfs, vfat or swap",
            false => "use ext4, btrfs or xfs; vfat and swap exist since version 2.1.0",
        };
        step.error_with_help(mount.at_of("format"), "unknown file system format", help);
    }
    check_label(step, mount);
    if let Some(create) = mount.get("create") {
        check_create(step, mount, create);
    }
}

fn check_label(step: &mut OldTranslation<'_>, mount: &Node<'_>) {
    let max_bytes = match mount.text_of("format") {
        "ext4" => 16,
        "btrfs" => 256,
        "xfs" => 12,
        "swap" => 15,
        "vfat" => 11,
        _ => return,
    };
    if mount.text_of("label").len() > max_bytes {
        let message = format!("the label has more than the {max_bytes} bytes of this format");
        step.error(mount.at_of("label"), message);
    }
}

fn check_create(step: &mut OldTranslation<'_>, mount: &Node<'_>, create: &Node<'_>) {
    if !step.is_since(mount, OldVersion::V2_1) {
        return;
    }
    if mount.is_true("wipeFilesystem") {
        step.error(
            create.at,
            "`create` and `wipeFilesystem` exclude each other",
        );
    } else if !mount.items("options").is_empty() {
        step.error(
            create.at,
            "`create` and `options` of the mount exclude each other",
        );
    } else {
        let help = "use `wipeFilesystem` and `options` of the mount";
        step.warn(create.at, "`create` is deprecated", help);
    }
}

/// The entries that the volumes of `names` become.
pub(super) fn translate<'t>(
    step: &mut OldTranslation<'_>,
    names: &FilesystemNames<'_, 't>,
) -> Vec<Node<'t>> {
    let volumes = names.volumes().iter();
    volumes
        .map(|volume| translate_volume(step, volume))
        .collect()
}

fn translate_volume<'t>(step: &mut OldTranslation<'_>, volume: &Volume<'_, 't>) -> Node<'t> {
    let mount = volume.mount;
    let mut out = Node::mapping(volume.at);
    out.copy(mount, "device");
    match is_oem(volume) {
        true => {
            let at = mount.at_of("format");
            if mount.text_of("format") != "btrfs" {
                let message = "the OEM file system of Flatcar is btrfs now; it is kept as that";
                step.warn(at, message, "write btrfs");
            }
            out.set("format", Node::text(at, "btrfs"));
        }
        false => out.copy(mount, "format"),
    }
    out.copy(mount, "label");
    out.copy(mount, "uuid");
    let create = mount.inner("create");
    let options: Vec<Node<'t>> = [mount, create]
        .iter()
        .flat_map(|holder| holder.items("options").iter().cloned())
        .collect();
    let options_at = match mount.get("options") {
        Some(options) => options.at,
        None => create.at_of("options"),
    };
    out.set_list("options", options_at, options);
    if let Some(path) = &volume.path {
        out.set("path", Node::text(volume.name_at, path.clone()));
    }
    translate_wipe(step, mount, &mut out);
    out
}

/// True for Flatcar's OEM file system, which is named `oem`, unless it is created again. Flatcar's converter does not
/// accept the name `OEM`, although the label is spelled like that.
fn is_oem(volume: &Volume<'_, '_>) -> bool {
    let mount = volume.mount;
    let is_wiped = mount.is_true("wipeFilesystem") || mount.inner("create").is_true("force");
    !is_wiped && volume.names.contains(&"oem")
}

fn translate_wipe<'t>(step: &mut OldTranslation<'_>, mount: &Node<'t>, out: &mut Node<'t>) {
    let Some(create) = mount.get("create") else {
        out.copy_flag_if_true(mount, "wipeFilesystem");
        return;
    };
    if create.is_true("force") {
        out.set("wipeFilesystem", Node::flag(create.at_of("force"), true));
        return;
    }
    let message = "version 3 cannot express: create, but fail if there is any file system";
    let help = match step.is_since(create, OldVersion::V2_1) {
        true => {
            "set `force: true` to wipe the device first, or leave `create` out to reuse a file system that matches"
        }
        false => {
            "set `force: true` to wipe the device first, or leave `create` out to reuse a file system of this format"
        }
    };
    step.error_with_help(create.at, message, help);
}
