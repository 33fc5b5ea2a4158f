//! Rules that a document must follow by itself, before it is translated.

use super::context::{ButaneContext, is_on, list};
use super::modes::{self, ModeTarget};
use super::read::ReadDocument;
use super::{boot_device, machine_config, mounts, quadlets, trees};
use crate::config::Severity;
use crate::language::node::Node;

/// Checks a document.
pub(super) fn check(document: &ReadDocument<'_>, context: &mut ButaneContext<'_, '_>) {
    for at in &document.second_sources {
        let message = "`source`, `inline` and `local` exclude each other";
        context.remarks.error(*at, message);
    }
    let root = &document.root;
    if let Some(storage) = root.get("storage") {
        for (name, target) in [
            ("files", ModeTarget::File),
            ("directories", ModeTarget::Directory),
        ] {
            for node in list(storage, name) {
                check_mode(node, target, context);
            }
        }
        mounts::check(storage, context);
        trees::check(storage, context);
    }
    if let Some(systemd) = root.get("systemd") {
        for unit in list(systemd, "units") {
            quadlets::check_contents(unit, context);
            for dropin in list(unit, "dropins") {
                quadlets::check_contents(dropin, context);
            }
        }
        quadlets::check(systemd, context);
    }
    if let Some(device) = root.get("boot_device") {
        boot_device::check(device, context);
    }
    if let Some(grub) = root.get("grub") {
        boot_device::check_grub(grub, context);
    }
    machine_config::check(root, context);
    check_fcos_partitions(root, context);
}

fn check_mode(node: &Node<'_>, target: ModeTarget, context: &mut ButaneContext<'_, '_>) {
    let Some(mode) = node.get("mode") else {
        return;
    };
    let number = mode.as_text().parse().unwrap_or_default();
    if let Some(intended) = modes::intended(number, target) {
        context.remarks.warn_with_help(
            mode.at,
            format!("mode {number} is a decimal number; in octal it is 0{number:o}"),
            format!("write 0{intended:o} if that is meant"),
        );
    }
}

/// Warns of partitions with a label but no number on a disk that somebody else has partitioned: they are placed
/// wherever there is space.
fn check_fcos_partitions(root: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    use super::variants::{Sugar, Variant};
    if context.dialect.variant != Variant::Fcos || !context.dialect.has(Sugar::V1_6) {
        return;
    }
    let mirrors = root.at_path(&["boot_device", "mirror", "devices"]);
    let mirrors: Vec<&str> = mirrors
        .map_or(&[][..], Node::elements)
        .iter()
        .map(Node::as_text)
        .collect();
    let disks = root
        .get("storage")
        .map_or(&[][..], |storage| list(storage, "disks"));
    for disk in disks {
        let device = disk.text_at("device");
        let is_known = device == "/dev/disk/by-id/coreos-boot-disk"
            || is_on(disk, "wipe_table")
            || mirrors.contains(&device);
        if is_known {
            continue;
        }
        for partition in list(disk, "partitions") {
            let is_numbered = !matches!(partition.text_at("number"), "" | "0");
            if is_numbered || partition.get("label").is_none() {
                continue;
            }
            context.remarks.about_member(
                Severity::Warning,
                (partition.at, "number"),
                "a partition with a label and no number, on a disk whose table is not wiped, may be made again on each disk that has none with this label",
                Some("give it a number, or wipe the table".into()),
            );
        }
    }
}
