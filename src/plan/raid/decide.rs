//! Whether the members of an array hold the array that the config requests, and what remains to be done.

use super::super::op::OpKind;
use super::{ArraySpec, Draft, Failure, devices};
use crate::disk::DeviceRef;
use crate::disk::device::partition_path;
use crate::disk::raid::{Health, MemberSet, member_sets};
use crate::disk::superblock::raid::RaidMember;
use crate::facts::SuperblockFacts;
use crate::facts::arrays::ArrayFacts;

/// What to do about an array.
pub(super) enum ArrayAction {
    /// Nothing.
    Keep { because: String },
    /// It exists, and is started with these members.
    Assemble {
        uuid: String,
        /// Indices of its members in the config's list.
        members: Vec<usize>,
        /// Members it has to do without.
        missing: u32,
    },
    /// It is created; what the members hold is lost.
    Create,
}

/// What to do, and which arrays have to be stopped first.
pub(super) struct RaidDecision {
    pub action: ArrayAction,
    pub stop: Vec<String>,
}

/// Decides about one array.
pub(super) fn decide(draft: &Draft, spec: &ArraySpec) -> Result<RaidDecision, Box<Failure>> {
    let nodes: Vec<Option<String>> = spec.members.iter().map(|m| node_of(draft, m)).collect();
    let touching: Vec<&ArrayFacts> = draft
        .observed
        .raid
        .arrays
        .iter()
        .filter(|array| array.members.iter().any(|m| has(&nodes, m)))
        .collect();
    let set = matching_set(draft, spec)?;
    refuse_taken_name(draft, spec, &touching)?;
    let mut stop: Vec<String> = Vec::new();
    for array in &touching {
        if !array.is_running {
            stop.push(array.node.clone());
        } else if set
            .as_ref()
            .is_some_and(|set| is_all_of(array, set, &nodes))
        {
            match named_node(draft, spec) == Some(&array.node) {
                true => return Ok(keep(array, stop)),
                false => refuse_held_elsewhere(spec, array)?,
            }
            stop.push(array.node.clone());
        }
        // Any other running array holds its members, and is refused for that reason.
    }
    let action = match set {
        Some(set) => action(draft, spec, set, &touching)?,
        None => ArrayAction::Create,
    };
    Ok(RaidDecision { action, stop })
}

fn keep(array: &ArrayFacts, stop: Vec<String>) -> RaidDecision {
    let mut because = "name, level and members match".to_owned();
    if array.missing > 0 {
        because.push_str(&format!(
            "; it is degraded, {} of its members missing: add them with mdadm --add",
            array.missing
        ));
    }
    RaidDecision {
        action: ArrayAction::Keep { because },
        stop,
    }
}

fn action(
    draft: &Draft,
    spec: &ArraySpec,
    set: MemberSet,
    touching: &[&ArrayFacts],
) -> Result<ArrayAction, Box<Failure>> {
    const RECOVERY_REMEDY: &str = "mdadm --assemble --force may recover it; if its data is not needed, erase its \
                        members with mdadm --zero-superblock";
    // The superblocks of members do not show everything about a running array.
    let runs = touching.iter().any(|array| array.is_running);
    let missing = match set.health() {
        _ if runs => 0,
        Health::Complete => 0,
        Health::Degraded(missing) => missing,
        Health::NeverRan => return Ok(ArrayAction::Create),
        // An interrupted creation cannot be distinguished from a loss here, and there is nothing left to save.
        Health::Broken(_) if !is_redundant(&set.newest) => return Ok(ArrayAction::Create),
        Health::Broken(missing) => {
            let cause =
                format!("it exists, but {missing} of its members are missing or out of date");
            return Err(spec.refusal(cause, RECOVERY_REMEDY));
        }
        Health::Dirty(missing) => {
            let cause = format!(
                "it exists, but {missing} of its members are missing or out of date, and it was not \
                 stopped cleanly: some of its data may be wrong"
            );
            return Err(spec.refusal(cause, RECOVERY_REMEDY));
        }
    };
    if !draft.observed.raid.contents.contains_key(&set.uuid) {
        return Err(spec.refusal(
            "it exists, but its contents cannot be inspected until it is running".into(),
            "start it with mdadm --assemble, then try again",
        ));
    }
    Ok(ArrayAction::Assemble {
        uuid: set.uuid,
        members: set.members,
        missing,
    })
}

fn is_redundant(member: &RaidMember) -> bool {
    use crate::disk::superblock::raid::Level;
    !matches!(member.level, Level::Raid0 | Level::Linear)
}

/// The one set of members that is the array that the config requests.
fn matching_set(draft: &Draft, spec: &ArraySpec) -> Result<Option<MemberSet>, Box<Failure>> {
    if spec.members.iter().any(|member| is_wiped(draft, member)) {
        return Ok(None);
    }
    let found: Vec<SuperblockFacts> = spec
        .members
        .iter()
        .map(|member| devices::content(draft, member))
        .collect();
    let mut sets: Vec<MemberSet> = member_sets(&found)
        .into_iter()
        .filter(|set| fits(spec, &set.newest))
        .collect();
    if sets.len() > 1 {
        sets.retain(|set| set.health() != Health::NeverRan);
    }
    if sets.len() > 1 {
        let uuids: Vec<&str> = sets.iter().map(|set| set.uuid.as_str()).collect();
        return Err(spec.refusal(
            format!(
                "its devices belong to several arrays of that name: {}",
                uuids.join(", ")
            ),
            "erase those that may go with mdadm --zero-superblock",
        ));
    }
    Ok(sets.pop())
}

fn fits(spec: &ArraySpec, member: &RaidMember) -> bool {
    // Superblocks of version 0.90 have no name.
    let name_fits = member
        .short_name()
        .is_none_or(|name| name == short_name(&spec.raid.name));
    name_fits && member.level == spec.level && member.devices == spec.active()
}

/// The name that mdadm stores for an array of this name: `/dev/md/data` and `data` are `data`, `/dev/md0` is `0`.
fn short_name(name: &str) -> &str {
    let Some(last) = name.strip_prefix("/dev/") else {
        return name;
    };
    let (_, base) = last.rsplit_once('/').unwrap_or(("", last));
    if base != last {
        return base;
    }
    let number = base
        .strip_prefix("md")
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let named = base.strip_prefix("md_").filter(|rest| !rest.is_empty());
    named.or(number).unwrap_or(base)
}

/// True if the config erases this member or creates it.
fn is_wiped(draft: &Draft, member: &DeviceRef) -> bool {
    let Some(disk) = member.disk() else {
        return devices::is_recreated(draft, member);
    };
    let write = draft.operations().iter().find_map(|op| match &op.kind {
        OpKind::WriteTable(write) if write.disk == disk => Some(write),
        _ => None,
    });
    let Some(write) = write else { return false };
    let DeviceRef::Partition { number, .. } = member else {
        return true;
    };
    let old = draft
        .observed
        .disks
        .get(disk)
        .and_then(|facts| facts.table.gpt())
        .and_then(|table| table.entries.get(number));
    let new = write.table.entries.get(number);
    write.wipe || old.map(|entry| entry.start) != new.map(|entry| entry.start)
}

fn node_of(draft: &Draft, member: &DeviceRef) -> Option<String> {
    match member {
        DeviceRef::Disk { disk } => Some(draft.observed.disks.get(disk)?.node.clone()),
        DeviceRef::Partition { disk, number } => {
            let node = &draft.observed.disks.get(disk)?.node;
            Some(partition_path(node, *number))
        }
        other => draft.observed.raid.nodes.get(&other.to_string()).cloned(),
    }
}

fn has(nodes: &[Option<String>], node: &str) -> bool {
    nodes.iter().flatten().any(|n| n == node)
}

/// True for an array that consists only of members of the set.
fn is_all_of(array: &ArrayFacts, set: &MemberSet, nodes: &[Option<String>]) -> bool {
    let own: Vec<&String> = set
        .members
        .iter()
        .filter_map(|index| nodes.get(*index)?.as_ref())
        .collect();
    array.members.iter().all(|member| own.contains(&member))
}

fn named_node<'d>(draft: &'d Draft, spec: &ArraySpec) -> Option<&'d String> {
    draft.observed.raid.nodes.get(&spec.array.to_string())
}

/// Refuses a name whose node is an array of other devices.
fn refuse_taken_name(
    draft: &Draft,
    spec: &ArraySpec,
    touching: &[&ArrayFacts],
) -> Result<(), Box<Failure>> {
    let Some(node) = named_node(draft, spec) else {
        return Ok(());
    };
    if touching.iter().any(|array| array.node == *node) {
        return Ok(());
    }
    let other = draft
        .observed
        .raid
        .arrays
        .iter()
        .find(|array| array.node == *node);
    let of = other.map_or_else(String::new, |array| {
        format!(" of {}", array.members.join(", "))
    });
    Err(spec.refusal(
        format!("{} already exists: {node}, an array{of}", spec.array),
        "stop that array with mdadm --stop, or choose another name",
    ))
}

fn refuse_held_elsewhere(spec: &ArraySpec, array: &ArrayFacts) -> Result<(), Box<Failure>> {
    if array.held_by.is_empty() {
        return Ok(());
    }
    Err(spec.refusal(
        format!(
            "it runs as {}, which is in use: {}",
            array.node,
            array.held_by.join(", ")
        ),
        "unmount or detach it first",
    ))
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn names_as_mdadm_stores_them() {
        for (name, short) in [
            ("data", "data"),
            ("/dev/md/data", "data"),
            ("/dev/md0", "0"),
            ("/dev/md_root", "root"),
            ("/dev/mdx", "mdx"),
        ] {
            assert_eq!(short_name(name), short, "{name}");
        }
    }
}
