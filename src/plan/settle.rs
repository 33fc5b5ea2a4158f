//! Waits for udev once, after everything that changes disks.
//!
//! Nothing before that needs its links: partitions are named after the node of their disk, which the kernel creates
//! itself, and programs that create arrays and volumes wait for their nodes. Everything later (mounts, units, the real
//! root) uses links, so they have to be correct by then.

use super::op::{Effect, OpKind, Phase, Settle};
use super::{Access, Claim, ClaimedResource, Draft, devices};
use crate::disk::DeviceRef;
use std::collections::BTreeSet;

/// Plans the wait, if anything changes that udev watches.
pub fn plan(draft: &mut Draft) {
    mark_exposed_members(draft);
    let changed: BTreeSet<DeviceRef> = changed(draft).collect();
    if changed.is_empty() {
        return;
    }
    let tables: BTreeSet<&str> = changed.iter().filter_map(DeviceRef::disk).collect();
    let tables = tables
        .into_iter()
        .map(|disk| Claim::new(Access::Release, ClaimedResource::Table(disk.into())));
    let contents = changed
        .iter()
        .map(|device| Claim::new(Access::Use, ClaimedResource::Device(device.clone().into())));
    let claims = tables.chain(contents).collect();
    let kind = OpKind::Settle(Settle {
        devices: changed.into_iter().collect(),
    });
    draft.push(Phase::Filesystems, Effect::Step, kind, None, claims);
}

/// Devices of the machine whose table or content changes. Loop devices on image files do not count.
fn changed<'d>(draft: &'d Draft) -> impl Iterator<Item = DeviceRef> + 'd {
    let operations = draft.operations().iter();
    let claims = operations
        .filter(|operation| !matches!(operation.effect, Effect::Keep | Effect::Skip))
        .flat_map(|operation| &operation.claims)
        .filter(|claim| matches!(claim.access, Access::Make | Access::Change));
    let devices = claims.filter_map(|claim| match &claim.resource {
        ClaimedResource::Table(disk) => Some(DeviceRef::Disk {
            disk: disk.to_string(),
        }),
        ClaimedResource::Device(device) => Some(DeviceRef::clone(device)),
        _ => None,
    });
    devices.filter(|_| {
        let mut disks = draft.observed.disks.values();
        disks.all(|facts| facts.image.is_none())
    })
}

/// Marks each table of which a new partition exposes something that udev assembles by itself.
fn mark_exposed_members(draft: &mut Draft) {
    let exposes: Vec<bool> = draft
        .operations()
        .iter()
        .map(|operation| exposes_member(draft, &operation.kind))
        .collect();
    for (operation, exposes) in draft.operations.iter_mut().zip(exposes) {
        if let OpKind::WriteTable(write) = &mut operation.kind {
            write.exposes_members = exposes;
        }
    }
}

fn exposes_member(draft: &Draft, kind: &OpKind) -> bool {
    let OpKind::WriteTable(write) = kind else {
        return false;
    };
    let new = write.changes.iter().filter(|change| {
        matches!(change.effect, Effect::Create | Effect::Change)
            && write.table.entries.contains_key(&change.number)
    });
    new.map(|change| DeviceRef::Partition {
        disk: write.disk.clone(),
        number: change.number,
    })
    .any(|partition| is_auto_assembled(devices::content(draft, &partition).kind.as_deref()))
}

/// Kinds of content that rules of udev activate as soon as they see them, which holds the device.
fn is_auto_assembled(kind: Option<&str>) -> bool {
    matches!(
        kind,
        Some(
            "linux_raid_member" | "LVM2_member" | "bcache" | "isw_raid_member" | "ddf_raid_member"
        )
    )
}
