//! Waiting for udev: once, behind everything that changes disks.
//!
//! Nothing before that needs its links: partitions are named after their disk's node, which the kernel makes
//! by itself, and the nodes of arrays and volumes are waited for by the programs that make them. Whoever
//! comes later (mounts, units, the real root) goes by links, so they have to be right by then.

use super::op::{Effect, OpKind, Phase, Settle};
use super::{Access, Claim, ClaimedResource, Draft, devices};
use crate::disk::DeviceRef;
use std::collections::BTreeSet;

/// Plans the wait, if anything changes that udev watches.
pub fn plan(draft: &mut Draft) {
    note_members(draft);
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

/// Devices of the machine whose table or content changes. Loop devices over image files come and go unseen.
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

/// Notes on each table whether one of its new partitions shows something that udev puts together by itself.
fn note_members(draft: &mut Draft) {
    let shows: Vec<bool> = draft
        .operations()
        .iter()
        .map(|operation| shows_member(draft, &operation.kind))
        .collect();
    for (operation, shows) in draft.operations.iter_mut().zip(shows) {
        if let OpKind::WriteTable(write) = &mut operation.kind {
            write.shows_members = shows;
        }
    }
}

fn shows_member(draft: &Draft, kind: &OpKind) -> bool {
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
    .any(|partition| is_put_together(devices::content(draft, &partition).kind.as_deref()))
}

/// Kinds of content that rules of udev activate as soon as they see them, which holds the device.
fn is_put_together(kind: Option<&str>) -> bool {
    matches!(
        kind,
        Some(
            "linux_raid_member" | "LVM2_member" | "bcache" | "isw_raid_member" | "ddf_raid_member"
        )
    )
}
