//! One writer at a time on a rotational disk: concurrent writers would cause seeks.

use super::op::Operation;
use super::{Access, Claim, ClaimedResource, Draft, devices};
use crate::disk::DeviceRef;
use std::collections::BTreeSet;

/// Adds the rotational disks below the devices that each operation writes to its claims.
pub fn claim(draft: &mut Draft) {
    let spindles: Vec<BTreeSet<String>> = draft
        .operations()
        .iter()
        .map(|operation| written_by(draft, operation))
        .collect();
    for (operation, spindles) in draft.operations.iter_mut().zip(spindles) {
        let claims = spindles
            .into_iter()
            .map(|disk| Claim::new(Access::Change, ClaimedResource::Spindle(disk.into())));
        operation.claims.extend(claims);
    }
}

fn written_by(draft: &Draft, operation: &Operation) -> BTreeSet<String> {
    let mut spindles = BTreeSet::new();
    for claim in &operation.claims {
        if let (ClaimedResource::Device(device), Access::Change) = (&claim.resource, claim.access) {
            collect(draft, device, &mut spindles, &mut BTreeSet::new());
        }
    }
    spindles
}

/// Collects the rotational disks below a device. Devices that were visited are skipped: a config may request devices
/// that are on each other.
fn collect(
    draft: &Draft,
    device: &DeviceRef,
    spindles: &mut BTreeSet<String>,
    seen: &mut BTreeSet<DeviceRef>,
) {
    if !seen.insert(device.clone()) {
        return;
    }
    let observed = draft.observed;
    match device {
        DeviceRef::Disk { disk } | DeviceRef::Partition { disk, .. } => {
            let facts = observed.disks.get(disk).filter(|facts| facts.rotates);
            spindles.extend(facts.map(|facts| facts.node.clone()));
        }
        DeviceRef::Path { .. } | DeviceRef::Array { .. } | DeviceRef::Luks { .. } => {
            let facts = observed.devices.get(&device.to_string());
            spindles.extend(facts.into_iter().flat_map(|facts| facts.spindles.clone()));
        }
    }
    for lower in lower_devices(draft, device) {
        collect(draft, &lower, spindles, seen);
    }
}

/// The devices that the config creates an array or a volume from.
fn lower_devices(draft: &Draft, device: &DeviceRef) -> Vec<DeviceRef> {
    let storage = &draft.document.config().storage;
    let names: Vec<&String> = match device {
        DeviceRef::Array { name } => {
            let arrays = storage.raid.iter().filter(|raid| raid.name == *name);
            arrays.flat_map(|raid| &raid.devices).collect()
        }
        DeviceRef::Luks { name } => {
            let volumes = storage.luks.iter().filter(|luks| luks.name == *name);
            volumes.filter_map(|luks| luks.device.as_ref()).collect()
        }
        _ => Vec::new(),
    };
    let resolved = names
        .into_iter()
        .filter_map(|name| devices::resolve(draft, name, "", None).ok());
    resolved.collect()
}
