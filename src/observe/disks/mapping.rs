//! Devices of device mapper.

use crate::facts::MappingFacts;
use std::fs;
use std::path::Path;

/// What device mapper reports about a node, e.g. `/dev/dm-0`; `None` for other devices.
pub(super) fn of(node: &Path) -> Option<MappingFacts> {
    let class = Path::new("/sys/class/block").join(node.file_name()?);
    let uuid = fs::read_to_string(class.join("dm/uuid")).ok()?;
    let slaves = fs::read_dir(class.join("slaves")).into_iter().flatten();
    let names = slaves
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Some(MappingFacts {
        uuid: uuid.trim().into(),
        lower_nodes: names.map(|name| format!("/dev/{name}")).collect(),
    })
}
