//! The part of a plan that has to run first: the content of an encrypted volume is visible only once it is open, and
//! that of an array once it runs. A plan that was made before treats them as blank. The executor runs this part,
//! observes and plans again, so that everything else is decided by the actual content.

use super::claims::{Access, Claim, ClaimedResource};
use super::op::{AlreadyRight, OpId, OpKind, OpenMode, Operation, Phase, Plan, Settle, Subject};
use super::{Effect, order};
use crate::disk::DeviceRef;
use std::collections::BTreeSet;

/// The part of a plan that opens or assembles existing volumes and arrays on whose content other operations depend,
/// except those in `opened`; `None` if there is none. As long as some can be opened without writing anything, only
/// these.
pub fn first_part(plan: &Plan, opened: &BTreeSet<DeviceRef>) -> Option<Plan> {
    let openers: Vec<&Operation> = plan
        .operations
        .iter()
        .filter(|operation| is_opener(plan, operation, opened))
        .collect();
    let complete = |operation: &&Operation| with_dependencies(plan, operation);
    let harmless: BTreeSet<OpId> = openers
        .iter()
        .map(complete)
        .filter(|ids| {
            ids.iter()
                .all(|id| opened_device(operation(plan, *id)).is_some())
        })
        .flatten()
        .collect();
    let chosen = match harmless.is_empty() {
        true => openers.iter().flat_map(complete).collect(),
        false => harmless,
    };
    match chosen.is_empty() {
        true => None,
        false => partial_plan(plan, &chosen),
    }
}

/// The volumes and arrays that a plan opens or assembles without creating them.
pub fn opened_by(plan: &Plan) -> impl Iterator<Item = DeviceRef> + '_ {
    plan.operations.iter().filter_map(opened_device)
}

/// The existing volume or array that an operation opens or assembles.
fn opened_device(operation: &Operation) -> Option<DeviceRef> {
    match &operation.kind {
        OpKind::CreateLuks(act) if act.way == OpenMode::Open => Some(DeviceRef::Luks {
            name: act.name.clone(),
        }),
        OpKind::AssembleArray(act) => Some(DeviceRef::Array {
            name: act.name.clone(),
        }),
        _ => None,
    }
}

fn is_opener(plan: &Plan, operation: &Operation, opened: &BTreeSet<DeviceRef>) -> bool {
    let Some(device) = opened_device(operation).filter(|device| !opened.contains(device)) else {
        return false;
    };
    let mut others = plan.operations.iter().filter(|o| o.id != operation.id);
    others.any(|other| depends_on_content(other, &device))
}

/// True if an operation depends on the content of a device.
fn depends_on_content(operation: &Operation, device: &DeviceRef) -> bool {
    match &operation.kind {
        OpKind::Mount(act) => act.device == *device,
        // What is on an array is read through its members.
        OpKind::AlreadyRight(AlreadyRight { subject, .. }) => {
            matches!(device, DeviceRef::Luks { .. }) && *subject == Subject::Device(device.clone())
        }
        _ => has(
            operation,
            &ClaimedResource::Device(device.clone().into()),
            &[Access::Change],
        ),
    }
}

fn operation(plan: &Plan, id: OpId) -> &Operation {
    &plan.operations[id.0 as usize]
}

/// An operation with all operations that create or change the devices below it.
fn with_dependencies(plan: &Plan, first: &Operation) -> BTreeSet<OpId> {
    let mut found = BTreeSet::new();
    let mut todo = vec![first.id];
    while let Some(id) = todo.pop() {
        if found.insert(id) {
            let above = operation(plan, id);
            let below = plan
                .operations
                .iter()
                .filter(|below| is_dependency(below, above));
            todo.extend(below.map(|below| below.id));
        }
    }
    found
}

/// True if `below` creates or changes a device below `above`. Operations that share memory or disk heads do not depend
/// on each other.
fn is_dependency(below: &Operation, above: &Operation) -> bool {
    let mut claims = above.claims.iter();
    claims.any(|claim| match &claim.resource {
        _ if claim.access == Access::Make => false,
        ClaimedResource::Table(_) => writes(below, &claim.resource) && !keeps(below, above),
        ClaimedResource::Device(_) => makes(below, &claim.resource),
        _ => false,
    })
}

fn makes(operation: &Operation, device: &ClaimedResource) -> bool {
    has(operation, device, &[Access::Make])
}

fn writes(operation: &Operation, table: &ClaimedResource) -> bool {
    has(operation, table, &[Access::Make, Access::Change])
}

fn has(operation: &Operation, resource: &ClaimedResource, accesses: &[Access]) -> bool {
    let mut claims = operation.claims.iter();
    claims.any(|claim| accesses.contains(&claim.access) && claim.resource == *resource)
}

/// True if `below` writes a table that keeps each partition that `above` works on.
fn keeps(below: &Operation, above: &Operation) -> bool {
    let OpKind::WriteTable(write) = &below.kind else {
        return false;
    };
    let stays = |number: &u32| {
        let mut changes = write.changes.iter();
        !write.wipe && changes.any(|c| c.number == *number && c.effect == Effect::Keep)
    };
    let keeps = |device: &DeviceRef| match device {
        DeviceRef::Partition { disk, number } if *disk == write.disk => stays(number),
        DeviceRef::Disk { disk } => *disk != write.disk,
        _ => true,
    };
    above.claims.iter().all(|claim| match &claim.resource {
        ClaimedResource::Device(device) => keeps(device),
        _ => true,
    })
}

/// These operations as a separate plan, followed by the wait for udev.
fn partial_plan(plan: &Plan, chosen: &BTreeSet<OpId>) -> Option<Plan> {
    let chosen = plan.operations.iter().filter(|o| chosen.contains(&o.id));
    let mut operations: Vec<Operation> = chosen.cloned().collect();
    operations.push(wait_for_udev(&operations));
    for (index, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(u32::try_from(index).ok()?);
    }
    // A subset of operations that could be ordered can be ordered as well.
    order::derive(&mut operations).ok()?;
    Some(Plan {
        operations,
        ..Plan::default()
    })
}

fn wait_for_udev(operations: &[Operation]) -> Operation {
    let mut devices = BTreeSet::new();
    let mut claims = Vec::new();
    for claim in operations.iter().flat_map(|operation| &operation.claims) {
        let device = match &claim.resource {
            ClaimedResource::Table(disk) if claim.access != Access::Use => {
                let disk = disk.to_string();
                DeviceRef::Disk { disk }
            }
            ClaimedResource::Device(device) => DeviceRef::clone(device),
            _ => continue,
        };
        claims.push(Claim::new(Access::Release, claim.resource.clone()));
        devices.insert(device);
    }
    Operation {
        id: OpId(0),
        phase: Phase::Filesystems,
        effect: Effect::Step,
        kind: OpKind::Settle(Settle {
            devices: devices.into_iter().collect(),
        }),
        origin: None,
        claims,
        destroys: Vec::new(),
        after: Vec::new(),
    }
}
