//! Translation to the latest version.
//!
//! Most of what differs between versions is presence: members that came later are simply absent,
//! and texts that could not be absent in an old version are present, if empty, in the new one
//! (`Tree::fill_plain_texts`, driven by the table). What remains are the steps below.

use super::model::Config;
use super::version::{LATEST_VERSION, Version};

/// Permission bits without set-user-ID, set-group-ID and sticky bit.
const PLAIN_MODE: i64 = 0o777;

/// Translates a valid config of `version` to the latest version.
pub(crate) fn translate(config: &mut Config, version: Version) {
    if version < Version::V3_6 {
        strip_special_bits(config);
    }
    config.ignition.version = LATEST_VERSION.as_str().into();
}

/// Special mode bits take effect since 3.6; an older document must not start to set them.
fn strip_special_bits(config: &mut Config) {
    let files = config.storage.files.iter_mut().map(|f| &mut f.mode);
    let directories = config.storage.directories.iter_mut().map(|d| &mut d.mode);
    for mode in files.chain(directories).flatten() {
        *mode &= PLAIN_MODE;
    }
}
