//! Devices of device mapper.

use crate::facts::MappingFacts;
use crate::host::block::BlockDevice;
use std::path::Path;

/// What device mapper reports about a node, e.g. `/dev/dm-0`; `None` for other devices.
pub(super) fn of(node: &Path) -> Option<MappingFacts> {
    let device = BlockDevice::of_node(node);
    let uuid = device
        .has("dm/uuid")
        .then(|| device.attribute("dm/uuid").unwrap_or_default())?;
    let slaves = device.slaves().unwrap_or_default();
    let nodes = slaves.iter().map(BlockDevice::node);
    Some(MappingFacts {
        uuid,
        lower_nodes: nodes.map(|node| node.display().to_string()).collect(),
    })
}
