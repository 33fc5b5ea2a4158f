//! What has to run ahead of the rest of a plan: what is on an encrypted volume shows only once it is open, and
//! on an array once it runs. A plan made before takes them for blank; whoever executes it runs this part,
//! looks again and plans again, so that everything else is judged by what is really there.

use super::claims::{Access, Claim, ClaimedResource};
use super::op::{AlreadyRight, OpId, OpKind, OpenMode, Operation, Phase, Plan, Settle, Subject};
use super::{Effect, order};
use crate::disk::DeviceRef;
use std::collections::BTreeSet;

/// The part of a plan that puts together existing volumes and arrays other operations look into, except those in
/// `opened`; `None` if there is nothing to find out. As long as some can be put together without writing anything,
/// only these.
pub fn ahead(plan: &Plan, opened: &BTreeSet<DeviceRef>) -> Option<Plan> {
    let openers: Vec<&Operation> = plan
        .operations
        .iter()
        .filter(|operation| is_opener(plan, operation, opened))
        .collect();
    let whole = |operation: &&Operation| with_makers(plan, operation);
    let harmless: BTreeSet<OpId> = openers
        .iter()
        .map(whole)
        .filter(|ids| ids.iter().all(|id| brings(operation(plan, *id)).is_some()))
        .flatten()
        .collect();
    let chosen = match harmless.is_empty() {
        true => openers.iter().flat_map(whole).collect(),
        false => harmless,
    };
    match chosen.is_empty() {
        true => None,
        false => part(plan, &chosen),
    }
}

/// The volumes and arrays that a plan puts together without making them.
pub fn opened_by(plan: &Plan) -> impl Iterator<Item = DeviceRef> + '_ {
    plan.operations.iter().filter_map(brings)
}

/// The existing volume or array that an operation puts together.
fn brings(operation: &Operation) -> Option<DeviceRef> {
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
    let Some(device) = brings(operation).filter(|device| !opened.contains(device)) else {
        return false;
    };
    let mut others = plan.operations.iter().filter(|o| o.id != operation.id);
    others.any(|other| looks_into(other, &device))
}

/// True if an operation might be another one, were the content of this device known.
fn looks_into(operation: &Operation, device: &DeviceRef) -> bool {
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

/// An operation and all that makes or changes what it stands on.
fn with_makers(plan: &Plan, first: &Operation) -> BTreeSet<OpId> {
    let mut found = BTreeSet::new();
    let mut open = vec![first.id];
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let above = operation(plan, id);
            let below = plan
                .operations
                .iter()
                .filter(|below| is_under(below, above));
            open.extend(below.map(|below| below.id));
        }
    }
    found
}

/// True if `below` brings about what `above` stands on. Memory and disk heads are shared, not stood on.
fn is_under(below: &Operation, above: &Operation) -> bool {
    let mut claims = above.claims.iter();
    claims.any(|claim| match &claim.resource {
        _ if claim.access == Access::Make => false,
        ClaimedResource::Table(_) => writes(below, &claim.resource) && !spares(below, above),
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

/// True if `below` writes a table in which each partition that `above` works on stays as it is.
fn spares(below: &Operation, above: &Operation) -> bool {
    let OpKind::WriteTable(write) = &below.kind else {
        return false;
    };
    let stays = |number: &u32| {
        let mut changes = write.changes.iter();
        !write.wipe && changes.any(|c| c.number == *number && c.effect == Effect::Keep)
    };
    let spares = |device: &DeviceRef| match device {
        DeviceRef::Partition { disk, number } if *disk == write.disk => stays(number),
        DeviceRef::Disk { disk } => *disk != write.disk,
        _ => true,
    };
    above.claims.iter().all(|claim| match &claim.resource {
        ClaimedResource::Device(device) => spares(device),
        _ => true,
    })
}

/// These operations as a plan of their own, with the wait for udev behind them.
fn part(plan: &Plan, chosen: &BTreeSet<OpId>) -> Option<Plan> {
    let chosen = plan.operations.iter().filter(|o| chosen.contains(&o.id));
    let mut operations: Vec<Operation> = chosen.cloned().collect();
    operations.push(wait_for_udev(&operations));
    for (index, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(u32::try_from(index).ok()?);
    }
    // A part of what could be ordered can be.
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
