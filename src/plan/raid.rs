//! RAID arrays: kept if they are what the config requests, created otherwise.

mod decide;

use super::op::{
    AlreadyRight, AssembleArray, CreateArray, Effect, Expected, OpKind, Phase, Subject,
};
use super::{Access, Claim, ClaimedResource, Draft, ErrorCode, Failure, devices, filesystems};
use crate::config::Origin;
use crate::config::model::Raid;
use crate::disk::DeviceRef;
use crate::disk::superblock::raid::Level;
use crate::facts::TableFacts;
use decide::{ArrayAction, RaidDecision};

/// Plans all arrays of the config.
pub fn plan(draft: &mut Draft) {
    let document = draft.document;
    for (index, raid) in inner_first(&document.config().storage.raid) {
        if let Err(refusals) = plan_one(draft, index, raid) {
            refusals.into_iter().for_each(|r| draft.refuse(r));
        }
    }
}

/// In the order of the config, but an array that is a member of another one comes before that.
fn inner_first(arrays: &[Raid]) -> Vec<(usize, &Raid)> {
    let mut ordered: Vec<(usize, &Raid)> = Vec::new();
    let mut remaining: Vec<(usize, &Raid)> = arrays.iter().enumerate().collect();
    while !remaining.is_empty() {
        let waits = |(index, raid): &(usize, &Raid)| {
            remaining.iter().any(|(other, inner)| {
                let array = DeviceRef::Array {
                    name: inner.name.clone(),
                };
                other != index && raid.devices.contains(&array.to_string())
            })
        };
        // Arrays inside each other are refused once all operations are drafted.
        let next = remaining.iter().position(|array| !waits(array));
        ordered.push(remaining.remove(next.unwrap_or(0)));
    }
    ordered
}

/// An array of the config with its entries resolved.
struct ArraySpec<'a> {
    raid: &'a Raid,
    array: DeviceRef,
    level: Level,
    members: Vec<DeviceRef>,
    spares: u32,
    origin: Option<Origin>,
}

impl ArraySpec<'_> {
    /// Members that are not spares.
    fn active(&self) -> u32 {
        let all = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        all.saturating_sub(self.spares)
    }

    fn refusal(&self, cause: String, remedy: &str) -> Box<Failure> {
        Box::new(refusal(self.raid, &self.origin, cause, remedy))
    }
}

fn refusal(raid: &Raid, origin: &Option<Origin>, cause: String, remedy: &str) -> Failure {
    Failure {
        act: "create array".into(),
        object: raid.name.clone(),
        cause,
        origin: origin.clone(),
        remedy: remedy.into(),
        code: Some(ErrorCode::ARRAY),
    }
}

fn plan_one(draft: &mut Draft, index: usize, raid: &Raid) -> Result<(), Vec<Failure>> {
    let path = format!("$.storage.raid.{index}");
    refuse_in_image(draft, &path, raid)?;
    let spec = spec(draft, &path, raid)?;
    let decision = decide::decide(draft, &spec).map_err(|refusal| vec![*refusal])?;
    if let ArrayAction::Keep { because } = decision.action {
        push_already_right(draft, spec, because);
        return Ok(());
    }
    refuse_held(draft, &spec, &decision, &path)?;
    if !draft.observed.tools.contains("mdadm") {
        let cause = "the program mdadm is not installed".to_owned();
        return Err(vec![*spec.refusal(cause, "install package mdadm")]);
    }
    match decision.action {
        ArrayAction::Create => push_create(draft, spec, decision.stop),
        ArrayAction::Assemble { .. } => push_assemble(draft, spec, decision),
        ArrayAction::Keep { .. } => {}
    }
    Ok(())
}

/// Refuses arrays in images: the kernel of this machine would assemble and keep them.
fn refuse_in_image(draft: &Draft, path: &str, raid: &Raid) -> Result<(), Vec<Failure>> {
    if !devices::uses_images(draft) {
        return Ok(());
    }
    let cause = "an array over image files would stay assembled in the kernel of this machine";
    let remedy = "remove it from storage.raid; or attach the image files with losetup --partscan, name the loop \
                  devices in the config, and use --target";
    let refusal = refusal(raid, &draft.origin(path), cause.into(), remedy);
    Err(vec![refusal])
}

fn spec<'a>(draft: &Draft, path: &str, raid: &'a Raid) -> Result<ArraySpec<'a>, Vec<Failure>> {
    let origin = draft.origin(path);
    let members = resolve_members(draft, path, raid)?;
    let refuse = |cause, remedy| Err(vec![refusal(raid, &origin, cause, remedy)]);
    if raid.name.starts_with('-') {
        let cause = "its name begins with a dash, so mdadm takes it for an option";
        return refuse(cause.into(), "give the array another name");
    }
    let level = raid.level.as_deref().unwrap_or_default();
    let Some(level) = Level::named(level) else {
        return refuse(
            format!("level {level:?} is unknown"),
            "use linear, raid0, raid1, raid4, raid5, raid6 or raid10",
        );
    };
    if let Some(twice) = find_duplicate(&members) {
        let cause = format!("{twice} is listed twice, by different names");
        return refuse(cause, "list each device once");
    }
    let spares = u32::try_from(raid.spares.unwrap_or(0));
    let Some(spares) = spares
        .ok()
        .filter(|spares| (*spares as usize) < members.len())
    else {
        let cause = format!("{} members leave none besides the spares", members.len());
        return refuse(cause, "give fewer spares or more devices");
    };
    let spec = ArraySpec {
        raid,
        array: DeviceRef::Array {
            name: raid.name.clone(),
        },
        level,
        members,
        spares,
        origin: origin.clone(),
    };
    if spec.active() < min_members(level) {
        let cause = format!(
            "{level} needs at least {} devices besides spares, and there are {}",
            min_members(level),
            spec.active()
        );
        return refuse(cause, "give more devices or choose another level");
    }
    Ok(spec)
}

/// Minimum number of active members for mdadm.
fn min_members(level: Level) -> u32 {
    match level {
        Level::Raid6 => 4,
        Level::Raid4 | Level::Raid5 | Level::Raid10 => 2,
        Level::Linear | Level::Raid0 | Level::Raid1 | Level::Other(_) => 1,
    }
}

fn find_duplicate(members: &[DeviceRef]) -> Option<&DeviceRef> {
    let mut rest = members.iter();
    while let Some(member) = rest.next() {
        if rest.clone().any(|other| other == member) {
            return Some(member);
        }
    }
    None
}

fn resolve_members(draft: &Draft, path: &str, raid: &Raid) -> Result<Vec<DeviceRef>, Vec<Failure>> {
    let act = format!("create array {:?} of", raid.name);
    let (members, missing): (Vec<_>, Vec<_>) = raid
        .devices
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let origin = draft.origin(&format!("{path}.devices.{i}"));
            devices::resolve(draft, text, &act, origin)
        })
        .partition(Result::is_ok);
    match missing.is_empty() {
        true => Ok(members.into_iter().flatten().collect()),
        false => Err(missing
            .into_iter()
            .filter_map(Result::err)
            .map(|r| *r)
            .collect()),
    }
}

/// Refuses members that are in use, except by arrays that are stopped first.
fn refuse_held(
    draft: &Draft,
    spec: &ArraySpec,
    decision: &RaidDecision,
    path: &str,
) -> Result<(), Vec<Failure>> {
    let refusals: Vec<Failure> = spec
        .members
        .iter()
        .enumerate()
        .filter_map(|(i, member)| {
            let holders: Vec<String> = holders(draft, member)
                .filter(|holder| {
                    !decision
                        .stop
                        .iter()
                        .any(|node| devices::is_held_by(holder, node))
                })
                .cloned()
                .collect();
            (!holders.is_empty()).then(|| Failure {
                act: format!("create array {:?} of", spec.raid.name),
                object: member.to_string(),
                cause: format!("it is in use: {}", holders.join(", ")),
                origin: draft.origin(&format!("{path}.devices.{i}")),
                remedy: "unmount or detach it first; an array is stopped by mdadm --stop".into(),
                code: Some(ErrorCode::DEVICE_IN_USE),
            })
        })
        .collect();
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(refusals),
    }
}

/// What uses a device, or a partition of it if it is a whole disk.
fn holders<'d>(draft: &'d Draft, member: &DeviceRef) -> impl Iterator<Item = &'d String> {
    let disk = match member {
        DeviceRef::Disk { disk } => draft.observed.disks.get(disk),
        _ => None,
    };
    let parts = disk
        .into_iter()
        .flat_map(|facts| facts.partitions_held_by.values());
    devices::held_by(draft, member)
        .iter()
        .chain(parts.flatten())
}

fn claims(spec: &ArraySpec) -> Vec<Claim> {
    let make = Claim::new(
        Access::Make,
        ClaimedResource::Device(spec.array.clone().into()),
    );
    let members = spec.members.iter().flat_map(filesystems::content_claims);
    std::iter::once(make).chain(members).collect()
}

fn push_already_right(draft: &mut Draft, spec: ArraySpec, because: String) {
    let kind = OpKind::AlreadyRight(AlreadyRight {
        subject: Subject::Device(spec.array),
        because,
    });
    draft.push(Phase::Raid, Effect::Keep, kind, spec.origin, Vec::new());
}

fn push_assemble(draft: &mut Draft, spec: ArraySpec, decision: RaidDecision) {
    let claims = claims(&spec);
    let ArrayAction::Assemble {
        uuid,
        members,
        missing,
    } = decision.action
    else {
        return;
    };
    let kind = OpKind::AssembleArray(AssembleArray {
        name: spec.raid.name.clone(),
        level: spec.level.to_string(),
        uuid,
        members: members
            .into_iter()
            .filter_map(|index| spec.members.get(index).cloned())
            .collect(),
        missing,
        stop: decision.stop,
    });
    draft.push(Phase::Raid, Effect::Change, kind, spec.origin, claims);
}

fn push_create(draft: &mut Draft, spec: ArraySpec, stop: Vec<String>) {
    let claims = claims(&spec);
    let lost: Vec<String> = spec
        .members
        .iter()
        .flat_map(|member| losses(draft, member))
        .collect();
    let expected = spec.members.iter().map(|member| expected(draft, member));
    let kind = OpKind::CreateArray(CreateArray {
        name: spec.raid.name.clone(),
        level: spec.raid.level.clone().unwrap_or_default(),
        spares: spec.spares,
        options: spec.raid.options.clone(),
        stop,
        expected: expected.collect(),
        members: spec.members,
    });
    let id = draft.push(Phase::Raid, Effect::Create, kind, spec.origin, claims);
    lost.into_iter()
        .for_each(|line| draft.record_loss(id, line));
}

/// What is on a member that becomes part of a new array.
fn losses(draft: &Draft, member: &DeviceRef) -> Vec<String> {
    if devices::is_recreated(draft, member) {
        return Vec::new();
    }
    let content = devices::content(draft, member);
    let mut lost: Vec<String> = content
        .describe()
        .map(|what| format!("{member}: {what}"))
        .into_iter()
        .collect();
    if let DeviceRef::Disk { disk } = member
        && let Some(facts) = draft.observed.disks.get(disk)
        && let TableFacts::Gpt { table, .. } = &facts.table
        && !table.entries.is_empty()
    {
        let count = table.entries.len();
        lost.push(format!(
            "{member}: its partition table with {count} partitions"
        ));
    }
    lost
}

fn expected(draft: &Draft, member: &DeviceRef) -> Expected {
    match devices::is_recreated(draft, member) {
        true => Expected::Anything,
        false => devices::expected(draft, member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_matched_by_its_full_name() {
        assert!(devices::is_held_by("in use by /dev/md12", "/dev/md12"));
        assert!(devices::is_held_by(
            "in use by /dev/md12 (an array), mounted",
            "/dev/md12"
        ));
        assert!(!devices::is_held_by("in use by /dev/md127", "/dev/md12"));
        assert!(!devices::is_held_by("mounted at /dev/md12/x", "/dev/md12"));
    }
}
