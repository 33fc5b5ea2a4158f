//! How devices are stacked: each has one use, and none is on itself. Checked once arrays, volumes and file systems are
//! planned, whatever names the config has for the devices.

use super::op::{OpKind, Operation, Subject};
use super::{Access, ClaimedResource, Draft, ErrorCode, Failure, drafted};
use crate::disk::DeviceRef;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses devices with two uses, and devices that would be on themselves.
pub fn check(draft: &mut Draft) {
    let mut refusals = used_twice(draft);
    refusals.extend(stacked_on_themselves(draft));
    for refusal in refusals {
        draft.refuse(refusal);
    }
}

/// Devices that an operation erases or fills.
fn written(operation: &Operation) -> impl Iterator<Item = &DeviceRef> {
    devices(operation, Access::Change)
}

fn devices(operation: &Operation, wanted: Access) -> impl Iterator<Item = &DeviceRef> {
    let claims = operation.claims.iter();
    claims.filter_map(move |claim| match &claim.resource {
        ClaimedResource::Device(device) if claim.access == wanted => Some(&**device),
        _ => None,
    })
}

/// The common name of a device that the config may give different names.
fn identity(draft: &Draft, device: &DeviceRef) -> String {
    let name = device.to_string();
    let facts = draft.observed.devices.get(&name);
    let node = facts.map(|facts| facts.node.clone());
    node.filter(|node| !node.is_empty()).unwrap_or(name)
}

fn used_twice(draft: &Draft) -> Vec<Failure> {
    let mut users: BTreeMap<String, &Operation> = BTreeMap::new();
    let mut refusals = Vec::new();
    for operation in draft.operations() {
        let own: BTreeSet<&DeviceRef> = written(operation).collect();
        for device in own {
            let earlier = users
                .get(&identity(draft, device))
                .copied()
                .or_else(|| overlapping(draft, &users, device));
            match earlier {
                Some(earlier) => refusals.push(refuse_second(operation, earlier, device)),
                None if holds_new_table(draft, device) => {
                    refusals.push(refuse_over_table(operation, device));
                }
                None => {
                    let kept = kept_on(draft, device);
                    refusals.extend(kept.map(|kept| refuse_above_kept(operation, kept, device)));
                }
            }
            users.entry(identity(draft, device)).or_insert(operation);
        }
    }
    refusals
}

/// The user of the whole disk a partition is on, or of a partition of a disk.
fn overlapping<'d>(
    draft: &Draft,
    users: &BTreeMap<String, &'d Operation>,
    device: &DeviceRef,
) -> Option<&'d Operation> {
    let disk = device.disk()?;
    let whole = matches!(device, DeviceRef::Disk { .. });
    users.iter().find_map(|(_, user)| {
        let overlaps = written(user).any(|other| {
            other.disk() == Some(disk)
                && identity(draft, other) != identity(draft, device)
                && (whole || matches!(other, DeviceRef::Disk { .. }))
        });
        overlaps.then_some(*user)
    })
}

/// True for a whole disk on which this plan creates partitions.
fn holds_new_table(draft: &Draft, device: &DeviceRef) -> bool {
    let DeviceRef::Disk { disk } = device else {
        return false;
    };
    draft.operations().iter().any(|operation| {
        matches!(&operation.kind, OpKind::WriteTable(write)
            if write.disk == *disk && !write.table.entries.is_empty())
    })
}

/// A partition of a whole disk that the config uses and that already is as requested.
fn kept_on<'d>(draft: &'d Draft, device: &DeviceRef) -> Option<&'d Operation> {
    let DeviceRef::Disk { disk } = device else {
        return None;
    };
    let table = drafted::resulting_table(draft, disk)?;
    draft.operations().iter().find(|operation| {
        let OpKind::AlreadyRight(right) = &operation.kind else {
            return false;
        };
        match &right.subject {
            Subject::Device(DeviceRef::Partition {
                disk: other,
                number,
            })
            | Subject::Partition(DeviceRef::Partition {
                disk: other,
                number,
            }) => other == disk && table.entries.contains_key(number),
            _ => false,
        }
    })
}

/// What an operation does, and where that is requested.
fn description(operation: &Operation) -> String {
    let description = operation.kind.describe();
    match &operation.origin {
        Some(origin) => format!("{description} (requested at {origin})"),
        None => description,
    }
}

fn refuse_above_kept(operation: &Operation, kept: &Operation, device: &DeviceRef) -> Failure {
    Failure::of_operation(
        ErrorCode::DEVICE_USED_TWICE,
        operation,
        format!(
            "it would destroy a partition of {device} that is in use: {}",
            description(kept)
        ),
        "name a partition of the disk instead, or leave its partitions out of the config",
    )
}

fn refuse_second(operation: &Operation, earlier: &Operation, device: &DeviceRef) -> Failure {
    Failure::of_operation(
        ErrorCode::DEVICE_USED_TWICE,
        operation,
        format!("{device} already has another use: {}", description(earlier)),
        "use each device for one array, encrypted volume or file system",
    )
}

fn refuse_over_table(operation: &Operation, device: &DeviceRef) -> Failure {
    Failure::of_operation(
        ErrorCode::DEVICE_USED_TWICE,
        operation,
        format!("it would destroy the partition table that the config asks for on {device}"),
        "name a partition of the disk instead, or leave its partitions out of storage.disks",
    )
}

fn stacked_on_themselves(draft: &Draft) -> Vec<Failure> {
    let operations = draft.operations();
    let below = |device: &DeviceRef| -> Vec<&DeviceRef> {
        let makers = operations
            .iter()
            .filter(|operation| devices(operation, Access::Make).any(|made| made == device));
        makers.flat_map(written).collect()
    };
    let is_on_itself = |operation: &&Operation| {
        let made: Vec<&DeviceRef> = devices(operation, Access::Make).collect();
        let mut seen: BTreeSet<&DeviceRef> = BTreeSet::new();
        let mut todo: Vec<&DeviceRef> = written(operation).collect();
        while let Some(device) = todo.pop() {
            if made.contains(&device) {
                return true;
            }
            if seen.insert(device) {
                todo.extend(below(device));
            }
        }
        false
    };
    let looped = operations.iter().filter(is_on_itself);
    looped
        .map(|operation| {
            Failure::of_operation(
                ErrorCode::DEVICE_USED_TWICE,
                operation,
                "it would be built on itself, directly or through other arrays and volumes".into(),
                "name another device to make it of",
            )
        })
        .collect()
}
