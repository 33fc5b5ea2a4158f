//! Block devices and the image files that stand for them.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Turns device references into something a tool can open: the real node, or a loop device over
/// the right part of a bound image file.
#[derive(Debug, Default)]
pub struct Devices {
    images: BTreeMap<String, PathBuf>,
}

impl Devices {
    /// Devices with these names of the config bound to image files.
    pub fn with_images(images: BTreeMap<String, PathBuf>) -> Self {
        Self { images }
    }
    /// The image bound to a disk name.
    pub fn image(&self, disk: &str) -> Option<&PathBuf> {
        self.images.get(disk)
    }
}
