//! RAID arrays.

use super::op::{AlreadyRight, CreateArray, Effect, OpKind, Phase, Subject};
use super::{Access, Claim, Draft, Refusal, Resource, devices, filesystems};
use crate::config::model::Raid;
use crate::disk::DeviceRef;

/// Plans all arrays of the config.
pub fn plan(draft: &mut Draft) {
    let document = draft.document;
    for (index, raid) in document.config().storage.raid.iter().enumerate() {
        if let Err(refusals) = plan_one(draft, index, raid) {
            refusals.into_iter().for_each(|r| draft.refuse(r));
        }
    }
}

fn plan_one(draft: &mut Draft, index: usize, raid: &Raid) -> Result<(), Vec<Refusal>> {
    let path = format!("$.storage.raid.{index}");
    let origin = draft.origin(&path);
    let members = resolve_members(draft, &path, raid)?;
    let array = DeviceRef::Array {
        name: raid.name.clone(),
    };
    if is_assembled(draft, &array, &members) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Device(array),
            because: "the array is assembled from members of one set".into(),
        });
        draft.push(Phase::Raid, Effect::Keep, kind, origin, Vec::new());
        return Ok(());
    }
    let refusal = |cause: String, remedy: &str| {
        vec![Refusal {
            act: "cannot create array".into(),
            object: raid.name.clone(),
            cause,
            origin: origin.clone(),
            remedy: remedy.into(),
        }]
    };
    let spares = u32::try_from(raid.spares.unwrap_or(0))
        .ok()
        .filter(|spares| (*spares as usize) < members.len())
        .ok_or_else(|| {
            let cause = format!("{} members leave none besides the spares", members.len());
            refusal(cause, "give fewer spares or more devices")
        })?;
    if !draft.observed.tools.contains("mdadm") {
        let cause = "the program mdadm is not installed".to_owned();
        return Err(refusal(cause, "install package mdadm"));
    }
    push(draft, raid, array, members, spares, origin);
    Ok(())
}

fn resolve_members(draft: &Draft, path: &str, raid: &Raid) -> Result<Vec<DeviceRef>, Vec<Refusal>> {
    let act = format!("cannot make array {:?} of", raid.name);
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

/// The array's node exists and all members carry the superblock of one array.
fn is_assembled(draft: &Draft, array: &DeviceRef, members: &[DeviceRef]) -> bool {
    let exists = draft
        .observed
        .devices
        .get(&array.to_string())
        .is_some_and(|facts| facts.exists);
    let sets: Vec<_> = members
        .iter()
        .map(|member| devices::content(draft, member))
        .collect();
    let is_member = |s: &crate::facts::SuperblockFacts| {
        s.kind.as_deref() == Some("linux_raid_member") && s.uuid == sets[0].uuid
    };
    exists && !sets.is_empty() && sets.iter().all(is_member)
}

fn push(
    draft: &mut Draft,
    raid: &Raid,
    array: DeviceRef,
    members: Vec<DeviceRef>,
    spares: u32,
    origin: Option<crate::config::Origin>,
) {
    let mut claims = vec![Claim::new(Access::Make, Resource::Device(array))];
    let mut lost = Vec::new();
    for member in &members {
        claims.extend(filesystems::changes_content(member));
        if let Some(what) = devices::content(draft, member).describe() {
            lost.push(format!("{member}: {what}"));
        }
    }
    let kind = OpKind::CreateArray(CreateArray {
        name: raid.name.clone(),
        level: raid.level.clone().unwrap_or_default(),
        members,
        spares,
        options: raid.options.clone(),
    });
    let id = draft.push(Phase::Raid, Effect::Create, kind, origin, claims);
    lost.into_iter().for_each(|line| draft.destroys(id, line));
}
