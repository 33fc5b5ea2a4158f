//! Two differences of Flatcar that concern disks. Only in force on Flatcar (see
//! [`crate::acquire::environment::Environment::is_flatcar`]).

use crate::config::Document;
use crate::facts::Observed;
use crate::plan::devices;

const OEM_LABEL: &str = "OEM";
const OEM_DEVICE: &str = "/dev/disk/by-label/OEM";
/// Where old configs mount the OEM file system, and where it is mounted now.
const OEM_POINTS: (&str, &str) = ("/usr/share/oem", "/oem");

/// The file system labelled OEM is kept, whatever format the config names for it: it was btrfs, and is
/// ext4 on machines installed long ago.
pub(super) fn keep_oem(document: &Document, observed: &Observed) -> Document {
    document.clone().with_filesystems(|filesystem| {
        let found = devices::superblock_of(observed, &filesystem.device);
        let is_oem = filesystem.device == OEM_DEVICE
            || found.as_ref().and_then(|s| s.label.as_deref()) == Some(OEM_LABEL);
        let present = found.and_then(|superblock| superblock.kind);
        if is_oem && filesystem.wipe_filesystem != Some(true) && present.is_some() {
            filesystem.format = present;
        }
    })
}

/// The OEM file system goes where the system looks for it now.
pub(super) fn move_oem(document: &Document) -> Document {
    document.clone().with_filesystems(|filesystem| {
        if filesystem.device == OEM_DEVICE && filesystem.path.as_deref() == Some(OEM_POINTS.0) {
            filesystem.path = Some(OEM_POINTS.1.into());
        }
    })
}
