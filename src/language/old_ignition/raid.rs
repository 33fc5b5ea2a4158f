//! RAID arrays.

use super::fields::Fields;
use super::step::{FirstOffsets, OldTranslation};
use crate::language::node::Node;

/// Checks and translates the arrays.
pub(super) fn translate<'t>(step: &mut OldTranslation<'_>, storage: &Node<'t>) -> Vec<Node<'t>> {
    let mut seen = FirstOffsets::new();
    let mut translated = Vec::new();
    for array in storage.items("raid") {
        check(step, array);
        let name = array.text_of("name");
        if let Some(first) = seen.record(name, array.at) {
            step.report_conflict(array.at, first, "duplicate array", "");
        }
        let mut out = Node::mapping(array.at);
        out.copy_or_empty(array, "name");
        out.copy_or_empty(array, "level");
        out.copy_list(array, "devices");
        if array.int_of("spares").is_some_and(|spares| spares != 0) {
            out.copy(array, "spares");
        }
        out.copy_list(array, "options");
        translated.push(out);
    }
    translated
}

fn check(step: &mut OldTranslation<'_>, array: &Node<'_>) {
    let at = array.at_of("level");
    match array.text_of("level") {
        "linear" | "raid0" | "0" | "stripe" => {
            if array.int_of("spares").is_some_and(|spares| spares != 0) {
                let message = "this RAID level has no redundancy, so it cannot have spares";
                step.error(array.at_of("spares"), message);
            }
        }
        "raid1" | "1" | "mirror" | "raid4" | "4" | "raid5" | "5" | "raid6" | "6" | "raid10"
        | "10" => {}
        _ => {
            let help = "use linear, raid0, raid1, raid4, raid5, raid6 or raid10";
            step.error_with_help(at, "unknown RAID level", help);
        }
    }
    let devices = array.items("devices");
    if devices.is_empty() {
        step.error(array.at_of("devices"), "an array needs devices");
    }
    let mut seen = FirstOffsets::new();
    for device in devices {
        if !device.as_text().starts_with('/') {
            step.error(device.at, "the device of an array must be absolute");
        }
        if let Some(first) = seen.record(device.as_text(), device.at) {
            step.report_conflict(device.at, first, "duplicate device", "");
        }
    }
}
