//! Two special cases of Flatcar's OEM file system, applied only on Flatcar (see
//! [`crate::acquire::environment::Environment::is_flatcar`]).

use crate::config::Document;
use crate::facts::Observed;
use crate::plan::devices;

const OEM_LABEL: &str = "OEM";
const OEM_DEVICE: &str = "/dev/disk/by-label/OEM";
/// The mount point of the OEM file system in old configs, and its current one.
const OEM_MOUNT_POINTS: (&str, &str) = ("/usr/share/oem", "/oem");

/// Keeps an existing OEM file system whatever format the config requests, unless it is to be wiped: its format has
/// changed over the years, so that machines installed long ago have another one.
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

/// Moves the OEM file system from its old mount point to the current one.
pub(super) fn move_oem(document: &Document) -> Document {
    document.clone().with_filesystems(|filesystem| {
        if filesystem.device == OEM_DEVICE && filesystem.path.as_deref() == Some(OEM_MOUNT_POINTS.0)
        {
            filesystem.path = Some(OEM_MOUNT_POINTS.1.into());
        }
    })
}
